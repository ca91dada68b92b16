// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_STORE_JOURNAL_H
#define NORMD_DAEMON_STORE_JOURNAL_H

#include "daemon/store/store.h"

/*
 * Records in segment files that only grow; each record is whole or not there. README.md has the
 * format, and what is damage and what a crash leaves.
 *
 * append and seal come from one thread; remove may run beside them on another; bytes and
 * wants_checkpoint on any.
 */
typedef struct normd_journal normd_journal;

typedef struct normd_journal_options {
    int directory; /* descriptor of DIR/journal (O_RDONLY | O_DIRECTORY); stays the caller's */
    normd_store_sync sync;
    bool read_only;
    void (*note)(void *context, const char *text); /* as in normd_store_options */
    void *context;
} normd_journal_options;

/* Reads segments from `first` on (in order of numbers, without a gap; segments below `first` are
   left overs of a checkpoint whose deletion did not come about: removed unless read_only; none at
   all is an empty journal), hands every record to `record`, cuts a tail that was never whole
   (unless read_only), and is ready to append behind the last record (begins a new segment). Adds to
   records, record_bytes and cut_bytes of the report. STORE_FAILED: damage
   ("journal/000000000007.log: offset 123456: ..."), or the system refused something; INTERNAL (out
   of memory); what `record` answers, other than OK. */
normd_status normd_journal_open(const normd_journal_options *options, uint64_t first,
    normd_status (*record)(void *context, normd_store_bytes record, normd_error *error),
    void *context, normd_store_report *report, normd_journal **journal, normd_error *error);

/* Syncs what is written, whatever the mode. NULL is let pass. */
void normd_journal_close(normd_journal *journal);

/* As normd_store_append. */
normd_status normd_journal_append(
    normd_journal *journal, const normd_store_record *record, size_t records, normd_error *error);

/* Brings to the disk what was appended, beside appends: the next seal waits for that much less. A
   failure is a note, as that of the syncer's. Any thread; not beside a seal or close. */
void normd_journal_sync(normd_journal *journal);

/* Records go to the segment *segment from here on, and all before it are on the disk, whatever the
   mode. STORE_FAILED. */
normd_status normd_journal_seal(normd_journal *journal, uint64_t *segment, normd_error *error);

/* Deletes segments below `first`; may run on another thread beside append. A failure is a note:
   they are removed at the next open. */
void normd_journal_remove(normd_journal *journal, uint64_t first);

/* Bytes that a recovery would read. */
uint64_t normd_journal_bytes(const normd_journal *journal);

/* Whether a sync of appended records failed, until the next seal. */
bool normd_journal_wants_checkpoint(const normd_journal *journal);

#endif
