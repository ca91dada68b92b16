// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_PROTOCOL_ASSEMBLER_H
#define NORMD_PROTOCOL_ASSEMBLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/frame.h"
#include "protocol/read_pool.h"

/*
 * The assembler makes messages from a byte stream: the head (the message with each payload replaced
 * by a small reference) for msgpack-c, and the payloads in memory of the caller's choice, filled by
 * the reading itself where that is possible.
 *
 *   for each read:  normd_assembler_room  -> where to read to, and how much
 *                   read()
 *                   normd_assembler_read  -> that many bytes have arrived
 *                   while (normd_assembler_next(...) == NORMD_ASSEMBLER_MESSAGE) { ... }
 *
 * A message that lies whole in the read buffer and has no payload is given in place. One whose
 * payload memory could not be had, or that breaks a limit, is read past in constant memory. An
 * assembler belongs to one thread at a time.
 */

/* How the caller gives memory for payloads. `take` returns NULL when it has none for `size` bytes
   (the message is then read past and reported with no_memory set), else also stores a handle that
   is not NULL. `release` gets the handles that nobody moved out of a message. The memory is aligned
   to NORMD_ALIGNMENT. */
typedef struct normd_payload_memory {
    void *(*take)(void *context, size_t size, void **handle);
    void (*release)(void *context, void *handle);
    void *context;
} normd_payload_memory;

typedef struct normd_payload {
    void *data;
    size_t size;
    void *handle; /* what `take` stored; set to NULL by whoever moves the payload out */
} normd_payload;

/* One message, owned by the assembler. Valid until the next call of normd_assembler_next or
   normd_assembler_destroy, which releases the payloads that nobody took. */
typedef struct normd_message {
    const uint8_t *head;
    size_t head_size;
    normd_payload payload[NORMD_MAX_PAYLOADS];
    uint32_t payloads;
    normd_frame_excess excess; /* not WITHIN: the message was read past; the head is its start */
    bool no_memory;            /* likewise */
    uint64_t bytes;            /* on the wire */
    const normd_limits *limits;
} normd_message;

typedef enum normd_assembler_result {
    NORMD_ASSEMBLER_MORE,    /* read again */
    NORMD_ASSEMBLER_MESSAGE, /* `*message` was set */
    NORMD_ASSEMBLER_BAD,     /* not MessagePack; close */
    NORMD_ASSEMBLER_FAILED,  /* out of memory for the head; close */
} normd_assembler_result;

typedef struct normd_assembler normd_assembler;

/* `limits` and `memory` are kept and must outlive the assembler. NULL when out of memory. */
normd_assembler *normd_assembler_create(
    const normd_limits *limits, const normd_payload_memory *memory);
void normd_assembler_destroy(normd_assembler *assembler);

/* Takes read buffers from a pool that others use, too; it must outlive the assembler. Called before
   anything is read. */
void normd_assembler_share(normd_assembler *assembler, normd_read_pool *pool);

/* Where the next read should go: straight into a payload that is being filled, else the
   assembler's read buffer. `*size` is 0 only when out of memory, or when messages were left in a
   full read buffer: call normd_assembler_next until it says MORE, then there is room. */
void normd_assembler_room(normd_assembler *assembler, void **data, size_t *size);
/* `size` bytes were read to where normd_assembler_room said. */
void normd_assembler_read(normd_assembler *assembler, size_t size);
/* The next message of what was read. After BAD or FAILED only normd_assembler_destroy may follow.
 */
normd_assembler_result normd_assembler_next(normd_assembler *assembler, normd_message **message);
/* Whether a message has begun and not ended (for deadlines); asked after MORE. */
bool normd_assembler_inside_message(const normd_assembler *assembler);

/* How a payload stands in a head: an ext value of this type with its index as 4 bytes, big-endian.
   An ext of this type from the wire is NORMD_FRAME_BAD, as every ext is: the protocol uses none. */
enum { NORMD_PAYLOAD_EXT_BIN = -126, NORMD_PAYLOAD_EXT_STR = -125 };

/* At most so many bytes of a message that was read past stand in `head`. */
enum { NORMD_KEPT_START_BYTES = 64 };

#endif
