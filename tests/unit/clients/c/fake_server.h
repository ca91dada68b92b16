// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_UNIT_CLIENTS_C_FAKE_SERVER_H
#define NORMD_TESTS_UNIT_CLIENTS_C_FAKE_SERVER_H

#include <msgpack.h>
#include <stddef.h>
#include <stdint.h>

#include "clients/c/normd_client.h"

/* The other end of a client's socket, which a test plays by hand. What it writes may come before
   the client asks: ids count from 0. */
typedef struct fake_server {
    int socket;
    normd_client *client;
    msgpack_sbuffer bytes; /* of the answer that is being written */
    msgpack_packer packer;
} fake_server;

fake_server *fake_server_create(void);
void fake_server_destroy(fake_server *server);
/* Ends the connection from this side. */
void fake_server_hang_up(fake_server *server);

/* Begins an answer in server->bytes; the result is then packed with server->packer. */
msgpack_packer *fake_server_answer(fake_server *server, uint32_t id);
void fake_server_error(fake_server *server, uint32_t id, normd_status status, const char *text);
/* Sends what was packed, all of it or the first `size` bytes; what remains stays. */
void fake_server_flush(fake_server *server);
void fake_server_send(fake_server *server, size_t size);
/* Sends {"version": id}. */
void fake_server_answer_version(fake_server *server, uint32_t id);

/* Reads exactly `size` bytes that the client sent. */
void fake_server_read(fake_server *server, void *data, size_t size);
/* Reads a whole request into a fresh zone's object. */
msgpack_object fake_server_request(fake_server *server, msgpack_zone *zone);

#endif
