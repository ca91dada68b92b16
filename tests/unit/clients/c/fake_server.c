// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "tests/unit/clients/c/fake_server.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/frame.h"
#include "protocol/writer.h"

fake_server *fake_server_create(void)
{
    fake_server *server = calloc(1, sizeof *server);
    assert_non_null(server);
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    server->socket = pair[0];
    server->client = normd_client_adopt(pair[1]);
    assert_non_null(server->client);
    /* Far beyond what any test needs: a hang becomes a failure. */
    normd_client_set_timeout(server->client, 60.0);
    msgpack_sbuffer_init(&server->bytes);
    msgpack_packer_init(&server->packer, &server->bytes, msgpack_sbuffer_write);
    return server;
}

void fake_server_destroy(fake_server *server)
{
    fake_server_hang_up(server);
    normd_client_close(server->client);
    msgpack_sbuffer_destroy(&server->bytes);
    free(server);
}

void fake_server_hang_up(fake_server *server)
{
    if (server->socket >= 0) {
        /* Unread bytes would turn the end into a reset. */
        char bytes[4096];
        while (recv(server->socket, bytes, sizeof bytes, MSG_DONTWAIT) > 0) {
        }
        close(server->socket);
        server->socket = -1;
    }
}

msgpack_packer *fake_server_answer(fake_server *server, uint32_t id)
{
    normd_write_result(&server->packer, id);
    return &server->packer;
}

void fake_server_error(fake_server *server, uint32_t id, normd_status status, const char *text)
{
    normd_error error;
    normd_error_set(&error, status, "%s", text);
    normd_write_error(&server->packer, id, &error);
    fake_server_flush(server);
}

void fake_server_send(fake_server *server, size_t size)
{
    size_t sent = 0;
    while (sent < size) {
        ssize_t count = send(server->socket, server->bytes.data + sent, size - sent, MSG_NOSIGNAL);
        assert_true(count > 0);
        sent += (size_t)count;
    }
    memmove(server->bytes.data, server->bytes.data + size, server->bytes.size - size);
    server->bytes.size -= size;
}

void fake_server_flush(fake_server *server)
{
    fake_server_send(server, server->bytes.size);
}

void fake_server_answer_version(fake_server *server, uint32_t id)
{
    msgpack_packer *packer = fake_server_answer(server, id);
    msgpack_pack_map(packer, 1);
    normd_write_str(packer, "version");
    msgpack_pack_uint32(packer, id);
    fake_server_flush(server);
}

void fake_server_read(fake_server *server, void *data, size_t size)
{
    size_t have = 0;
    while (have < size) {
        ssize_t count = recv(server->socket, (char *)data + have, size - have, 0);
        assert_true(count > 0);
        have += (size_t)count;
    }
}

msgpack_object fake_server_request(fake_server *server, msgpack_zone *zone)
{
    enum { MOST = 1 << 16 };
    normd_limits limits = NORMD_LIMITS_DEFAULT;
    limits.payload_bytes = MOST;
    normd_frame frame;
    normd_frame_start(&frame, &limits);
    uint8_t *bytes = msgpack_zone_malloc(zone, MOST);
    assert_non_null(bytes);
    normd_frame_event event = NORMD_FRAME_MORE;
    size_t size = 0;
    while (event == NORMD_FRAME_MORE && size < MOST) {
        size_t taken;
        fake_server_read(server, bytes + size, 1);
        event = normd_frame_scan(&frame, bytes + size, 1, &taken);
        size += taken;
    }
    assert_int_equal(event, NORMD_FRAME_DONE);
    msgpack_object object;
    assert_int_equal(
        msgpack_unpack((const char *)bytes, size, NULL, zone, &object), MSGPACK_UNPACK_SUCCESS);
    return object;
}
