// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_STORE_JOURNAL_FRAME_H
#define NORMD_DAEMON_STORE_JOURNAL_FRAME_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The bytes of a segment: a header, then frames. All numbers little-endian; README.md has the
 * layout.
 */
enum {
    NORMD_JOURNAL_VERSION = 1,
    NORMD_SEGMENT_HEADER_BYTES = 48,
    NORMD_FRAME_HEADER_BYTES = 40,
};

/* The first bytes of a frame, by which they are searched for. */
#define NORMD_FRAME_MAGIC "nrec"

typedef struct normd_segment_header {
    uint32_t version;
    uint32_t salt;         /* random, so that nothing but this segment's frames fits its seed */
    uint64_t segment;      /* its number */
    uint64_t record;       /* number that its first record has or will have */
    uint64_t previous_end; /* where the segment before it ends; what lies behind does not count */
} normd_segment_header;

/* Writes the header; returns its CRC32C: the seed of the frames of this segment. */
uint32_t normd_segment_header_write(
    const normd_segment_header *header, unsigned char to[NORMD_SEGMENT_HEADER_BYTES]);

/* False when the magic or the checksum is not right. The version may be any. */
bool normd_segment_header_read(const unsigned char from[NORMD_SEGMENT_HEADER_BYTES],
    normd_segment_header *header, uint32_t *seed);

typedef enum normd_frame_kind {
    NORMD_FRAME_RECORD = 0,
    NORMD_FRAME_MARKER = 1, /* no record: says `synced` only */
} normd_frame_kind;

typedef struct normd_frame {
    uint32_t kind;
    uint32_t crc;    /* CRC32C of the payload */
    uint64_t length; /* of the payload */
    uint64_t record; /* its number; a marker has the number of the record to come */
    uint64_t synced; /* records up to this number were on the disk when it was written */
} normd_frame;

void normd_frame_write(
    const normd_frame *frame, uint32_t seed, unsigned char to[NORMD_FRAME_HEADER_BYTES]);

/* False when the magic or the checksum of the frame's header is not right. */
bool normd_frame_read(
    const unsigned char from[NORMD_FRAME_HEADER_BYTES], uint32_t seed, normd_frame *frame);

#endif
