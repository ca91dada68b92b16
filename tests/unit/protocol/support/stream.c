// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/protocol/support/stream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/array.h"

static void *memory_take(void *context, size_t size, void **handle)
{
    test_memory *memory = context;
    assert(size > 0);
    if (size > memory->most) {
        return NULL;
    }
    memory->taken++;
    size_t rounded = (size + NORMD_ALIGNMENT - 1) / NORMD_ALIGNMENT * NORMD_ALIGNMENT;
    *handle = aligned_alloc(NORMD_ALIGNMENT, rounded);
    return *handle;
}

static void memory_release(void *context, void *handle)
{
    test_memory *memory = context;
    memory->released++;
    free(handle);
}

void test_memory_init(test_memory *memory)
{
    *memory = (test_memory){
        .memory = {.take = memory_take, .release = memory_release, .context = memory},
        .most = SIZE_MAX,
    };
}

size_t stream_read(normd_assembler *assembler, const void *bytes, size_t size)
{
    void *room;
    size_t room_size;
    normd_assembler_room(assembler, &room, &room_size);
    assert(room_size > 0);
    size = size < room_size ? size : room_size;
    memcpy(room, bytes, size);
    normd_assembler_read(assembler, size);
    return size;
}

normd_assembler_result stream_send(normd_assembler *assembler, const void *bytes, size_t size,
    scan_cuts cuts, test_random *random, stream_visit *visit, void *context)
{
    const uint8_t *from = bytes;
    normd_assembler_result result = NORMD_ASSEMBLER_MORE;
    for (size_t at = 0; at < size && result == NORMD_ASSEMBLER_MORE;) {
        at += stream_read(assembler, from + at, scan_piece(cuts, random, size - at));
        normd_message *message;
        while ((result = normd_assembler_next(assembler, &message)) == NORMD_ASSEMBLER_MESSAGE) {
            visit(message, context);
        }
    }
    return result;
}
