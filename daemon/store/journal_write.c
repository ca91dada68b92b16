// SPDX-License-Identifier: Apache-2.0
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "daemon/store/crc32c.h"
#include "daemon/store/journal_state.h"

void normd_journal_take_back(normd_journal *journal)
{
    journal->broken = true;
    /* What cannot be taken back is cut off by the next segment's previous_end. */
    if (ftruncate(journal->file, (off_t)normd_journal_current(journal)->end) == 0 &&
        journal->options.sync == NORMD_STORE_SYNC_ALWAYS) {
        (void)normd_segment_sync(journal->file);
    }
}

/* Leaves out the first `bytes` of the parts; returns how many parts are whole behind them. */
static size_t skip(struct iovec *parts, size_t count, size_t bytes)
{
    size_t whole = 0;
    while (whole < count && bytes >= parts[whole].iov_len) {
        bytes -= parts[whole++].iov_len;
    }
    if (whole < count) {
        parts[whole].iov_base = (unsigned char *)parts[whole].iov_base + bytes;
        parts[whole].iov_len -= bytes;
    }
    return whole;
}

int normd_journal_write(normd_journal *journal, struct iovec *parts, size_t count)
{
    uint64_t written = 0;
    while (count > 0) {
        ssize_t wrote = writev(journal->file, parts, count < IOV_MAX ? (int)count : IOV_MAX);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            int code = wrote == 0 ? ENOSPC : errno;
            normd_journal_take_back(journal);
            return code;
        }
        written += (uint64_t)wrote;
        size_t whole = skip(parts, count, (size_t)wrote);
        parts += whole;
        count -= whole;
    }
    normd_journal_current(journal)->end += written;
    atomic_fetch_add(&journal->bytes, written);
    journal->unsynced = true;
    return 0;
}

/* ---- A new segment ---- */

/* All records are on the disk, or count as not written: the segment ends where the disk surely has
   it. A marker that no sync came behind is given up, too, since the kernel may have dropped it. */
static void give_up_unsynced(normd_journal *journal)
{
    normd_journal_segment *current = normd_journal_current(journal);
    atomic_fetch_sub(&journal->bytes, current->end - journal->synced_end);
    current->end = journal->synced_end;
    journal->unsynced = false;
}

static normd_status sync_current(normd_journal *journal, normd_error *error)
{
    if (journal->file < 0) {
        return NORMD_OK;
    }
    if (journal->synced == journal->record) {
        give_up_unsynced(journal);
        return NORMD_OK;
    }
    int code = normd_segment_sync(journal->file);
    if (code == 0) {
        return NORMD_OK;
    }
    normd_journal_sync_failed(journal, code);
    normd_segment_name name = normd_segment_name_of(normd_journal_current(journal)->number);
    return normd_segment_error(error, &name, "cannot sync it", code);
}

/* What the header of the next segment says. A segment without frames is made anew: its seed is
   another then, so that nothing that a failed write left behind can be taken for a frame. */
static normd_segment_header next_header(const normd_journal *journal, bool *anew)
{
    const normd_journal_segments *segments = &journal->segments;
    normd_segment_header header = {
        .version = NORMD_JOURNAL_VERSION, .segment = journal->first, .record = journal->record + 1};
    size_t before = segments->count;
    *anew = before > 0 && segments->item[before - 1].end == NORMD_SEGMENT_HEADER_BYTES;
    if (*anew) {
        before--;
        header.segment = segments->item[before].number;
    } else if (before > 0) {
        header.segment = segments->item[before - 1].number + 1;
    }
    header.previous_end = before > 0 ? segments->item[before - 1].end : 0;
    return header;
}

static void go_on_in(normd_journal *journal, int file, uint32_t seed)
{
    if (journal->file >= 0) {
        close(journal->file);
    }
    journal->file = file;
    journal->seed = seed;
    journal->broken = false;
    journal->suspect = false;
    journal->unsynced = false;
    journal->synced = journal->record;
    journal->marked = journal->record;
    journal->synced_end = NORMD_SEGMENT_HEADER_BYTES;
}

normd_status normd_journal_begin_segment(normd_journal *journal, normd_error *error)
{
    while (journal->syncing) {
        pthread_cond_wait(&journal->rested, &journal->lock);
    }
    normd_status status = sync_current(journal, error);
    if (status != NORMD_OK) {
        return status;
    }
    bool anew;
    normd_segment_header header = next_header(journal, &anew);
    normd_segment_name name = normd_segment_name_of(header.segment);
    if (getrandom(&header.salt, sizeof header.salt, 0) != (ssize_t)sizeof header.salt) {
        return normd_segment_error(error, &name, "no random number for its header", errno);
    }
    if (!anew) {
        status = normd_journal_segments_add(&journal->segments, header.segment, 0, error);
        if (status != NORMD_OK) {
            return status;
        }
    }
    int file;
    uint32_t seed;
    bool touched;
    status = normd_segment_make(journal->options.directory, &header, &file, &seed, &touched, error);
    if (status != NORMD_OK) {
        /* Its header may be on the disk, and then says where this one ends: no frame may follow. */
        journal->broken = journal->broken || touched;
        journal->segments.count -= anew ? 0 : 1;
        return status;
    }
    go_on_in(journal, file, seed);
    normd_journal_current(journal)->end = NORMD_SEGMENT_HEADER_BYTES;
    atomic_fetch_add(&journal->bytes, anew ? 0 : NORMD_SEGMENT_HEADER_BYTES);
    return NORMD_OK;
}

static normd_status refuse_read_only(normd_error *error)
{
    return normd_error_set(error, NORMD_STORE_FAILED,
        "journal: expected a store open for writing, got a read-only one");
}

normd_status normd_journal_seal(normd_journal *journal, uint64_t *segment, normd_error *error)
{
    if (journal->options.read_only) {
        return refuse_read_only(error);
    }
    pthread_mutex_lock(&journal->lock);
    normd_status status = NORMD_OK;
    if (journal->broken || normd_journal_current(journal)->end > NORMD_SEGMENT_HEADER_BYTES) {
        status = normd_journal_begin_segment(journal, error);
    }
    if (status == NORMD_OK) {
        *segment = normd_journal_current(journal)->number;
        atomic_store(&journal->wants_checkpoint, false);
    }
    pthread_mutex_unlock(&journal->lock);
    return status;
}

/* ---- A group ---- */

static bool make_room(void **at, size_t *room, size_t count, size_t size)
{
    size_t bytes;
    if (count <= *room) {
        return true;
    }
    if (__builtin_mul_overflow(count, size, &bytes)) {
        return false;
    }
    void *grown = realloc(*at, bytes);
    if (grown == NULL) {
        return false;
    }
    *at = grown;
    *room = count;
    return true;
}

static bool room_for_group(normd_journal *journal, const normd_store_record *record, size_t records)
{
    size_t parts = records;
    for (size_t i = 0; i < records; i++) {
        if (__builtin_add_overflow(parts, record[i].pieces, &parts)) {
            return false;
        }
    }
    void *headers = journal->headers, *list = journal->parts, *sums = journal->sums;
    bool fits = make_room(&headers, &journal->headers_room, records, NORMD_FRAME_HEADER_BYTES) &&
                make_room(&list, &journal->parts_room, parts, sizeof *journal->parts) &&
                make_room(&sums, &journal->sums_room, records, sizeof *journal->sums);
    journal->headers = headers;
    journal->parts = list;
    journal->sums = sums;
    return fits;
}

static uint32_t sum_of(const normd_store_record *record)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < record->pieces; i++) {
        crc = normd_crc32c(crc, record->piece[i].data, record->piece[i].size);
    }
    return crc;
}

/* Under the lock: headers and pieces in the order in which they are written. */
static size_t frame_group(normd_journal *journal, const normd_store_record *record, size_t records)
{
    size_t parts = 0;
    for (size_t i = 0; i < records; i++) {
        normd_frame frame = {.kind = NORMD_FRAME_RECORD,
            .crc = journal->sums[i],
            .record = journal->record + 1 + i,
            .synced = journal->synced};
        unsigned char *header = journal->headers + i * NORMD_FRAME_HEADER_BYTES;
        journal->parts[parts++] =
            (struct iovec){.iov_base = header, .iov_len = NORMD_FRAME_HEADER_BYTES};
        for (size_t k = 0; k < record[i].pieces; k++) {
            normd_store_bytes piece = record[i].piece[k];
            if (piece.size > 0) {
                journal->parts[parts++] = (struct iovec){
                    .iov_base = (void *)(uintptr_t)piece.data, .iov_len = piece.size};
            }
            frame.length += piece.size;
        }
        assert(frame.length > 0);
        normd_frame_write(&frame, journal->seed, header);
    }
    return parts;
}

/* Under the lock. With ALWAYS the group counts when it is on the disk, and not before. */
static normd_status write_group(
    normd_journal *journal, const normd_store_record *record, size_t records, normd_error *error)
{
    normd_journal_segment *current = normd_journal_current(journal);
    normd_segment_name name = normd_segment_name_of(current->number);
    size_t parts = frame_group(journal, record, records);
    int code = normd_journal_write(journal, journal->parts, parts);
    if (code != 0) {
        return normd_segment_error(error, &name, "cannot append to it", code);
    }
    if (journal->options.sync == NORMD_STORE_SYNC_ALWAYS) {
        code = normd_segment_sync(journal->file);
        if (code != 0) {
            give_up_unsynced(journal);
            normd_journal_take_back(journal);
            return normd_segment_error(error, &name, "cannot sync it", code);
        }
        journal->unsynced = false;
        normd_journal_sync_worked(journal, journal->record + records, current->end);
    }
    journal->record += records;
    if (journal->resting && journal->options.sync != NORMD_STORE_SYNC_NO) {
        pthread_cond_signal(&journal->wake);
    }
    return NORMD_OK;
}

normd_status normd_journal_append(
    normd_journal *journal, const normd_store_record *record, size_t records, normd_error *error)
{
    if (journal->options.read_only) {
        return refuse_read_only(error);
    }
    if (!room_for_group(journal, record, records)) {
        return normd_error_no_memory(error);
    }
    for (size_t i = 0; i < records; i++) {
        journal->sums[i] = sum_of(&record[i]);
    }
    pthread_mutex_lock(&journal->lock);
    normd_status status = journal->broken ? normd_journal_begin_segment(journal, error) : NORMD_OK;
    if (status == NORMD_OK && records > 0) {
        status = write_group(journal, record, records, error);
    }
    pthread_mutex_unlock(&journal->lock);
    return status;
}
