// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_STORE_DIRECTORY_H
#define NORMD_DAEMON_STORE_DIRECTORY_H

#include "daemon/store/store.h"

/* The directory of a store: that there is one, that it is ours, and that nobody else has it. */
typedef struct normd_directory {
    char *path;     /* absolute, without links */
    char *base;     /* absolute path of base/data.mdb */
    int descriptor; /* of the directory, */
    int journal;    /* of journal/ in it, */
    int lock;       /* and of the lock; -1: there is none (a check of a copy) */
    bool read_only;
} normd_directory;

/* Makes it when it is not there, locks it, holds its format against ours, ends what a crash left
   half done. STORE_FAILED, as normd_store_open; nothing to close then. */
normd_status normd_directory_open(
    const normd_store_options *options, normd_directory *directory, normd_error *error);
void normd_directory_close(normd_directory *directory);

/* Writes the format file into a folder; 0 or errno. */
int normd_directory_write_format(int folder);

#endif
