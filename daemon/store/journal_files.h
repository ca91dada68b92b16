// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_STORE_JOURNAL_FILES_H
#define NORMD_DAEMON_STORE_JOURNAL_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/store/journal_frame.h"
#include "lib/base/error.h"

/*
 * Segment files: their names, which there are, and how one is made.
 */

/* "journal/000000000007.log", as messages say it; + 8 is the name within the directory. */
typedef struct normd_segment_name {
    char text[40];
} normd_segment_name;

normd_segment_name normd_segment_name_of(uint64_t segment);
const char *normd_segment_name_in_folder(const normd_segment_name *name);

/* A file in the journal of a copy, which has no segment until it is opened for the first time. */
#define NORMD_JOURNAL_OF_COPY "copy"

/* Numbers of the segments in the directory, ascending; the caller frees *number. Files of other
   names are let pass. STORE_FAILED, INTERNAL. */
normd_status normd_segments_list(
    int directory, uint64_t **number, size_t *count, normd_error *error);

/* Makes the segment that `header` tells of, or makes it anew without frames, synced with its
   directory. *file is open for appending, and the caller's. *touched: whether there may be a file
   now, though it failed. STORE_FAILED. */
normd_status normd_segment_make(int directory, const normd_segment_header *header, int *file,
    uint32_t *seed, bool *touched, normd_error *error);

/* STORE_FAILED: "<name>: <what>: <errno's text>". */
normd_status normd_segment_error(
    normd_error *error, const normd_segment_name *name, const char *what, int code);

/* fdatasync that goes on after signals. 0 or errno. */
int normd_segment_sync(int file);

#endif
