// SPDX-License-Identifier: Apache-2.0
#include "daemon/store/save_name.h"

#include <string.h>

normd_status normd_save_name_check(const char *name, normd_error *error)
{
    static const char ALLOWED[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t length = strnlen(name, NORMD_SAVE_NAME_BYTES + 1);
    if (length == 0 || length > NORMD_SAVE_NAME_BYTES) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "name: expected 1 to %d characters, got %s", NORMD_SAVE_NAME_BYTES,
            length == 0 ? "none" : "more");
    }
    if (name[0] == '.') {
        return normd_error_set(
            error, NORMD_BAD_ARGUMENT, "name: expected no dot at its beginning, got \"%s\"", name);
    }
    if (strspn(name, ALLOWED) != length) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "name: expected only A-Z a-z 0-9 . _ and -, got something else");
    }
    return NORMD_OK;
}
