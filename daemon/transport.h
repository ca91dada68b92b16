// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_TRANSPORT_H
#define NORMD_DAEMON_TRANSPORT_H

#include <stddef.h>
#include <sys/types.h>
#include <uv.h>

/*
 * A transport carries the bytes of one connection. The connection sees plain bytes in both
 * directions, whatever lies below (TCP, a Unix socket). Loop thread only.
 *
 * Rules:
 *   1. No event is called from inside an operation.
 *   2. At most one `write` is under way; its buffers stay until `written`.
 *   3. After `close` only `written` (if a write was under way, with UV_ECANCELED) and then `closed`
 *      are called; in `closed` the transport is gone already.
 */
typedef struct normd_transport normd_transport;

/* What the transport calls. `context` is the connection. */
typedef struct normd_transport_events {
    /* Where the next bytes go; size 0 when there is no room, which is reported as UV_ENOBUFS. */
    void (*room)(void *context, void **data, size_t *size);
    /* `size` bytes arrived there; or UV_EOF, or another libuv error below 0. */
    void (*arrived)(void *context, ssize_t size);
    /* The write is done: 0 or a libuv error. */
    void (*written)(void *context, int status);
    void (*closed)(void *context);
} normd_transport_events;

typedef struct normd_transport_operations {
    /* 0 or a libuv error. */
    int (*start_reading)(normd_transport *transport);
    void (*stop_reading)(normd_transport *transport);
    /* Sends what fits at once: the number of bytes, 0 when the peer has to read first, or a libuv
       error. Not while a write is under way. */
    ssize_t (*try_write)(normd_transport *transport, const uv_buf_t *buffers, unsigned count);
    /* Sends everything, then calls `written`. 0 or a libuv error (then nothing is called). */
    int (*write)(normd_transport *transport, const uv_buf_t *buffers, unsigned count);
    /* Bytes given to `write` that the kernel has not taken. */
    size_t (*write_queue_size)(const normd_transport *transport);
    /* Says to the peer that nothing more comes; reading goes on. Errors show in reading. */
    void (*finish)(normd_transport *transport);
    void (*close)(normd_transport *transport);
} normd_transport_operations;

enum { NORMD_PEER_BYTES = 64 };

struct normd_transport {
    const normd_transport_operations *operations;
    const normd_transport_events *events;
    void *context;
    char peer[NORMD_PEER_BYTES]; /* for the log */
};

/* Who hears of the transport; once, before the first operation. */
static inline void normd_transport_attach(
    normd_transport *transport, const normd_transport_events *events, void *context)
{
    transport->events = events;
    transport->context = context;
}

#endif
