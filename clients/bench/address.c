// SPDX-License-Identifier: Apache-2.0
#include "clients/bench/address.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

static normd_status find_unix(const char *path, normd_address *address, normd_error *error)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof local.sun_path) {
        return normd_error_set(error, NORMD_INTERNAL, "the path of the socket is too long");
    }
    memcpy(local.sun_path, path, strlen(path) + 1);
    memcpy(&address->storage, &local, sizeof local);
    address->length = sizeof local;
    return NORMD_OK;
}

normd_status normd_address_find(const char *text, normd_address *address, normd_error *error)
{
    if (strncmp(text, "unix:", 5) == 0) {
        return find_unix(text + 5, address, error);
    }
    const char *colon = strrchr(text, ':');
    size_t length = colon != NULL ? (size_t)(colon - text) : 0;
    char host[256];
    if (length == 0 || length >= sizeof host) {
        return normd_error_set(error, NORMD_INTERNAL, "expected HOST:PORT, got \"%s\"", text);
    }
    bool brackets = text[0] == '[' && length > 2 && text[length - 1] == ']';
    memcpy(host, text + brackets, length - 2 * brackets);
    host[length - 2 * brackets] = '\0';
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    int failure = getaddrinfo(host, colon + 1, &hints, &list);
    if (failure != 0) {
        return normd_error_set(
            error, NORMD_INTERNAL, "cannot find %s: %s", text, gai_strerror(failure));
    }
    memcpy(&address->storage, list->ai_addr, list->ai_addrlen);
    address->length = list->ai_addrlen;
    freeaddrinfo(list);
    return NORMD_OK;
}

int normd_address_dial(const normd_address *address)
{
    int family = address->storage.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    if (family != AF_UNIX) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    if (connect(fd, (const struct sockaddr *)&address->storage, address->length) != 0 &&
        errno != EINPROGRESS) {
        int reason = errno;
        close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}
