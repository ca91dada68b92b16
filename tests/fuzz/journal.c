// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "daemon/store/crc32c.h"
#include "daemon/store/journal.h"
#include "daemon/store/journal_frame.h"
#include "tests/fuzz/fuzz.h"

/*
 * A directory of segments is made by what the input says (records, markers, seals, cuts, flips, raw
 * bytes), with right checksums where it does not flip them. It is refused, or read; what was read
 * once is read alike a second time, with a record appended behind it.
 */
enum { MOST_SEGMENTS = 4, MOST_BYTES = 1 << 16 };

typedef struct reading {
    uint64_t records, bytes;
    uint32_t sum;
} reading;

typedef struct segment {
    unsigned char bytes[MOST_BYTES];
    size_t size;
    uint32_t seed;
} segment;

typedef struct builder {
    const uint8_t *at;
    size_t left;
    segment *now;
    uint64_t number, record;
} builder;

static uint8_t take(builder *builder)
{
    if (builder->left == 0) {
        return 0;
    }
    builder->left--;
    return *builder->at++;
}

static void add(segment *segment, const void *bytes, size_t size)
{
    if (size <= MOST_BYTES - segment->size) {
        memcpy(segment->bytes + segment->size, bytes, size);
        segment->size += size;
    }
}

static void begin(builder *builder, segment *into)
{
    uint8_t skew = take(builder);
    normd_segment_header header = {.version = skew == 1 ? 2 : 1,
        .salt = take(builder),
        .segment = builder->number + (skew == 2),
        .record = builder->record + (skew == 3),
        .previous_end = builder->now == NULL ? 0 : builder->now->size - (skew == 4)};
    unsigned char bytes[NORMD_SEGMENT_HEADER_BYTES];
    into->size = 0;
    into->seed = normd_segment_header_write(&header, bytes);
    add(into, bytes, sizeof bytes);
    builder->now = into;
    builder->number++;
}

static void add_frame(builder *builder, uint8_t kind)
{
    uint8_t skew = take(builder);
    uint8_t synced = take(builder);
    size_t size = kind == 0 ? 1 + take(builder) % 32u : 0;
    size = size < builder->left ? size : builder->left;
    normd_frame frame = {.kind = skew == 1 ? 2 : kind,
        .crc = normd_crc32c(0, builder->at, size),
        .length = skew == 2 ? UINT64_MAX - synced : size + (skew == 3),
        .record = builder->record + (skew == 4),
        .synced = synced % builder->record};
    unsigned char bytes[NORMD_FRAME_HEADER_BYTES];
    normd_frame_write(&frame, builder->now->seed, bytes);
    add(builder->now, bytes, sizeof bytes);
    add(builder->now, builder->at, size);
    builder->at += size;
    builder->left -= size;
    builder->record += kind == 0;
}

static void change(builder *builder, uint8_t how)
{
    segment *now = builder->now;
    size_t at = take(builder) | (size_t)take(builder) << 8;
    if (how == 0 && at < now->size) {
        now->bytes[at] ^= take(builder);
    } else if (how == 1 && at < now->size) {
        now->size = at;
    } else if (how == 2) {
        uint8_t raw = take(builder);
        add(now, &raw, 1);
    }
}

/* ---- The directory ---- */

static void put(int directory, uint64_t number, const segment *segment)
{
    char name[40];
    snprintf(name, sizeof name, "%012llu.log", (unsigned long long)number);
    int file = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    FUZZ_REQUIRE(file >= 0);
    FUZZ_REQUIRE(write(file, segment->bytes, segment->size) == (ssize_t)segment->size);
    close(file);
}

static void clear(int directory)
{
    DIR *folder = fdopendir(openat(directory, ".", O_RDONLY | O_DIRECTORY));
    FUZZ_REQUIRE(folder != NULL);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] != '.') {
            unlinkat(directory, entry->d_name, 0);
        }
    }
    closedir(folder);
}

static normd_status count(void *context, normd_store_bytes record, normd_error *error)
{
    reading *reading = context;
    (void)error;
    FUZZ_REQUIRE(record.size > 0);
    reading->records++;
    reading->bytes += record.size;
    reading->sum = normd_crc32c(reading->sum, record.data, record.size);
    return NORMD_OK;
}

static normd_status open_it(int directory, bool read_only, reading *got, normd_journal **journal)
{
    normd_journal_options options = {
        .directory = directory, .sync = NORMD_STORE_SYNC_NO, .read_only = read_only};
    normd_store_report report = {.records = 0};
    normd_error error = {.status = NORMD_OK};
    *got = (reading){.records = 0};
    normd_status status = normd_journal_open(&options, 1, count, got, &report, journal, &error);
    FUZZ_REQUIRE((status == NORMD_OK) == (*journal != NULL));
    if (status != NORMD_OK) {
        FUZZ_REQUIRE(status == NORMD_STORE_FAILED && error.status == status);
        FUZZ_REQUIRE(memcmp(error.message, "journal/", 8) == 0);
    } else {
        FUZZ_REQUIRE(report.records == got->records && report.record_bytes == got->bytes);
    }
    return status;
}

static void check(int directory)
{
    reading looked, first, second;
    normd_journal *journal;
    normd_status status = open_it(directory, true, &looked, &journal);
    normd_journal_close(journal);
    FUZZ_REQUIRE(open_it(directory, false, &first, &journal) == status);
    if (status != NORMD_OK) {
        return;
    }
    FUZZ_REQUIRE(memcmp(&looked, &first, sizeof first) == 0);
    const normd_store_bytes piece = {.data = "more", .size = 4};
    const normd_store_record record = {.piece = &piece, .pieces = 1};
    normd_error error;
    FUZZ_REQUIRE(normd_journal_append(journal, &record, 1, &error) == NORMD_OK);
    normd_journal_close(journal);
    FUZZ_REQUIRE(open_it(directory, false, &second, &journal) == NORMD_OK);
    normd_journal_close(journal);
    FUZZ_REQUIRE(second.records == first.records + 1 && second.bytes == first.bytes + 4);
    FUZZ_REQUIRE(second.sum == normd_crc32c(first.sum, (const uint8_t *)"more", 4));
}

static void build(builder *builder, int directory)
{
    static segment segments[MOST_SEGMENTS];
    size_t used = 0;
    begin(builder, &segments[used++]);
    while (builder->left > 0) {
        uint8_t what = take(builder) % 8;
        if (what < 3) {
            add_frame(builder, 0);
        } else if (what == 3) {
            add_frame(builder, 1);
        } else if (what == 4 && used < MOST_SEGMENTS) {
            begin(builder, &segments[used++]);
        } else if (what > 4) {
            change(builder, (uint8_t)(what - 5));
        }
    }
    for (size_t i = 0; i < used; i++) {
        put(directory, i + 1, &segments[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* In memory where there is such a place. */
    char path[] = "/dev/shm/normd-fuzz-XXXXXX";
    char here[] = "normd-fuzz-XXXXXX";
    const char *folder = mkdtemp(path);
    folder = folder == NULL ? mkdtemp(here) : folder;
    FUZZ_REQUIRE(folder != NULL);
    int directory = open(folder, O_RDONLY | O_DIRECTORY);
    FUZZ_REQUIRE(directory >= 0);
    builder builder = {.at = data, .left = size, .number = 1, .record = 1};
    build(&builder, directory);
    check(directory);
    clear(directory);
    close(directory);
    rmdir(folder);
    return 0;
}
