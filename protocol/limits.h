// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_PROTOCOL_LIMITS_H
#define NORMD_PROTOCOL_LIMITS_H

#include <stddef.h>
#include <stdint.h>

/* What one message may be. Checked by the frame scanner before any other code sees a byte. */
typedef struct normd_limits {
    uint64_t message_bytes; /* the whole message on the wire */
    uint64_t head_bytes;    /* the message less the contents of its payloads */
    uint32_t elements;      /* MessagePack values in all, nested ones and map keys included */
    uint32_t depth;         /* arrays and maps inside each other; at most NORMD_MAX_DEPTH */
    uint32_t
        payload_bytes; /* a bin or str of at least so many bytes, and not empty, is a payload */
} normd_limits;

/* The nesting that msgpack-c takes. */
enum { NORMD_MAX_DEPTH = 32, NORMD_MAX_PAYLOADS = 64 };

#define NORMD_LIMITS_DEFAULT                                                                       \
    ((normd_limits){.message_bytes = UINT64_C(1) << 30,                                            \
        .head_bytes = UINT64_C(1) << 22,                                                           \
        .elements = 1u << 16,                                                                      \
        .depth = 16,                                                                               \
        .payload_bytes = 1u << 14})

#endif
