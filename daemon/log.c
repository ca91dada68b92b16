// SPDX-License-Identifier: Apache-2.0
#include "daemon/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {
    [NORMD_LOG_ERROR] = "error",
    [NORMD_LOG_WARNING] = "warning",
    [NORMD_LOG_INFO] = "info",
    [NORMD_LOG_DEBUG] = "debug",
};

bool normd_log_level_parse(const char *name, normd_log_level *level)
{
    for (unsigned i = 0; i < sizeof level_names / sizeof *level_names; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level = (normd_log_level)i;
            return true;
        }
    }
    return false;
}

/* Bytes that a snprintf into `room` bytes really left there. */
static size_t written(int result, size_t room)
{
    if (result < 0) {
        return 0;
    }
    return (size_t)result < room ? (size_t)result : room - 1;
}

void normd_log_write(const normd_log *log, normd_log_level level, const char *format, ...)
{
    if (level > log->level) {
        return;
    }
    char line[1024];
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t used = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    used += written(snprintf(line + used, sizeof line - used, ".%03ldZ %s ", now.tv_nsec / 1000000,
                        level_names[level]),
        sizeof line - used);
    va_list arguments;
    va_start(arguments, format);
    used += written(
        vsnprintf(line + used, sizeof line - used - 1, format, arguments), sizeof line - used - 1);
    va_end(arguments);
    line[used++] = '\n';
    /* There is nowhere to tell that the log cannot be written. */
    ssize_t ignored = write(log->fd, line, used);
    (void)ignored;
}
