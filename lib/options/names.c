// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <string.h>

#include "lib/options/options.h"

bool normd_options_same_name(const char *a, const char *b)
{
    while (*a != '\0' || *b != '\0') {
        if (*a == '_') {
            a++;
        } else if (*b == '_') {
            b++;
        } else if (tolower((unsigned char)*a++) != tolower((unsigned char)*b++)) {
            return false;
        }
    }
    return true;
}

/* Whether the value is what Keras serializes, and nothing more. */
static bool is_serialized(const json_t *value)
{
    static const char *const keys[] = {
        "class_name", "config", "module", "registered_name", "build_config", "compile_config"};
    const json_t *config = json_object_get(value, "config");
    size_t known = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        known += json_object_get(value, keys[i]) != NULL;
    }
    return json_object_get(value, "class_name") != NULL && known == json_object_size(value) &&
           (config == NULL || json_is_null(config) || json_is_object(config));
}

json_t *normd_options_deserialize(const json_t *value)
{
    if (!is_serialized(value)) {
        return json_incref((json_t *)(uintptr_t)value); /* only its count of references changes */
    }
    const json_t *config = json_object_get(value, "config");
    json_t *map = json_is_object(config) ? json_deep_copy(config) : json_object();
    json_object_del(map, "name"); /* the object's own, which says nothing */
    json_t *type = json_deep_copy(json_object_get(value, "class_name"));
    if (json_object_set_new(map, "type", type) != 0) {
        json_decref(map);
        return NULL;
    }
    return map;
}
