// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_CLI_DATA_FILE_H
#define NORMD_CLIENTS_CLI_DATA_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "lib/base/error.h"

/* A whole file; `*data` is to be freed. BAD_ARGUMENT with "path: why". */
normd_status normd_file_read(const char *path, void **data, size_t *size, normd_error *error);

/* A file that appears whole or not at all: it is written and synced under another name in the same
   folder, then renamed, and the folder is synced. What fails, as on a full disk, leaves the file
   that was there as it was, and nothing beside it. A link is followed; the mode of a file that is
   replaced stays. "-" or NULL is the standard output; it, a device and a pipe are written at once.
 */
typedef struct normd_output {
    FILE *file;
    const char *path; /* as it was given */
    char *target;     /* where it leads; NULL for the standard output */
    char *temporary;  /* NULL for what is written at once */
} normd_output;

normd_status normd_output_begin(const char *path, normd_output *output, normd_error *error);
/* Makes it appear, or reports what failed; either way `output` is done. */
normd_status normd_output_commit(normd_output *output, normd_error *error);
/* Throws away what was written. */
void normd_output_abort(normd_output *output);

#endif
