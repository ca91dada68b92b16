// SPDX-License-Identifier: Apache-2.0
// usage: journal_writer write DIRECTORY always|everysec|no COUNT PAUSE_MS
//            appends the numbers 1 to COUNT to a journal, prints each group's last one with the
//            time
//        journal_writer check DIRECTORY
//            prints the last number, or what is wrong
//
// The daemon's journal alone, with the least that a store has beside it: DIRECTORY/base is a text
// of the segment that recovery begins with and the last number before it. A group that fails is
// appended again, as clients do.
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/store/journal.h"

enum { MOST_BYTES = 9000, MOST_RECORDS = 4, CHECKPOINT_BYTES = 128 << 10, PATIENCE = 10000 };

struct writer {
    int folder; // DIRECTORY
    normd_journal *journal;
    uint64_t segment; // that recovery begins with
    uint64_t last;
};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

// The bytes of record `number`: itself, and filling that follows from it.
static size_t fill(uint64_t number, unsigned char *bytes)
{
    size_t size = sizeof number + (size_t)(number * 7919 % (MOST_BYTES - sizeof number));
    memset(bytes, (int)(number % 251), size);
    memcpy(bytes, &number, sizeof number);
    return size;
}

static normd_status take(void *context, normd_store_bytes record, normd_error *error)
{
    struct writer *writer = context;
    unsigned char expected[MOST_BYTES];
    size_t size = fill(writer->last + 1, expected);
    if (record.size != size || memcmp(record.data, expected, size) != 0) {
        return normd_error_set(
            error, NORMD_INTERNAL, "expected record %" PRIu64 ", got another", writer->last + 1);
    }
    writer->last++;
    return NORMD_OK;
}

static void read_base(struct writer *writer)
{
    char text[64] = "1 0\n";
    int file = openat(writer->folder, "base", O_RDONLY);
    if (file >= 0) {
        memset(text, 0, sizeof text);
        if (read(file, text, sizeof text - 1) < 0) {
            fail("base");
        }
        close(file);
    }
    char *end;
    writer->segment = strtoull(text, &end, 10);
    writer->last = strtoull(end, &end, 10);
    if (*end != '\n') {
        fprintf(stderr, "base: damaged\n");
        exit(2);
    }
}

static void open_journal(struct writer *writer, const char *directory, normd_store_sync sync)
{
    writer->folder = open(directory, O_RDONLY | O_DIRECTORY);
    if (writer->folder < 0) {
        fail(directory);
    }
    if (mkdirat(writer->folder, "journal", 0700) == 0 && fsync(writer->folder) != 0) {
        fail("journal");
    }
    normd_journal_options options = {
        .directory = openat(writer->folder, "journal", O_RDONLY | O_DIRECTORY),
        .sync = sync,
    };
    read_base(writer);
    normd_store_report report = {0};
    normd_error error;
    if (normd_journal_open(&options, writer->segment, take, writer, &report, &writer->journal,
            &error) != NORMD_OK) {
        fprintf(stderr, "%s\n", error.message);
        exit(2);
    }
}

// Appends a group of records; false when the journal could not.
static bool append(struct writer *writer, size_t count)
{
    static unsigned char bytes[MOST_RECORDS][MOST_BYTES];
    normd_store_bytes piece[MOST_RECORDS];
    normd_store_record record[MOST_RECORDS];
    for (size_t i = 0; i < count; i++) {
        piece[i].data = bytes[i];
        piece[i].size = fill(writer->last + 1 + i, bytes[i]);
        record[i] = (normd_store_record){.piece = &piece[i], .pieces = 1};
    }
    normd_error error;
    if (normd_journal_append(writer->journal, record, count, &error) != NORMD_OK) {
        return false;
    }
    writer->last += count;
    return true;
}

// A checkpoint: all before the new segment is in the base. False when the disk did not let it.
static bool checkpoint(struct writer *writer)
{
    uint64_t segment;
    normd_error error;
    if (normd_journal_seal(writer->journal, &segment, &error) != NORMD_OK) {
        return false;
    }
    char text[64];
    int size = snprintf(text, sizeof text, "%" PRIu64 " %" PRIu64 "\n", segment, writer->last);
    int file = openat(writer->folder, "new", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file < 0) {
        return false;
    }
    bool done = write(file, text, (size_t)size) == size && fsync(file) == 0;
    close(file);
    done = done && renameat(writer->folder, "new", writer->folder, "base") == 0 &&
           fsync(writer->folder) == 0;
    if (done) {
        writer->segment = segment;
        normd_journal_remove(writer->journal, segment);
    }
    return done;
}

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void write_all(struct writer *writer, uint64_t count, useconds_t pause)
{
    for (int failures = 0; writer->last < count;) {
        if (!append(writer, 1 + (size_t)(writer->last % MOST_RECORDS))) {
            if (++failures == PATIENCE) {
                fprintf(stderr, "the journal does not recover\n");
                exit(3);
            }
            continue;
        }
        printf("%" PRIu64 " %" PRIu64 "\n", writer->last, now());
        usleep(pause);
        if (normd_journal_bytes(writer->journal) > CHECKPOINT_BYTES ||
            normd_journal_wants_checkpoint(writer->journal)) {
            (void)checkpoint(writer);
        }
    }
}

int main(int count, char **words)
{
    struct writer writer = {0};
    if (count == 6 && strcmp(words[1], "write") == 0) {
        normd_store_sync sync = strcmp(words[3], "always") == 0 ? NORMD_STORE_SYNC_ALWAYS
                                : strcmp(words[3], "no") == 0   ? NORMD_STORE_SYNC_NO
                                                                : NORMD_STORE_SYNC_EVERYSEC;
        open_journal(&writer, words[2], sync);
        write_all(&writer, strtoull(words[4], NULL, 10),
            (useconds_t)(strtoul(words[5], NULL, 10) * 1000));
    } else if (count == 3 && strcmp(words[1], "check") == 0) {
        open_journal(&writer, words[2], NORMD_STORE_SYNC_ALWAYS);
        printf("%" PRIu64 "\n", writer.last);
    } else {
        return 2;
    }
    normd_journal_close(writer.journal);
    return 0;
}
