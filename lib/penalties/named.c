// SPDX-License-Identifier: Apache-2.0
#include "lib/penalties/named.h"

#include <stdio.h>
#include <string.h>

/* "l1, l2, l1_l2" */
static void list_names(const char *const names[], char *text, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; names[i] != NULL && used < size; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "", names[i]);
    }
}

int normd_named_begin(
    normd_options *options, const char *key, const char *const names[], normd_options *arguments)
{
    const json_t *value = normd_options_any(options, key);
    if (value == NULL || json_is_null(value)) {
        return -1;
    }
    bool serialized = json_object_get(value, "class_name") != NULL;
    const json_t *name = json_is_string(value) ? value : json_object_get(value, "name");
    name = serialized ? json_object_get(value, "class_name") : name;
    const json_t *map = serialized ? json_object_get(value, "config") : value;
    const char *dot = options->path[0] == '\0' ? "" : ".";
    normd_options_begin(
        arguments, json_is_object(map) ? map : NULL, NULL, "%s%s%s", options->path, dot, key);
    for (int i = 0; json_is_string(name) && names[i] != NULL; i++) {
        if (normd_options_same_name(json_string_value(name), names[i])) {
            if (!serialized) {
                (void)normd_options_any(arguments, "name");
            }
            return i;
        }
    }
    char list[128];
    char got[NORMD_OPTIONS_SHOW_BYTES];
    list_names(names, list, sizeof list);
    normd_options_fail(options, key,
        "expected null, a name, or a map with a name and arguments; one of %s; got %s", list,
        normd_options_show(name != NULL ? name : value, got, sizeof got));
    return -1;
}

void normd_named_finish(normd_options *options, normd_options *arguments)
{
    normd_error error = {.status = NORMD_OK};
    if (normd_options_finish(arguments, &error) != NORMD_OK && options->error.status == NORMD_OK) {
        options->error = error;
    }
}
