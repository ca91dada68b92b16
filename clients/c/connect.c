// SPDX-License-Identifier: Apache-2.0
#include "clients/c/client.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clients/c/clock.h"

static const char default_port[] = "6676";

/* Connects by the deadline; returns the socket, or -1 with errno set. */
static int dial(const struct sockaddr *address, socklen_t length, int64_t deadline)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    int failure = connect(fd, address, length) == 0 ? 0 : errno;
    while (failure == EINPROGRESS || failure == EINTR) {
        struct pollfd entry = {.fd = fd, .events = POLLOUT};
        int count = poll(&entry, 1, normd_clock_poll_timeout(deadline));
        if (count > 0) {
            socklen_t size = sizeof failure;
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size);
        } else if (normd_clock_now() >= deadline) {
            failure = ETIMEDOUT;
        }
    }
    if (failure != 0) {
        close(fd);
        errno = failure;
        return -1;
    }
    if (address->sa_family != AF_UNIX) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    return fd;
}

static normd_client_status dial_unix(
    const char *path, int64_t deadline, int *fd, normd_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        return client_fail(error, NORMD_CLIENT_UNREACHABLE,
            "unix socket: expected a path of at most %zu bytes, got %zu",
            sizeof address.sun_path - 1, strlen(path));
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    *fd = dial((const struct sockaddr *)&address, sizeof address, deadline);
    if (*fd < 0) {
        return client_fail(error, NORMD_CLIENT_UNREACHABLE, "cannot connect to unix:%s: %s", path,
            strerror(errno));
    }
    return NORMD_CLIENT_OK;
}

/* Splits "HOST:PORT", "[IPV6]:PORT" or "HOST". */
static bool split_address(
    const char *address, char *host, size_t host_size, char *port, size_t port_size)
{
    const char *host_start = address;
    size_t host_length = strcspn(address, ":");
    const char *rest = address + host_length;
    if (address[0] == '[') {
        host_start = address + 1;
        host_length = strcspn(host_start, "]");
        rest = host_start + host_length;
        if (*rest != ']') {
            return false;
        }
        rest++;
    } else if (*rest == ':' && strchr(rest + 1, ':') != NULL) {
        host_length = strlen(address); /* a bare IPv6 address */
        rest = address + host_length;
    }
    if (*rest != '\0' && (*rest != ':' || rest[1] == '\0')) {
        return false;
    }
    const char *port_start = *rest == ':' ? rest + 1 : default_port;
    if (host_length == 0 || host_length >= host_size || strlen(port_start) >= port_size) {
        return false;
    }
    memcpy(host, host_start, host_length);
    host[host_length] = '\0';
    memcpy(port, port_start, strlen(port_start) + 1);
    return true;
}

static normd_client_status dial_tcp(
    const char *address, int64_t deadline, int *fd, normd_error *error)
{
    char host[256];
    char port[16];
    if (!split_address(address, host, sizeof host, port, sizeof port)) {
        return client_fail(error, NORMD_CLIENT_UNREACHABLE,
            "address: expected HOST:PORT, [IPV6]:PORT or unix:PATH, got \"%s\"", address);
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *list = NULL;
    int failure = getaddrinfo(host, port, &hints, &list);
    if (failure == EAI_NONAME || failure == EAI_ADDRFAMILY) {
        /* A host without any configured address still has its loopback. */
        hints.ai_flags = 0;
        failure = getaddrinfo(host, port, &hints, &list);
    }
    if (failure != 0) {
        return client_fail(error, NORMD_CLIENT_UNREACHABLE, "cannot find %s port %s: %s", host,
            port, failure == EAI_SYSTEM ? strerror(errno) : gai_strerror(failure));
    }
    *fd = -1;
    for (const struct addrinfo *entry = list; entry != NULL && *fd < 0; entry = entry->ai_next) {
        *fd = dial(entry->ai_addr, entry->ai_addrlen, deadline);
    }
    int reason = errno;
    freeaddrinfo(list);
    if (*fd < 0) {
        return client_fail(error, NORMD_CLIENT_UNREACHABLE, "cannot connect to %s port %s: %s",
            host, port, strerror(reason));
    }
    return NORMD_CLIENT_OK;
}

normd_client_status client_dial(
    const char *address, int64_t deadline, int *socket, normd_error *error)
{
    return strncmp(address, "unix:", 5) == 0 ? dial_unix(address + 5, deadline, socket, error)
                                             : dial_tcp(address, deadline, socket, error);
}

normd_client_status normd_client_connect(
    const char *address, double seconds, normd_client **client, normd_error *error)
{
    int fd;
    normd_client_status status = client_dial(address, normd_clock_deadline(seconds), &fd, error);
    if (status != NORMD_CLIENT_OK) {
        return status;
    }
    *client = normd_client_adopt(fd);
    if (*client == NULL) {
        close(fd);
        return client_fail(error, NORMD_CLIENT_FAILED, "out of memory");
    }
    (*client)->timeout = seconds;
    return NORMD_CLIENT_OK;
}
