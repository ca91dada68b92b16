// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_C_CLOCK_H
#define NORMD_CLIENTS_C_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds of the monotonic clock. */
static inline int64_t normd_clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The moment that lies `seconds` (at most a century) ahead; INT64_MAX, never, for 0 or less. */
static inline int64_t normd_clock_deadline(double seconds)
{
    if (!(seconds > 0.0)) {
        return INT64_MAX;
    }
    return normd_clock_now() + (int64_t)((seconds < 3e9 ? seconds : 3e9) * 1e9);
}

/* What is left until `deadline` as poll() takes it: rounded up, so that nobody spins. */
static inline int normd_clock_poll_timeout(int64_t deadline)
{
    if (deadline == INT64_MAX) {
        return -1;
    }
    int64_t left = deadline - normd_clock_now();
    if (left <= 0) {
        return 0;
    }
    int64_t milliseconds = left / 1000000 + 1;
    return milliseconds < 60000 ? (int)milliseconds : 60000;
}

#endif
