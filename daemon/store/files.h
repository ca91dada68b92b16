// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_STORE_FILES_H
#define NORMD_DAEMON_STORE_FILES_H

#include <stdbool.h>
#include <stddef.h>

/* Small steps on files below a directory's descriptor. Those that can fail return 0 or errno. */

/* A folder of mode 0700; that it is there already is fine. */
int normd_files_make_folder(int directory, const char *name);

/* The whole file, with its name, on the disk or not there: written aside, synced, renamed. */
int normd_files_write(int directory, const char *name, const char *text);

/* At most size - 1 bytes of its begin, terminated. */
int normd_files_read(int directory, const char *name, char *text, size_t size);

bool normd_files_exist(int directory, const char *name);

/* Syncs a folder, so that names in it are on the disk; "." is the directory itself. */
int normd_files_sync_folder(int directory, const char *name);

/* Removes a file, or a folder and what is in it, of at most a few levels; no such is fine. */
int normd_files_remove(int directory, const char *name);

/* Calls `each` with the names in a folder ("." and ".." left out) until it answers false. */
int normd_files_each(int directory, const char *folder,
    bool (*each)(void *context, int folder_descriptor, const char *name), void *context);

#endif
