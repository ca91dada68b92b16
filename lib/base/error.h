// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_BASE_ERROR_H
#define NORMD_BASE_ERROR_H

#include "lib/base/status.h"

enum { NORMD_ERROR_MESSAGE_BYTES = 1536 };

/* Why a call failed: the status and a sentence that names the field, what was expected and what
   came. A plain value that the caller owns; the message is cut, never overrun. */
typedef struct normd_error {
    normd_status status;
    char message[NORMD_ERROR_MESSAGE_BYTES];
} normd_error;

/* Fills `error` (which may be NULL) and returns `status`, so that a failing function can end with
   `return normd_error_set(error, NORMD_BAD_SHAPE, "x: expected %zu features, got %zu", ...)`. */
normd_status normd_error_set(normd_error *error, normd_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Shorthand for the only failure that has nothing to say: INTERNAL, out of memory. */
normd_status normd_error_no_memory(normd_error *error);

/* Puts "prefix" before the message ("layers[2].eps: " + message); for nested options. */
normd_status normd_error_prefix(normd_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
