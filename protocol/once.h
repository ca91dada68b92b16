// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_PROTOCOL_ONCE_H
#define NORMD_PROTOCOL_ONCE_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "protocol/assembler.h"

enum { NORMD_ONCE_CLIENT_BYTES = 128 };
#define NORMD_ONCE_SEQ_MOST (UINT64_C(1) << 53)

/* The fields `client` and `seq`, which every method that mutates takes beside its own: the change
   is made once, however often the request is sent. */
typedef struct normd_once {
    bool present;       /* both are there */
    const char *client; /* NORMD_ONCE_CLIENT_BYTES at most, not empty, not terminated; points into
                           the message */
    size_t client_length;
    uint64_t seq; /* from 1 to NORMD_ONCE_SEQ_MOST */
} normd_once;

/* The two fields while `params` are read. Starts as zeros. */
typedef struct normd_once_reading {
    normd_once once;
    bool seen_client, seen_seq; /* also when nil, which counts as leaving it out */
} normd_once_reading;

/* Reads one pair of `params` when it is one of the two fields; `*taken` says whether it was.
   BAD_ARGUMENT: of the wrong kind, out of range, or there twice. */
normd_status normd_once_take(normd_once_reading *reading, const msgpack_object_kv *pair,
    normd_message *message, bool *taken, normd_error *error);

/* Behind the last pair: both fields, or neither. BAD_ARGUMENT otherwise. */
normd_status normd_once_finish(normd_once_reading *reading, normd_once *once, normd_error *error);

#endif
