// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_PROTOCOL_SCAN_H
#define NORMD_TESTS_PROTOCOL_SCAN_H

#include "protocol/frame.h"
#include "tests/unit/protocol/support/random.h"

/* Limits that nothing in a test breaks, and no payloads. */
normd_limits scan_no_limits(void);

/* How a stream is cut into pieces: whole, byte by byte, or at random. */
typedef enum scan_cuts { SCAN_WHOLE, SCAN_BYTES, SCAN_RANDOM, SCAN_CUTS } scan_cuts;
/* The size of the next piece of what is left (at least 1). */
size_t scan_piece(scan_cuts cuts, test_random *random, size_t left);

/* What a scanner saw of a stream that starts with a message. */
typedef struct scan_result {
    normd_frame_event event; /* DONE, BAD or MORE */
    size_t end;              /* bytes taken, payloads included */
    normd_frame_excess excess;
    uint32_t payloads;
    uint64_t payloads_bytes;
    uint32_t elements;
} scan_result;

scan_result scan_stream(const uint8_t *bytes, size_t size, const normd_limits *limits,
    scan_cuts cuts, test_random *random);

/* The same end by a second, simpler way: count the values that are still to come. `elements` counts
   all values, begun or announced. */
normd_frame_event scan_reference(
    const uint8_t *bytes, size_t size, size_t *end, uint64_t *elements);

#endif
