// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_PROTOCOL_STREAM_H
#define NORMD_TESTS_PROTOCOL_STREAM_H

#include "protocol/assembler.h"
#include "tests/unit/protocol/support/scan.h"

/* Payload memory that counts. */
typedef struct test_memory {
    normd_payload_memory memory; /* to give to an assembler */
    size_t most;                 /* refuses payloads larger than this */
    size_t taken;
    size_t released;
} test_memory;

void test_memory_init(test_memory *memory);

/* Sends bytes through an assembler in pieces; `visit` gets each message. Returns MORE when all was
   taken, else what stopped it. */
typedef void stream_visit(normd_message *message, void *context);
normd_assembler_result stream_send(normd_assembler *assembler, const void *bytes, size_t size,
    scan_cuts cuts, test_random *random, stream_visit *visit, void *context);

/* One read: `size` bytes to where the assembler wants them, at most as many as it has room for.
   Returns how many. */
size_t stream_read(normd_assembler *assembler, const void *bytes, size_t size);

#endif
