// SPDX-License-Identifier: Apache-2.0
#include "daemon/store/crc32c.h"

#include <isa-l/crc.h>

/* What ISA-L is given at once: its length is an int. */
enum { STEP_BYTES = 1 << 30 };

uint32_t normd_crc32c(uint32_t crc, const void *data, size_t size)
{
    unsigned char *at = (unsigned char *)(uintptr_t)data; /* ISA-L's prototype lacks a const */
    uint32_t running = ~crc;
    while (size > 0) {
        size_t step = size < STEP_BYTES ? size : STEP_BYTES;
        running = crc32_iscsi(at, (int)step, running);
        at += step;
        size -= step;
    }
    return ~running;
}
