// SPDX-License-Identifier: Apache-2.0
#include "daemon/store/journal_frame.h"

#include <endian.h>
#include <string.h>

#include "daemon/store/crc32c.h"

#define SEGMENT_MAGIC "normdjnl"

/* Where the checksums lie: the last four bytes of either header. */
enum {
    SEGMENT_CRC = NORMD_SEGMENT_HEADER_BYTES - 4,
    FRAME_CRC = NORMD_FRAME_HEADER_BYTES - 4,
};

static void put32(unsigned char *to, uint32_t value)
{
    value = htole32(value);
    memcpy(to, &value, sizeof value);
}

static void put64(unsigned char *to, uint64_t value)
{
    value = htole64(value);
    memcpy(to, &value, sizeof value);
}

static uint32_t get32(const unsigned char *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return le32toh(value);
}

static uint64_t get64(const unsigned char *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return le64toh(value);
}

uint32_t normd_segment_header_write(
    const normd_segment_header *header, unsigned char to[NORMD_SEGMENT_HEADER_BYTES])
{
    memcpy(to, SEGMENT_MAGIC, 8);
    put32(to + 8, header->version);
    put32(to + 12, header->salt);
    put64(to + 16, header->segment);
    put64(to + 24, header->record);
    put64(to + 32, header->previous_end);
    put32(to + 40, 0);
    uint32_t crc = normd_crc32c(0, to, SEGMENT_CRC);
    put32(to + SEGMENT_CRC, crc);
    return crc;
}

bool normd_segment_header_read(const unsigned char from[NORMD_SEGMENT_HEADER_BYTES],
    normd_segment_header *header, uint32_t *seed)
{
    *seed = get32(from + SEGMENT_CRC);
    if (memcmp(from, SEGMENT_MAGIC, 8) != 0 || *seed != normd_crc32c(0, from, SEGMENT_CRC)) {
        return false;
    }
    *header = (normd_segment_header){
        .version = get32(from + 8),
        .salt = get32(from + 12),
        .segment = get64(from + 16),
        .record = get64(from + 24),
        .previous_end = get64(from + 32),
    };
    return true;
}

void normd_frame_write(
    const normd_frame *frame, uint32_t seed, unsigned char to[NORMD_FRAME_HEADER_BYTES])
{
    memcpy(to, NORMD_FRAME_MAGIC, 4);
    put32(to + 4, frame->kind);
    put64(to + 8, frame->length);
    put64(to + 16, frame->record);
    put64(to + 24, frame->synced);
    put32(to + 32, frame->crc);
    put32(to + FRAME_CRC, normd_crc32c(seed, to, FRAME_CRC));
}

bool normd_frame_read(
    const unsigned char from[NORMD_FRAME_HEADER_BYTES], uint32_t seed, normd_frame *frame)
{
    if (memcmp(from, NORMD_FRAME_MAGIC, 4) != 0 ||
        get32(from + FRAME_CRC) != normd_crc32c(seed, from, FRAME_CRC)) {
        return false;
    }
    *frame = (normd_frame){
        .kind = get32(from + 4),
        .crc = get32(from + 32),
        .length = get64(from + 8),
        .record = get64(from + 16),
        .synced = get64(from + 24),
    };
    return true;
}
