// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "tests/unit/clients/c/fake_daemon.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clients/c/normd_client.h"
#include "protocol/writer.h"

static void copy_text(const msgpack_object *object, char text[static FAKE_TEXT_BYTES])
{
    text[0] = '\0';
    if (object != NULL && object->type == MSGPACK_OBJECT_STR) {
        snprintf(text, FAKE_TEXT_BYTES, "%.*s", (int)object->via.str.size, object->via.str.ptr);
    }
}

/* Does a mutation; gives its row, from 1, or 0 with the error. */
static size_t apply(
    fake_daemon *daemon, const char *client, uint64_t seq, const char *session, normd_error *error)
{
    bool same = strcmp(daemon->known, client) == 0;
    if (seq != 0 && !same && seq != 1) {
        normd_error_set(error, NORMD_UNKNOWN_CLIENT, "client: not known");
        return 0;
    }
    if (seq != 0 && !same) {
        snprintf(daemon->known, sizeof daemon->known, "%s", client);
        daemon->last = 0;
        memset(daemon->row, 0, sizeof daemon->row);
    }
    if (seq > daemon->last + 1) {
        normd_error_set(error, NORMD_SEQ_GAP, "seq: too high");
        return 0;
    }
    if (seq != 0 && seq + FAKE_WINDOW <= daemon->last) {
        normd_error_set(error, NORMD_SEQ_TOO_OLD, "seq: too low");
        return 0;
    }
    size_t row = seq != 0 ? daemon->row[seq] : 0;
    if (row != 0 && strcmp(daemon->session[row - 1], session) != 0) {
        normd_error_set(error, NORMD_SEQ_REUSED, "seq: another's");
        return 0;
    }
    if (row == 0 && strncmp(session, "bad", 3) == 0) {
        normd_error_set(error, NORMD_BAD_ARGUMENT, "session: bad");
        return 0;
    }
    if (row == 0) {
        memcpy(daemon->session[daemon->applied++], session, strlen(session) + 1);
        row = daemon->applied;
        daemon->row[seq] = row;
        daemon->last = seq > daemon->last ? seq : daemon->last;
    }
    return row;
}

static fake_trouble next_trouble(fake_daemon *daemon, const char *client, uint64_t seq)
{
    size_t index = daemon->requests++;
    daemon->seq[index] = seq;
    memcpy(daemon->client[index], client, strlen(client) + 1);
    fake_trouble trouble = daemon->script[index];
    if (trouble == FAKE_FORGET) {
        daemon->known[0] = '\0';
        trouble = FAKE_NONE;
    }
    return trouble;
}

static normd_status refusal_of(fake_trouble trouble)
{
    switch (trouble) {
    case FAKE_BUSY:
        return NORMD_BUSY;
    case FAKE_STORE_FAILED:
        return NORMD_STORE_FAILED;
    case FAKE_SHUTTING_DOWN:
        return NORMD_SHUTTING_DOWN;
    case FAKE_CONTEXT_LOST:
        return NORMD_CONTEXT_LOST;
    default:
        return NORMD_OK;
    }
}

static void write_hello(fake_daemon *daemon, msgpack_packer *packer, const char *client)
{
    daemon->hellos++;
    msgpack_pack_map(packer, daemon->counts ? 1 : 0);
    if (daemon->counts) {
        normd_write_str(packer, "seq");
        msgpack_pack_uint64(packer, strcmp(client, daemon->known) == 0 ? daemon->last : 0);
    }
}

/* Does a request and writes its answer; false: the connection ends instead. */
static bool serve(fake_daemon *daemon, const msgpack_object *request, msgpack_packer *packer)
{
    const msgpack_object *part = request->via.array.ptr;
    uint32_t id = (uint32_t)part[1].via.u64;
    char method[FAKE_TEXT_BYTES], client[FAKE_TEXT_BYTES], session[FAKE_TEXT_BYTES];
    uint64_t seq = 0;
    copy_text(&part[2], method);
    copy_text(normd_client_get(&part[3], "client"), client);
    copy_text(normd_client_get(&part[3], "session"), session);
    normd_client_uint(normd_client_get(&part[3], "seq"), &seq);
    if (strcmp(method, "hello") == 0) {
        normd_write_result(packer, id);
        write_hello(daemon, packer, client);
        return true;
    }
    fake_trouble trouble = next_trouble(daemon, client, seq);
    normd_error error = {.status = refusal_of(trouble), .message = "no"};
    if (error.status != NORMD_OK) {
        normd_write_error(packer, id, &error);
        return true;
    }
    if (trouble == FAKE_CUT_BEFORE || trouble == FAKE_SILENT) {
        return trouble == FAKE_SILENT;
    }
    bool reads = strcmp(method, "step") != 0;
    size_t row = reads ? 0 : apply(daemon, client, seq, session, &error);
    if (trouble == FAKE_CUT_AFTER) {
        return false;
    }
    if (trouble == FAKE_GARBAGE) {
        msgpack_pack_str_body(packer, "\xc1", 1);
    } else if (error.status != NORMD_OK) {
        normd_write_error(packer, id, &error);
    } else {
        normd_write_result(packer, id);
        msgpack_pack_map(packer, 1);
        normd_write_str(packer, "version");
        msgpack_pack_uint64(packer, row);
    }
    return true;
}

/* Takes in what has come and answers what is whole; false: the connection is over. */
static bool receive(fake_daemon *daemon, size_t k)
{
    msgpack_unpacker *unpacker = &daemon->unpacker[k];
    if (!msgpack_unpacker_reserve_buffer(unpacker, 1 << 16)) {
        return false;
    }
    ssize_t count = recv(daemon->socket[k], msgpack_unpacker_buffer(unpacker), 1 << 16, 0);
    if (count <= 0) {
        return false;
    }
    msgpack_unpacker_buffer_consumed(unpacker, (size_t)count);
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    bool open = true;
    while (open && msgpack_unpacker_next(unpacker, &unpacked) == MSGPACK_UNPACK_SUCCESS) {
        msgpack_sbuffer bytes;
        msgpack_packer packer;
        msgpack_sbuffer_init(&bytes);
        msgpack_packer_init(&packer, &bytes, msgpack_sbuffer_write);
        open = serve(daemon, &unpacked.data, &packer);
        /* Answers are small: they fit into the socket. */
        open = open && (bytes.size == 0 ||
                           send(daemon->socket[k], bytes.data, bytes.size, MSG_NOSIGNAL) > 0);
        msgpack_sbuffer_destroy(&bytes);
    }
    msgpack_unpacked_destroy(&unpacked);
    return open;
}

static void hang_up(fake_daemon *daemon, size_t k)
{
    close(daemon->socket[k]);
    daemon->socket[k] = -1;
    msgpack_unpacker_destroy(&daemon->unpacker[k]);
}

static void take_connection(fake_daemon *daemon)
{
    int fd = accept(daemon->listener, NULL, NULL);
    for (size_t k = 0; fd >= 0 && k < FAKE_CONNECTIONS; k++) {
        if (daemon->socket[k] < 0 && msgpack_unpacker_init(&daemon->unpacker[k], 1 << 16)) {
            daemon->socket[k] = fd;
            daemon->connections++;
            return;
        }
    }
    close(fd);
}

static void *run(void *context)
{
    fake_daemon *daemon = context;
    for (;;) {
        struct pollfd entry[FAKE_CONNECTIONS + 2];
        for (size_t k = 0; k < FAKE_CONNECTIONS; k++) {
            entry[k] = (struct pollfd){.fd = daemon->socket[k], .events = POLLIN};
        }
        entry[FAKE_CONNECTIONS] = (struct pollfd){.fd = daemon->listener, .events = POLLIN};
        entry[FAKE_CONNECTIONS + 1] = (struct pollfd){.fd = daemon->stop[0], .events = POLLIN};
        poll(entry, FAKE_CONNECTIONS + 2, -1);
        if (entry[FAKE_CONNECTIONS + 1].revents != 0) {
            return NULL;
        }
        for (size_t k = 0; k < FAKE_CONNECTIONS; k++) {
            if (daemon->socket[k] >= 0 && entry[k].revents != 0 && !receive(daemon, k)) {
                hang_up(daemon, k);
            }
        }
        if (entry[FAKE_CONNECTIONS].revents != 0) {
            take_connection(daemon);
        }
    }
}

fake_daemon *fake_daemon_start(bool counts, const fake_trouble *script, size_t length)
{
    fake_daemon *daemon = calloc(1, sizeof *daemon);
    assert_non_null(daemon);
    daemon->counts = counts;
    for (size_t k = 0; k < length; k++) {
        daemon->script[k] = script[k];
    }
    for (size_t k = 0; k < FAKE_CONNECTIONS; k++) {
        daemon->socket[k] = -1;
    }
    assert_int_equal(pipe(daemon->stop), 0);
    daemon->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof where;
    assert_int_equal(bind(daemon->listener, (struct sockaddr *)&where, size), 0);
    assert_int_equal(listen(daemon->listener, 16), 0);
    assert_int_equal(getsockname(daemon->listener, (struct sockaddr *)&where, &size), 0);
    snprintf(daemon->address, sizeof daemon->address, "127.0.0.1:%u", ntohs(where.sin_port));
    assert_int_equal(pthread_create(&daemon->thread, NULL, run, daemon), 0);
    return daemon;
}

void fake_daemon_stop(fake_daemon *daemon)
{
    close(daemon->stop[1]);
    pthread_join(daemon->thread, NULL);
    close(daemon->stop[0]);
    close(daemon->listener);
    for (size_t k = 0; k < FAKE_CONNECTIONS; k++) {
        if (daemon->socket[k] >= 0) {
            hang_up(daemon, k);
        }
    }
}

void fake_daemon_free(fake_daemon *daemon)
{
    free(daemon);
}
