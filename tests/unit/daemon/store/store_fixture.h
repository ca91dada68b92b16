// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_UNIT_DAEMON_STORE_FIXTURE_H
#define NORMD_TESTS_UNIT_DAEMON_STORE_FIXTURE_H

#include "tests/unit/cmocka_headers.h"

#include "daemon/store/base.h"
#include "daemon/store/store.h"

enum { PLACE_BYTES = 4096 };

/* A folder of the test's own, by its path; removed by its teardown. */
typedef struct place {
    char folder[PLACE_BYTES / 2];
    char base[PLACE_BYTES]; /* FOLDER/data.mdb, for tests of the base alone */
} place;

int make_place(void **state);
int remove_place(void **state);

/* FOLDER/NAME; valid until the next call with the same `path`. */
const char *path_in(const place *at, const char *name, char path[static PLACE_BYTES]);

/* A file's bytes, at least one allocated; the caller frees. */
unsigned char *read_file(const char *path, size_t *size);
void write_file(const char *path, const void *bytes, size_t size);

/* What rows (and records) there are, as one number that tells any two apart. */
typedef struct sums {
    uint64_t digest;
    uint64_t rows, records;
} sums;

/* A reader that adds to the `sums` that is its context. */
normd_store_reader summing(sums *into);

normd_store_bytes text_bytes(const char *text);
/* A value that `seed` makes, of `size` bytes; the caller frees. */
unsigned char *made_value(uint64_t seed, size_t size);

/* ---- The base ---- */

normd_base *open_base(const char *path);
sums read_base(normd_base *base);
void put_in_base(
    normd_base *base, normd_store_table table, const char *key, const void *value, size_t size);
/* As many rows as `rows`, each of its own size up to `most`, from `seed`, in one transaction. */
void put_many_in_base(normd_base *base, unsigned rows, size_t most, uint64_t seed);
void commit_base(normd_base *base);

#define assert_ok(status, error)                                                                   \
    do {                                                                                           \
        if ((status) != NORMD_OK) {                                                                \
            fail_msg("%s", (error).message);                                                       \
        }                                                                                          \
    } while (0)

/* That `error` is a STORE_FAILED whose message has `part` in it. */
void assert_store_failed(normd_status status, const normd_error *error, const char *part);

#endif
