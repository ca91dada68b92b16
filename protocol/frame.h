// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_PROTOCOL_FRAME_H
#define NORMD_PROTOCOL_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/limits.h"

/*
 * The frame scanner finds where a MessagePack message ends, a few bytes at a time, without building
 * anything: it holds a fixed struct, never allocates, and can stop and go on at any byte.
 *
 * It stops in front of every large bin or str (a payload), so that the caller can read those bytes
 * straight to where they are wanted; normd_frame_payload_done then goes on behind them.
 *
 * A message over a limit is not an end of the stream: the scanner notes the first limit that was
 * broken and goes on to the end of the message, in constant memory, so that it can be answered
 * TOO_LARGE and the next message read. Behind a broken limit no payload is announced. Only a byte
 * that starts no value of this protocol is fatal: 0xc1, and every ext, which the protocol does not
 * use.
 */
typedef enum normd_frame_event {
    NORMD_FRAME_MORE,    /* all given bytes were taken; the message goes on */
    NORMD_FRAME_PAYLOAD, /* a payload header was taken; its bytes come next */
    NORMD_FRAME_DONE,    /* the message ended with the last byte taken */
    NORMD_FRAME_BAD,     /* not MessagePack: the stream cannot be followed any more */
} normd_frame_event;

typedef enum normd_frame_excess {
    NORMD_FRAME_WITHIN,
    NORMD_FRAME_MESSAGE_BYTES,
    NORMD_FRAME_HEAD_BYTES,
    NORMD_FRAME_ELEMENTS,
    NORMD_FRAME_DEPTH,
    NORMD_FRAME_PAYLOADS,
} normd_frame_excess;

typedef struct normd_frame {
    const normd_limits *limits;
    uint64_t bytes;          /* of this message so far, payloads included */
    uint64_t payloads_bytes; /* the contents of payloads among them */
    uint64_t skip;           /* bytes of a number or small str or bin still to come */
    uint32_t elements;       /* values announced so far */
    uint32_t depth;          /* arrays and maps that are open */
    uint32_t payloads;       /* announced so far */
    normd_frame_excess excess;
    /* Values still to come at each level, the one being read included; level 0 is the message.
       Once a limit is broken, depth does not matter any more: level 0 counts them all. */
    uint64_t stack[NORMD_MAX_DEPTH + 1];
    uint8_t header[5]; /* of a value whose length follows its first byte */
    uint8_t header_have, header_need;
    /* Of the payload announced by NORMD_FRAME_PAYLOAD: */
    bool payload_is_str;
    uint8_t payload_header; /* bytes of its header, the last ones taken */
    uint64_t payload_size;
} normd_frame;

/* Ready for the first byte of a message. `limits` is kept; it must allow one element, and a depth
   of at most NORMD_MAX_DEPTH. */
void normd_frame_start(normd_frame *frame, const normd_limits *limits);

/* Takes bytes up to the next event; `taken` says how many (at most `size`; all of them with MORE).
   After PAYLOAD, call normd_frame_payload_done before the next scan; after DONE, start anew; after
   BAD, close. How the stream is cut into calls changes nothing but the number of MOREs. */
normd_frame_event normd_frame_scan(
    normd_frame *frame, const uint8_t *bytes, size_t size, size_t *taken);

/* Says that the announced payload's bytes have gone by elsewhere. DONE when it ended the message,
   else MORE. */
normd_frame_event normd_frame_payload_done(normd_frame *frame);

#endif
