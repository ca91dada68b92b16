// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_TRANSPORT_STREAM_H
#define NORMD_DAEMON_TRANSPORT_STREAM_H

#include "daemon/transport.h"

/* What TCP and Unix sockets share: a transport on a libuv stream. */
typedef struct normd_stream_transport {
    normd_transport transport;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } as;
    uv_write_t write;
    uv_shutdown_t shutdown;
} normd_stream_transport;

/* The operations of both. */
extern const normd_transport_operations normd_stream_operations;

/* Accepts the connection that waits at `listener`. NULL when it is gone again or memory is out. */
normd_transport *normd_transport_tcp_accept(uv_stream_t *listener);
normd_transport *normd_transport_unix_accept(uv_stream_t *listener);

/* Accepts into a transport whose handle was initialized; closes and frees it on a failure. */
normd_transport *normd_stream_accept(normd_stream_transport *stream, uv_stream_t *listener);

#endif
