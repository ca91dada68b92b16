// SPDX-License-Identifier: Apache-2.0
#include "daemon/listener.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/transport_stream.h"

enum { BACKLOG = 511 };

static void on_connection(uv_stream_t *stream, int status)
{
    normd_listener *listener = stream->data;
    if (status != 0) {
        return;
    }
    normd_transport *transport = listener->accept(stream);
    if (transport != NULL) {
        listener->on_connection(listener->context, transport);
    }
}

/* Last step of both kinds: the socket is bound. Closes it on a failure. */
static normd_status start(normd_listener *listener, int bound, const char *where,
    normd_listener_callback callback, void *context, normd_error *error)
{
    listener->as.handle.data = listener;
    listener->on_connection = callback;
    listener->context = context;
    if (bound == 0) {
        bound = uv_listen(&listener->as.stream, BACKLOG, on_connection);
    }
    if (bound != 0) {
        uv_close(&listener->as.handle, NULL);
        return normd_error_set(
            error, NORMD_BAD_ARGUMENT, "cannot listen at %s: %s", where, uv_strerror(bound));
    }
    listener->open = true;
    return NORMD_OK;
}

static void name_tcp(normd_listener *listener, const char *bind)
{
    struct sockaddr_storage address = {0};
    int length = (int)sizeof address;
    uv_tcp_getsockname(&listener->as.tcp, (struct sockaddr *)&address, &length);
    bool v6 = address.ss_family == AF_INET6;
    unsigned port = ntohs(v6 ? ((const struct sockaddr_in6 *)&address)->sin6_port
                             : ((const struct sockaddr_in *)&address)->sin_port);
    snprintf(listener->name, sizeof listener->name, v6 ? "[%s]:%u" : "%s:%u", bind, port);
}

normd_status normd_listener_open_tcp(normd_listener *listener, uv_loop_t *loop,
    const normd_settings *settings, normd_listener_callback callback, void *context,
    normd_error *error)
{
    struct sockaddr_storage address = {0};
    if (uv_ip4_addr(settings->bind, settings->port, (struct sockaddr_in *)&address) != 0 &&
        uv_ip6_addr(settings->bind, settings->port, (struct sockaddr_in6 *)&address) != 0) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "bind: expected an IPv4 or IPv6 address, got \"%s\"", settings->bind);
    }
    int result = uv_tcp_init(loop, &listener->as.tcp);
    if (result != 0) {
        return normd_error_no_memory(error);
    }
    listener->accept = normd_transport_tcp_accept;
    result = uv_tcp_bind(&listener->as.tcp, (const struct sockaddr *)&address, 0);
    char where[NORMD_SETTINGS_ADDRESS_BYTES + 16];
    snprintf(where, sizeof where, "%s port %d", settings->bind, settings->port);
    normd_status status = start(listener, result, where, callback, context, error);
    if (status == NORMD_OK) {
        name_tcp(listener, settings->bind);
    }
    return status;
}

/* Whether `path` is a socket file that refuses connections: what a dead daemon leaves. */
static bool is_stale(const char *path)
{
    struct stat file;
    if (lstat(path, &file) != 0 || !S_ISSOCK(file.st_mode)) {
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    bool refused = connect(fd, (const struct sockaddr *)&address, sizeof address) != 0 &&
                   errno == ECONNREFUSED;
    close(fd);
    return refused;
}

normd_status normd_listener_open_unix(normd_listener *listener, uv_loop_t *loop,
    const normd_settings *settings, normd_listener_callback callback, void *context,
    normd_error *error)
{
    const char *path = settings->unix_path;
    if (is_stale(path)) {
        unlink(path);
    }
    int result = uv_pipe_init(loop, &listener->as.pipe, 0);
    if (result != 0) {
        return normd_error_no_memory(error);
    }
    listener->accept = normd_transport_unix_accept;
    /* The file must never be there with wider permissions, not even between two calls. */
    mode_t before = umask(0777 & ~(mode_t)settings->unix_mode);
    result = uv_pipe_bind(&listener->as.pipe, path);
    umask(before);
    normd_status status = start(listener, result, path, callback, context, error);
    if (status == NORMD_OK) {
        snprintf(listener->name, sizeof listener->name, "unix:%s", path);
    }
    return status;
}

void normd_listener_close(normd_listener *listener)
{
    if (!listener->open) {
        return;
    }
    listener->open = false;
    /* libuv removes the socket file. */
    uv_close(&listener->as.handle, NULL);
}
