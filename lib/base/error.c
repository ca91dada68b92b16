// SPDX-License-Identifier: Apache-2.0
#include "lib/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

normd_status normd_error_set(normd_error *error, normd_status status, const char *format, ...)
{
    if (error != NULL) {
        error->status = status;
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
    }
    return status;
}

normd_status normd_error_no_memory(normd_error *error)
{
    return normd_error_set(error, NORMD_INTERNAL, "out of memory");
}

normd_status normd_error_prefix(normd_error *error, const char *format, ...)
{
    if (error == NULL) {
        return NORMD_INTERNAL;
    }
    char prefixed[NORMD_ERROR_MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(prefixed, sizeof prefixed, format, arguments);
    va_end(arguments);
    if (length > 0 && (size_t)length < sizeof prefixed) {
        size_t room = sizeof prefixed - (size_t)length;
        size_t take = strnlen(error->message, room - 1);
        memcpy(prefixed + length, error->message, take);
        prefixed[(size_t)length + take] = '\0';
        memcpy(error->message, prefixed, sizeof prefixed);
    }
    return error->status;
}
