// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/common/json_pack.h"

static void pack_text(msgpack_packer *packer, const char *text, size_t length)
{
    msgpack_pack_str(packer, length);
    msgpack_pack_str_body(packer, text, length);
}

/* jansson bounds the depth of what it reads, and so of this recursion. */
static void pack_object(msgpack_packer *packer, const json_t *json)
{
    const char *key;
    json_t *value;
    json_t *object = (json_t *)(uintptr_t)json; /* the iterator wants it without const */
    msgpack_pack_map(packer, json_object_size(json));
    json_object_foreach(object, key, value)
    {
        pack_text(packer, key, strlen(key));
        normd_json_pack(packer, value);
    }
}

void normd_json_pack(msgpack_packer *packer, const json_t *json)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        pack_object(packer, json);
        break;
    case JSON_ARRAY:
        msgpack_pack_array(packer, json_array_size(json));
        for (size_t k = 0; k < json_array_size(json); k++) {
            normd_json_pack(packer, json_array_get(json, k));
        }
        break;
    case JSON_STRING:
        pack_text(packer, json_string_value(json), json_string_length(json));
        break;
    case JSON_INTEGER:
        msgpack_pack_int64(packer, json_integer_value(json));
        break;
    case JSON_REAL:
        msgpack_pack_double(packer, json_real_value(json));
        break;
    case JSON_TRUE:
        msgpack_pack_true(packer);
        break;
    case JSON_FALSE:
        msgpack_pack_false(packer);
        break;
    case JSON_NULL:
        msgpack_pack_nil(packer);
        break;
    }
}
