// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_STORE_SAVE_H
#define NORMD_DAEMON_STORE_SAVE_H

#include "daemon/store/base.h"
#include "daemon/store/directory.h"

/* As normd_store_save. One at a time. */
normd_status normd_save_make(const normd_directory *directory, normd_base *base, const char *name,
    char *path, size_t path_size, uint64_t *bytes, normd_error *error);

#endif
