// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_LISTENER_H
#define NORMD_DAEMON_LISTENER_H

#include <stdbool.h>
#include <uv.h>

#include "daemon/settings.h"
#include "daemon/transport.h"

/* A listening socket. Loop thread only. */
typedef struct normd_listener {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } as;
    bool open;
    normd_transport *(*accept)(uv_stream_t *listener);
    void (*on_connection)(void *context, normd_transport *transport);
    void *context;
    char name[NORMD_SETTINGS_PATH_BYTES + 8]; /* "127.0.0.1:6676", "unix:PATH" */
} normd_listener;

/* Who gets accepted connections. */
typedef void (*normd_listener_callback)(void *context, normd_transport *transport);

/* Listens at an IPv4 or IPv6 address. Host names are not resolved. */
normd_status normd_listener_open_tcp(normd_listener *listener, uv_loop_t *loop,
    const normd_settings *settings, normd_listener_callback callback, void *context,
    normd_error *error);

/* Listens at a path of the file system. A socket file that nobody listens at is removed first. */
normd_status normd_listener_open_unix(normd_listener *listener, uv_loop_t *loop,
    const normd_settings *settings, normd_listener_callback callback, void *context,
    normd_error *error);

/* Stops listening and removes the socket file; one that is not open is let pass. */
void normd_listener_close(normd_listener *listener);

#endif
