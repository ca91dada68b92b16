// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_BENCH_ADDRESS_H
#define NORMD_CLIENTS_BENCH_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "lib/base/error.h"

/* Where the daemon listens, looked up once for all connections. */
typedef struct normd_address {
    struct sockaddr_storage storage;
    socklen_t length;
} normd_address;

/* `text` is "HOST:PORT", "[IPV6]:PORT" or "unix:PATH". INTERNAL with a reason otherwise. */
normd_status normd_address_find(const char *text, normd_address *address, normd_error *error);
/* A non-blocking socket that is connecting or connected; -1 with errno set. */
int normd_address_dial(const normd_address *address);

#endif
