// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/store/journal_state.h"
#include "daemon/store/journal_walk.h"

/* A file, and what its header says. */
typedef struct segment_file {
    normd_segment_name name;
    uint64_t number, size;
    bool whole; /* its header */
    normd_segment_header header;
    uint32_t seed;
} segment_file;

/* ---- Which files there are ---- */

static normd_status read_at_start(int file, unsigned char *bytes, size_t size, size_t *got)
{
    *got = 0;
    while (*got < size) {
        ssize_t came = pread(file, bytes + *got, size - *got, (off_t)*got);
        if (came < 0 && errno == EINTR) {
            continue;
        }
        if (came < 0) {
            return NORMD_STORE_FAILED;
        }
        if (came == 0) {
            break;
        }
        *got += (size_t)came;
    }
    return NORMD_OK;
}

static normd_status look_at(int directory, segment_file *segment, normd_error *error)
{
    int file = openat(
        directory, normd_segment_name_in_folder(&segment->name), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0) {
        return normd_segment_error(error, &segment->name, "cannot open it", errno);
    }
    unsigned char bytes[NORMD_SEGMENT_HEADER_BYTES];
    size_t got = 0;
    struct stat facts;
    normd_status status = NORMD_OK;
    if (fstat(file, &facts) != 0 || read_at_start(file, bytes, sizeof bytes, &got) != NORMD_OK) {
        status = normd_segment_error(error, &segment->name, "cannot read it", errno);
    } else {
        segment->size = (uint64_t)facts.st_size;
        segment->whole = got == sizeof bytes &&
                         normd_segment_header_read(bytes, &segment->header, &segment->seed);
    }
    close(file);
    return status;
}

/* What a checkpoint could not delete. */
static void remove_left_over(const normd_journal_options *options, uint64_t number)
{
    normd_segment_name name = normd_segment_name_of(number);
    if (!options->read_only &&
        unlinkat(options->directory, normd_segment_name_in_folder(&name), 0) != 0) {
        char text[128];
        normd_journal_note(options, "%s: cannot remove it, the next start will: %s", name.text,
            strerror_r(errno, text, sizeof text));
    }
}

static normd_status check_numbers(
    const uint64_t *number, size_t count, uint64_t first, normd_error *error)
{
    for (size_t i = 0; i < count; i++) {
        if (number[i] == first + i) {
            continue;
        }
        normd_segment_name name = normd_segment_name_of(first + i);
        char text[96];
        snprintf(text, sizeof text, "expected this segment, got none (the next is %" PRIu64 ")",
            number[i]);
        return normd_journal_damage(error, &name, 0, text);
    }
    return NORMD_OK;
}

/* A checkpoint names a segment that is there already: without any, the journal was taken away. A
   copy has none, and says so. */
static normd_status check_none(
    const normd_journal_options *options, uint64_t first, normd_error *error)
{
    if (first <= 1 || faccessat(options->directory, NORMD_JOURNAL_OF_COPY, F_OK, 0) == 0) {
        return NORMD_OK;
    }
    normd_segment_name name = normd_segment_name_of(first);
    return normd_error_set(error, NORMD_STORE_FAILED,
        "%s: expected this segment, got none at all; to go on, restore the directory from a copy "
        "made with normctl save, or make an empty file journal/%s, and lose what was changed since "
        "the last checkpoint",
        name.text, NORMD_JOURNAL_OF_COPY);
}

/* The segments from `first` on with what their headers say; the caller frees *files. */
static normd_status find_files(const normd_journal_options *options, uint64_t first,
    segment_file **files, size_t *count, normd_error *error)
{
    uint64_t *number;
    size_t all, old = 0;
    *files = NULL;
    *count = 0;
    normd_status status = normd_segments_list(options->directory, &number, &all, error);
    if (status != NORMD_OK) {
        return status;
    }
    while (old < all && number[old] < first) {
        remove_left_over(options, number[old++]);
    }
    status = check_numbers(number + old, all - old, first, error);
    if (status == NORMD_OK && all == old) {
        status = check_none(options, first, error);
    }
    if (status == NORMD_OK && all > old) {
        *files = calloc(all - old, sizeof **files);
        status = *files == NULL ? normd_error_no_memory(error) : NORMD_OK;
    }
    for (size_t i = old; i < all && status == NORMD_OK; i++) {
        segment_file *file = &(*files)[(*count)++];
        file->number = number[i];
        file->name = normd_segment_name_of(number[i]);
        status = look_at(options->directory, file, error);
    }
    free(number);
    return status;
}

/* ---- What a crash leaves ---- */

/* A segment is on the disk before a record follows its header: a header that is not whole has none
   behind it. */
static bool was_being_made(const segment_file *file)
{
    return !file->whole && file->size <= NORMD_SEGMENT_HEADER_BYTES;
}

static normd_status drop_last(const normd_journal_options *options, const segment_file *file,
    normd_store_report *report, normd_error *error)
{
    report->cut_bytes += file->size;
    normd_journal_note(options, "%s: %s, since a crash came while it was made", file->name.text,
        options->read_only ? "does not count" : "removed");
    if (!options->read_only &&
        unlinkat(options->directory, normd_segment_name_in_folder(&file->name), 0) != 0) {
        return normd_segment_error(error, &file->name, "cannot remove it", errno);
    }
    return NORMD_OK;
}

/* Cuts off the tail, and brings what stays to the disk, before a new segment vouches for it. */
static normd_status settle_last(const normd_journal_options *options, const segment_file *segment,
    int file, uint64_t end, normd_store_report *report, normd_error *error)
{
    if (end < segment->size) {
        report->cut_bytes += segment->size - end;
        normd_journal_note(options,
            "%s: offset %" PRIu64 ": %s %" PRIu64 " bytes that a crash left unfinished",
            segment->name.text, end, options->read_only ? "leaving out" : "cut off",
            segment->size - end);
    }
    if (options->read_only) {
        return NORMD_OK;
    }
    if (end < segment->size && ftruncate(file, (off_t)end) != 0) {
        return normd_segment_error(error, &segment->name, "cannot cut it", errno);
    }
    int code = normd_segment_sync(file);
    return code == 0 ? NORMD_OK
                     : normd_segment_error(error, &segment->name, "cannot sync it", code);
}

/* ---- One segment after another ---- */

static normd_status check_header(
    const segment_file *file, bool begins, uint64_t expected, normd_error *error)
{
    char text[128];
    if (!file->whole) {
        return normd_journal_damage(error, &file->name, 0,
            "expected a segment's header with its checksum, got other bytes");
    }
    if (file->header.version != NORMD_JOURNAL_VERSION) {
        return normd_error_set(error, NORMD_STORE_FAILED,
            "%s: offset 8: expected format version %d, got %" PRIu32
            ": the store was written by %s normd, which can go on with it",
            file->name.text, (int)NORMD_JOURNAL_VERSION, file->header.version,
            file->header.version > NORMD_JOURNAL_VERSION ? "a newer" : "another");
    }
    if (file->header.segment != file->number) {
        snprintf(text, sizeof text, "expected segment %" PRIu64 ", got segment %" PRIu64,
            file->number, file->header.segment);
        return normd_journal_damage(error, &file->name, 16, text);
    }
    if (file->header.record == 0 || (!begins && file->header.record != expected)) {
        snprintf(text, sizeof text, "expected it to begin with record %" PRIu64 ", got %" PRIu64,
            begins ? 1 : expected, file->header.record);
        return normd_journal_damage(error, &file->name, 24, text);
    }
    return NORMD_OK;
}

/* `next` is NULL for the last one. */
static normd_status read_segment(const normd_journal_options *options, normd_journal_walk *walk,
    const segment_file *segment, const segment_file *next, uint64_t *end, normd_error *error)
{
    walk->name = segment->name;
    walk->seed = segment->seed;
    walk->last = next == NULL;
    walk->limit = walk->last ? segment->size : next->header.previous_end;
    if (walk->limit > segment->size || walk->limit < NORMD_SEGMENT_HEADER_BYTES) {
        char text[128];
        snprintf(text, sizeof text,
            "expected %" PRIu64 " bytes, as the next segment says, got %" PRIu64, walk->limit,
            segment->size);
        return normd_journal_damage(error, &walk->name, segment->size, text);
    }
    bool writes = walk->last && !options->read_only;
    walk->file = openat(options->directory, normd_segment_name_in_folder(&walk->name),
        (writes ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC);
    if (walk->file < 0) {
        return normd_segment_error(error, &walk->name, "cannot open it", errno);
    }
    normd_status status = normd_journal_walk_segment(walk, end, error);
    if (status == NORMD_OK && walk->last) {
        status = settle_last(options, segment, walk->file, *end, walk->report, error);
    }
    close(walk->file);
    return status;
}

static normd_status read_all(const normd_journal_options *options, normd_journal_walk *walk,
    const segment_file *files, size_t count, normd_journal_segments *segments, normd_error *error)
{
    for (size_t i = 0; i < count; i++) {
        const segment_file *next = i + 1 < count ? &files[i + 1] : NULL;
        normd_status status = check_header(&files[i], i == 0, walk->expected, error);
        if (status == NORMD_OK && next != NULL) {
            status = check_header(next, true, 0, error);
        }
        if (status != NORMD_OK) {
            return status;
        }
        uint64_t end = 0;
        walk->expected = files[i].header.record;
        status = read_segment(options, walk, &files[i], next, &end, error);
        if (status == NORMD_OK) {
            status = normd_journal_segments_add(segments, files[i].number, end, error);
        }
        if (status != NORMD_OK) {
            return status;
        }
    }
    return NORMD_OK;
}

normd_status normd_journal_read(const normd_journal_options *options, uint64_t first,
    normd_status (*record)(void *context, normd_store_bytes record, normd_error *error),
    void *context, normd_store_report *report, normd_journal_segments *segments, uint64_t *last,
    normd_error *error)
{
    segment_file *files;
    size_t count;
    normd_journal_walk walk = {
        .record = record, .context = context, .report = report, .expected = 1};
    normd_status status = find_files(options, first, &files, &count, error);
    if (status == NORMD_OK && count > 0 && was_being_made(&files[count - 1])) {
        status = drop_last(options, &files[--count], report, error);
    }
    if (status == NORMD_OK) {
        status = read_all(options, &walk, files, count, segments, error);
    }
    *last = walk.expected - 1;
    normd_journal_walk_end(&walk);
    free(files);
    return status;
}
