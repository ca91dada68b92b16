// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_MEMORY_LIMITS_H
#define NORMD_MEMORY_LIMITS_H

#include <stddef.h>

#include "lib/base/error.h"

/*
 * How much memory a user's request may ask for, in bytes; 0: no limit. What is over a limit is
 * refused before any of it is allocated: a few bytes of request can ask for a great deal.
 */
typedef struct normd_memory_limits {
    size_t answer_bytes;  /* the largest array or file that a call gives back */
    size_t work_bytes;    /* what one call takes at most at one time: its input in the session's
                             type, activations, gradients, temporary arrays, its output */
    size_t session_bytes; /* what a session takes: parameters, statistics and optimizer slots
                             twice (a step writes new ones beside the old), and
                             gradients twice (of a step, and the accumulated) */
} normd_memory_limits;

/* The sum; SIZE_MAX when that overflows. */
static inline size_t normd_bytes_add(size_t a, size_t b)
{
    size_t sum;
    return __builtin_add_overflow(a, b, &sum) ? (size_t)-1 : sum;
}

/* TOO_LARGE when `bytes` are over the limit: "<what> at most 100 bytes, got 200<advice>". */
normd_status normd_limit_check(
    size_t limit, size_t bytes, const char *what, const char *advice, normd_error *error);

#endif
