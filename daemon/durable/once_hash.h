// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_DURABLE_ONCE_HASH_H
#define NORMD_DAEMON_DURABLE_ONCE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that lie outside of a message's head: a payload. */
typedef struct normd_once_piece {
    const void *data;
    size_t size;
} normd_once_piece;

/* What tells a retry from another request with the same seq: XXH3 of 64 bits over the body (see
   normd_call_body), and with what came out as the seed over each payload in the order of the
   message. It guards against mistakes, not against a client that makes collisions for itself. The
   same on every machine. Any thread. */
uint64_t normd_once_hash(
    const void *body, size_t body_size, const normd_once_piece *payloads, size_t count);

/* The same in two steps: of the body of a message with so many payloads, and of them (in one call
   or more). */
uint64_t normd_once_hash_body(const void *body, size_t size, size_t payloads);
uint64_t normd_once_hash_payloads(uint64_t hash, const normd_once_piece *payloads, size_t count);

#endif
