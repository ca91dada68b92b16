// SPDX-License-Identifier: Apache-2.0
// usage: toy_store write DIRECTORY COUNT   appends COUNT records (sync: always), with a checkpoint
//                                          now and then; prints each record's number with its time
//        toy_store check DIRECTORY         prints the last number, or what is damaged
//
// Record n is the number n and bytes made of it. A checkpoint at n leaves the row "last" that says
// n, and rows made of n and of earlier checkpoints, so that each row tells which it is from.
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/store/store.h"

enum { EVERY = 5, ROWS = 12, ROW_BYTES = 5000, RECORD_BYTES = 700 };

static normd_error error;

static void must(normd_status status)
{
    if (status != NORMD_OK) {
        printf("%s\n", error.message);
        exit(1);
    }
}

static void expect(bool right, const char *what)
{
    if (!right) {
        printf("%s\n", what);
        exit(1);
    }
}

// What was read: the last checkpoint's number, the newest of the rows, the last record's number.
typedef struct found {
    uint64_t checkpoint, newest, last;
} found;

static bool is_made_of(normd_store_bytes bytes, uint64_t *n)
{
    const unsigned char *byte = bytes.data;
    if (bytes.size < sizeof *n) {
        return false;
    }
    memcpy(n, byte, sizeof *n);
    for (size_t i = sizeof *n; i < bytes.size; i++) {
        if (byte[i] != (unsigned char)(*n + i)) {
            return false;
        }
    }
    return true;
}

static normd_status take_row(void *context, normd_store_table table, normd_store_bytes key,
    normd_store_bytes value, normd_error *failure)
{
    (void)failure;
    (void)key;
    found *all = context;
    uint64_t n = 0;
    expect(is_made_of(value, &n), "a row is not as it was written");
    if (table == NORMD_STORE_META) {
        all->checkpoint = n;
        all->last = n;
    }
    all->newest = n > all->newest ? n : all->newest;
    return NORMD_OK;
}

static normd_status take_record(void *context, normd_store_bytes record, normd_error *failure)
{
    (void)failure;
    found *all = context;
    uint64_t n = 0;
    expect(is_made_of(record, &n), "a record is not as it was written");
    expect(n == all->last + 1, "a record is missing or came twice");
    all->last = n;
    return NORMD_OK;
}

static void make_of(uint64_t n, unsigned char *bytes, size_t size)
{
    memcpy(bytes, &n, sizeof n);
    for (size_t i = sizeof n; i < size; i++) {
        bytes[i] = (unsigned char)(n + i);
    }
}

static normd_store *open_store(const char *directory, found *all)
{
    normd_store *store = NULL;
    normd_store_report report;
    normd_store_reader reader = {.context = all, .row = take_row, .record = take_record};
    must(normd_store_open(
        &(normd_store_options){.directory = directory, .sync = NORMD_STORE_SYNC_ALWAYS}, &store,
        &error));
    must(normd_store_read(store, &reader, &report, &error));
    expect(all->newest <= all->checkpoint, "a row is newer than its checkpoint");
    return store;
}

static void checkpoint(normd_store *store, uint64_t n)
{
    unsigned char bytes[ROW_BYTES];
    normd_store_bytes whole = {bytes, sizeof bytes}, number = {bytes, sizeof n};
    normd_store_batch *batch;
    uint64_t segment;
    make_of(n, bytes, sizeof bytes);
    must(normd_store_seal(store, &segment, &error));
    must(normd_store_begin(store, &batch, &error));
    must(normd_store_put(
        batch, NORMD_STORE_META, (normd_store_bytes){"last", 4}, &number, 1, &error));
    for (uint64_t i = 0; i < 4; i++) {
        unsigned char key = (unsigned char)((n + i * i) % ROWS);
        must(normd_store_put(
            batch, NORMD_STORE_STATE, (normd_store_bytes){&key, 1}, &whole, 1, &error));
    }
    must(normd_store_commit(batch, segment, &error));
}

static void append(normd_store *store, uint64_t n)
{
    unsigned char bytes[RECORD_BYTES];
    normd_store_bytes piece = {bytes, sizeof n + (size_t)(n * 97 % (RECORD_BYTES - sizeof n))};
    struct timespec time;
    make_of(n, bytes, piece.size);
    must(normd_store_append(store, &(normd_store_record){&piece, 1}, 1, &error));
    clock_gettime(CLOCK_MONOTONIC, &time);
    printf("%" PRIu64 " %" PRIu64 "\n", n,
        (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec);
    fflush(stdout);
}

int main(int count, char **word)
{
    found all = {0};
    expect(count >= 3, "usage: toy_store write|check DIRECTORY [COUNT]");
    normd_store *store = open_store(word[2], &all);
    if (strcmp(word[1], "check") == 0) {
        printf("%" PRIu64 "\n", all.last);
    } else {
        uint64_t end = count > 3 ? all.last + strtoull(word[3], NULL, 10) : all.last;
        for (uint64_t n = all.last + 1; n <= end; n++) {
            append(store, n);
            if (n % EVERY == 0) {
                checkpoint(store, n);
            }
        }
    }
    normd_store_close(store);
    return 0;
}
