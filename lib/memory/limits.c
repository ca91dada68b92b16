// SPDX-License-Identifier: Apache-2.0
#include "lib/memory/limits.h"

normd_status normd_limit_check(
    size_t limit, size_t bytes, const char *what, const char *advice, normd_error *error)
{
    if (limit == 0 || bytes <= limit) {
        return NORMD_OK;
    }
    return normd_error_set(
        error, NORMD_TOO_LARGE, "%s at most %zu bytes, got %zu%s", what, limit, bytes, advice);
}
