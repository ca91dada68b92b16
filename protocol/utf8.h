// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_PROTOCOL_UTF8_H
#define NORMD_PROTOCOL_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The bytes (1 to 4) of the UTF-8 character that `text` starts with; 0 when it starts with none
   (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF) or `size` is 0. */
size_t normd_utf8_next(const char *text, size_t size);

/* Whether all of it is UTF-8 without control characters (U+0000 to U+001F, U+007F to U+009F). */
bool normd_utf8_is_plain(const char *text, size_t size);

#endif
