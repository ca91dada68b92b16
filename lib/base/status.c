// SPDX-License-Identifier: Apache-2.0
#include "lib/base/status.h"

#include <string.h>

typedef struct status_row {
    normd_status status;
    const char *name;
} status_row;

static const status_row status_rows[] = {
#define STATUS_ROW(name, number, meaning) {NORMD_##name, #name},
    NORMD_STATUS_MAP(STATUS_ROW)
#undef STATUS_ROW
};

enum { STATUS_COUNT = sizeof status_rows / sizeof *status_rows };

static const status_row *status_find(normd_status status)
{
    for (int i = 0; i < STATUS_COUNT; i++) {
        if (status_rows[i].status == status) {
            return &status_rows[i];
        }
    }
    return &status_rows[STATUS_COUNT - 1];
}

const char *normd_status_name(normd_status status)
{
    return status_find(status)->name;
}

int normd_status_parse(const char *word, unsigned long length)
{
    for (int i = 0; i < STATUS_COUNT; i++) {
        const char *name = status_rows[i].name;
        if (strlen(name) == length && memcmp(name, word, length) == 0) {
            return (int)status_rows[i].status;
        }
    }
    return -1;
}
