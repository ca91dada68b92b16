// SPDX-License-Identifier: Apache-2.0
#include "protocol/writer.h"

#include <assert.h>
#include <string.h>

#include "protocol/utf8.h"

int normd_write_append(void *buffer, const char *bytes, size_t size)
{
    normd_write_buffer *to = buffer;
    if (msgpack_sbuffer_write(&to->bytes, bytes, size) != 0) {
        to->failed = true;
        return -1;
    }
    return 0;
}

static void write_text(msgpack_packer *packer, const char *text, size_t length)
{
    msgpack_pack_str(packer, length);
    msgpack_pack_str_body(packer, text, length);
}

void normd_write_str(msgpack_packer *packer, const char *text)
{
    write_text(packer, text, strlen(text));
}

void normd_write_bin(msgpack_packer *packer, const void *data, size_t size)
{
    msgpack_pack_bin(packer, size);
    msgpack_pack_bin_body(packer, data, size);
}

void normd_write_result(msgpack_packer *packer, uint32_t id)
{
    msgpack_pack_array(packer, 4);
    msgpack_pack_uint8(packer, 1);
    msgpack_pack_uint32(packer, id);
    msgpack_pack_nil(packer);
}

void normd_write_error(msgpack_packer *packer, uint32_t id, const normd_error *error)
{
    char text[64 + NORMD_ERROR_MESSAGE_BYTES];
    int length =
        snprintf(text, sizeof text, "%s %s", normd_status_name(error->status), error->message);
    assert(length > 0 && (size_t)length < sizeof text);
    size_t size = (size_t)length;
    for (size_t at = 0; at < size;) {
        size_t character = normd_utf8_next(text + at, size - at);
        if (character == 0) {
            text[at] = '?';
            character = 1;
        }
        at += character;
    }
    msgpack_pack_array(packer, 4);
    msgpack_pack_uint8(packer, 1);
    msgpack_pack_uint32(packer, id);
    write_text(packer, text, size);
    msgpack_pack_nil(packer);
}

void normd_write_request(msgpack_packer *packer, uint32_t id, const char *method, uint32_t fields)
{
    msgpack_pack_array(packer, 4);
    msgpack_pack_uint8(packer, 0);
    msgpack_pack_uint32(packer, id);
    normd_write_str(packer, method);
    msgpack_pack_map(packer, fields);
}

static void write_key(msgpack_packer *packer, const char *key, normd_keys keys)
{
    if (keys == NORMD_KEYS_BIN) {
        normd_write_bin(packer, key, strlen(key));
    } else {
        normd_write_str(packer, key);
    }
}

void normd_write_array_header(msgpack_packer *packer, const normd_array *array, normd_keys keys)
{
    size_t bytes = normd_array_bytes(array);
    assert(bytes <= UINT32_MAX);
    msgpack_pack_map(packer, 5);
    write_key(packer, "nd", keys);
    msgpack_pack_true(packer);
    write_key(packer, "type", keys);
    normd_write_str(packer, normd_dtype_wire_name(array->dtype));
    write_key(packer, "kind", keys);
    write_key(packer, "", keys);
    write_key(packer, "shape", keys);
    msgpack_pack_array(packer, array->shape.rank);
    for (uint32_t axis = 0; axis < array->shape.rank; axis++) {
        msgpack_pack_uint64(packer, array->shape.dim[axis]);
    }
    write_key(packer, "data", keys);
    msgpack_pack_bin(packer, bytes);
}

void normd_write_array(msgpack_packer *packer, const normd_array *array, normd_keys keys)
{
    normd_write_array_header(packer, array, keys);
    msgpack_pack_bin_body(packer, array->data, normd_array_bytes(array));
}
