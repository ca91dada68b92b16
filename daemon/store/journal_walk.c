// SPDX-License-Identifier: Apache-2.0
#include "daemon/store/journal_walk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/store/crc32c.h"

enum { READ_BYTES = 1 << 18 };

/* Why what lies at an offset is no good frame. */
typedef struct fault {
    bool found;
    bool certain; /* no write that was cut short leaves this */
    char text[160];
} fault;

static fault torn(const char *text)
{
    fault made = {.found = true};
    snprintf(made.text, sizeof made.text, "%s", text);
    return made;
}

static fault wrong(bool certain, const char *expected, uint64_t wanted, uint64_t got)
{
    fault made = {.found = true, .certain = certain};
    snprintf(made.text, sizeof made.text, "expected %s %" PRIu64 ", got %" PRIu64, expected, wanted,
        got);
    return made;
}

normd_status normd_journal_damage(
    normd_error *error, const normd_segment_name *name, uint64_t offset, const char *what)
{
    if (offset < NORMD_SEGMENT_HEADER_BYTES) {
        return normd_error_set(error, NORMD_STORE_FAILED,
            "%s: offset %" PRIu64 ": %s; to go on, restore the directory from a copy made with "
            "normctl save, or move this file and all later segments away and lose the records in "
            "them",
            name->text, offset, what);
    }
    return normd_error_set(error, NORMD_STORE_FAILED,
        "%s: offset %" PRIu64 ": %s; to go on, restore the directory from a copy made with normctl "
        "save, or cut this file there (truncate -s %" PRIu64
        "), move all later segments away, and lose the records from there on",
        name->text, offset, what, offset);
}

void normd_journal_walk_end(normd_journal_walk *walk)
{
    free(walk->buffer);
    walk->buffer = NULL;
    walk->room = 0;
    walk->filled = 0;
}

/* `size` bytes from `offset` on, or fewer (*got) when the file ends. Valid until the next call. */
static normd_status window(normd_journal_walk *walk, uint64_t offset, size_t size,
    const unsigned char **bytes, size_t *got, normd_error *error)
{
    if (offset < walk->at || offset - walk->at > walk->filled) {
        walk->at = offset;
        walk->filled = 0;
    }
    size_t skip = (size_t)(offset - walk->at);
    if (walk->filled - skip < size) {
        walk->filled -= skip;
        walk->at = offset;
        if (walk->filled > 0) {
            memmove(walk->buffer, walk->buffer + skip, walk->filled);
        }
        skip = 0;
        size_t room = size < READ_BYTES ? READ_BYTES : size;
        if (walk->room < room) {
            unsigned char *grown = realloc(walk->buffer, room);
            if (grown == NULL) {
                return normd_error_no_memory(error);
            }
            walk->buffer = grown;
            walk->room = room;
        }
    }
    while (walk->filled - skip < size) {
        ssize_t came = pread(walk->file, walk->buffer + walk->filled, walk->room - walk->filled,
            (off_t)(walk->at + walk->filled));
        if (came < 0 && errno == EINTR) {
            continue;
        }
        if (came < 0) {
            return normd_segment_error(error, &walk->name, "cannot read it", errno);
        }
        if (came == 0) {
            break;
        }
        walk->filled += (size_t)came;
    }
    *bytes = walk->buffer + skip;
    *got = walk->filled - skip < size ? walk->filled - skip : size;
    return NORMD_OK;
}

/* What a frame with a right checksum may not say. */
static fault check_claims(const normd_frame *frame, uint64_t expected)
{
    if (frame->kind > NORMD_FRAME_MARKER) {
        return wrong(true, "a frame of kind 0 or", NORMD_FRAME_MARKER, frame->kind);
    }
    if (frame->record != expected) {
        return wrong(true, "record", expected, frame->record);
    }
    if (frame->synced >= frame->record) {
        return wrong(true, "synced records below", frame->record, frame->synced);
    }
    if (frame->kind == NORMD_FRAME_MARKER && frame->length != 0) {
        return wrong(true, "a marker's payload of bytes:", 0, frame->length);
    }
    if (frame->kind == NORMD_FRAME_RECORD && frame->length == 0) {
        return wrong(true, "a record's payload of bytes: at least", 1, 0);
    }
    return (fault){.found = false};
}

/* The frame at `offset`: its header and its payload, or a fault. */
static normd_status take_frame(normd_journal_walk *walk, uint64_t offset, normd_frame *frame,
    const unsigned char **payload, fault *bad, normd_error *error)
{
    const unsigned char *bytes;
    size_t got;
    uint64_t left = walk->limit - offset;
    size_t size = left < NORMD_FRAME_HEADER_BYTES ? (size_t)left : NORMD_FRAME_HEADER_BYTES;
    normd_status status = window(walk, offset, size, &bytes, &got, error);
    if (status != NORMD_OK) {
        return status;
    }
    if (got < NORMD_FRAME_HEADER_BYTES) {
        *bad = wrong(false, "a frame's header of bytes:", NORMD_FRAME_HEADER_BYTES, got);
        return NORMD_OK;
    }
    if (!normd_frame_read(bytes, walk->seed, frame)) {
        *bad = torn("expected a frame's header with its checksum, got other bytes");
        return NORMD_OK;
    }
    *bad = check_claims(frame, walk->expected);
    if (bad->found) {
        return NORMD_OK;
    }
    left -= NORMD_FRAME_HEADER_BYTES;
    if (frame->length > left) {
        *bad = wrong(false, "a payload of bytes:", frame->length, left);
        return NORMD_OK;
    }
    size = (size_t)frame->length;
    status = window(walk, offset + NORMD_FRAME_HEADER_BYTES, size, payload, &got, error);
    if (status != NORMD_OK) {
        return status;
    }
    if (got < size) {
        *bad = wrong(false, "a payload of bytes:", size, got);
    } else if (normd_crc32c(0, *payload, size) != frame->crc) {
        *bad = torn("expected a payload with its frame's checksum, got other bytes");
    }
    return NORMD_OK;
}

/* Whether a frame that begins in these bytes says that `record` was on the disk; *at: where. */
static bool says_synced(
    const unsigned char *bytes, size_t count, uint32_t seed, uint64_t record, size_t *at)
{
    /* Only where a whole header fits. */
    size_t starts = count - NORMD_FRAME_HEADER_BYTES + 1;
    for (size_t from = 0; from < starts;) {
        const unsigned char *hit = memmem(bytes + from, starts - from + 3, NORMD_FRAME_MAGIC, 4);
        if (hit == NULL) {
            return false;
        }
        normd_frame frame;
        *at = (size_t)(hit - bytes);
        if (normd_frame_read(hit, seed, &frame) && frame.synced >= record) {
            return true;
        }
        from = *at + 1;
    }
    return false;
}

/* Looks behind a fault for a frame that says that what is faulty was on the disk. No payload can be
   taken for one, since the seed of the frames is not known to whom it came from. */
static normd_status find_proof(
    normd_journal_walk *walk, uint64_t offset, bool *found, uint64_t *at, normd_error *error)
{
    *found = false;
    for (;;) {
        const unsigned char *bytes;
        size_t got, where;
        normd_status status = window(walk, offset, READ_BYTES, &bytes, &got, error);
        if (status != NORMD_OK || got < NORMD_FRAME_HEADER_BYTES) {
            return status;
        }
        if (says_synced(bytes, got, walk->seed, walk->expected, &where)) {
            *found = true;
            *at = offset + where;
            return NORMD_OK;
        }
        offset += got - NORMD_FRAME_HEADER_BYTES + 1;
    }
}

/* Damage, or a tail to cut off. */
static normd_status judge(
    normd_journal_walk *walk, uint64_t offset, const fault *bad, normd_error *error)
{
    if (!walk->last || bad->certain) {
        return normd_journal_damage(error, &walk->name, offset, bad->text);
    }
    bool found;
    uint64_t at;
    normd_status status = find_proof(walk, offset, &found, &at, error);
    if (status != NORMD_OK || !found) {
        return status;
    }
    char text[256];
    snprintf(text, sizeof text,
        "%s, though the frame at offset %" PRIu64 " says that it was on the disk", bad->text, at);
    return normd_journal_damage(error, &walk->name, offset, text);
}

normd_status normd_journal_walk_segment(normd_journal_walk *walk, uint64_t *end, normd_error *error)
{
    walk->at = 0;
    walk->filled = 0;
    uint64_t offset = NORMD_SEGMENT_HEADER_BYTES;
    while (offset < walk->limit) {
        normd_frame frame;
        const unsigned char *payload = NULL;
        fault bad = {.found = false};
        normd_status status = take_frame(walk, offset, &frame, &payload, &bad, error);
        if (status == NORMD_OK && bad.found) {
            *end = offset;
            return judge(walk, offset, &bad, error);
        }
        if (status == NORMD_OK && frame.kind == NORMD_FRAME_RECORD) {
            normd_store_bytes record = {.data = payload, .size = (size_t)frame.length};
            status = walk->record(walk->context, record, error);
            if (status == NORMD_STORE_FAILED) {
                normd_error_prefix(error, "%s: offset %" PRIu64 ": ", walk->name.text, offset);
            }
            walk->expected++;
            walk->report->records++;
            walk->report->record_bytes += frame.length;
        }
        if (status != NORMD_OK) {
            return status;
        }
        offset += NORMD_FRAME_HEADER_BYTES + frame.length;
    }
    *end = offset;
    return NORMD_OK;
}
