// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_UNIT_CLIENTS_TEMPORARY_FILE_H
#define NORMD_TESTS_UNIT_CLIENTS_TEMPORARY_FILE_H

#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/cmocka_headers.h"

/* A file with given bytes; remove it with unlink(). */
typedef struct temporary_file {
    char path[32];
} temporary_file;

static inline temporary_file temporary_file_create(const void *bytes, size_t size)
{
    temporary_file file = {.path = "/tmp/normd-test-XXXXXX"};
    int fd = mkstemp(file.path);
    assert_true(fd >= 0);
    assert_true(write(fd, bytes, size) == (ssize_t)size);
    close(fd);
    return file;
}

#endif
