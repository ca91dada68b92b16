// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_LOG_H
#define NORMD_DAEMON_LOG_H

#include <stdbool.h>

typedef enum normd_log_level {
    NORMD_LOG_ERROR,
    NORMD_LOG_WARNING,
    NORMD_LOG_INFO,
    NORMD_LOG_DEBUG,
} normd_log_level;

/* Where log lines go, and from which level on. A plain value, never changed after the start, so
   that any thread may write. */
typedef struct normd_log {
    int fd;
    normd_log_level level;
} normd_log;

/* False when `name` is none of "error", "warning", "info", "debug". */
bool normd_log_level_parse(const char *name, normd_log_level *level);

/* Writes one line, "2025-01-31T12:00:00.000Z info text", by one write(2); a line that is too long
   is cut. Any thread. */
void normd_log_write(const normd_log *log, normd_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
