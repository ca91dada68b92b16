// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_BENCH_LOAD_PLAN_H
#define NORMD_TESTS_BENCH_LOAD_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The requests that bench-load sends, read from a file that load.py writes. A request is put
 * together of a head (the method and the session, or the key), fields that change from request to
 * request, and a tail (the arrays), so that ten thousand sessions share one batch.
 *
 * The file, little-endian: three numbers of 4 bytes (1 for Redis, else 0; phases; targets), then
 * texts, each its length (4 bytes) and its bytes: the client's name, empty without exactly-once;
 * the tail of each phase; the heads, those of one target one behind the other.
 */
enum { NORMD_LOAD_PHASES = 2 };

typedef struct normd_load_text {
    const uint8_t *bytes;
    size_t size;
} normd_load_text;

typedef struct normd_load_plan {
    bool redis;           /* RESP, else normd's protocol */
    size_t phases;        /* 2: a forward and the backward of its step */
    size_t targets;       /* sessions or keys */
    normd_load_text name; /* of the client; the number of the connection is put behind it */
    normd_load_text tail[NORMD_LOAD_PHASES];
    normd_load_text *heads; /* targets * phases */
    uint8_t *file;          /* owned; what the texts refer to */
} normd_load_plan;

/* Reads the file; false when it is none or there is no memory. Free in both cases. */
bool normd_load_plan_read(const char *path, normd_load_plan *plan);
void normd_load_plan_free(normd_load_plan *plan);

#endif
