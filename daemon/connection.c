// SPDX-License-Identifier: Apache-2.0
#include "daemon/connection.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/dispatch.h"
#include "daemon/request.h"
#include "daemon/server.h"

enum {
    /* Up to so many bytes an answer is copied to its neighbours; that costs less than a place of
       its own in the system call. */
    COPIED_BYTES = 8 * 1024,
    GATHERED = 64,
    /* What is done in one turn: so many messages, of which each piece of so many bytes, of the
       request and of what is answered at once, counts as one more. */
    TURN_MESSAGES = 128,
    TURN_BYTES = 4 * 1024,
    ANNOUNCED_SHARE = 2,
};

static void pump(normd_connection *connection);

static void *take_payload(void *context, size_t size, void **handle)
{
    normd_connection *connection = context;
    normd_server *server = connection->server;
    /* A few bytes announce a payload of any size: one peer alone must not reserve everything. */
    uint64_t share = server->memory.limit / ANNOUNCED_SHARE;
    if (size > share || connection->announced > share - size ||
        !normd_memory_charge(&server->memory, size)) {
        return NULL;
    }
    normd_buffer *buffer = normd_buffer_take(server->engine.buffers, size);
    if (buffer == NULL) {
        normd_memory_discharge(&server->memory, size);
        return NULL;
    }
    connection->announced += size;
    *handle = buffer;
    return buffer->data;
}

static void release_payload(void *context, void *handle)
{
    normd_connection *connection = context;
    normd_server *server = connection->server;
    normd_buffer *buffer = handle;
    connection->announced -= buffer->size;
    normd_memory_discharge(&server->memory, buffer->size);
    normd_buffer_release(buffer);
}

/* Frees the connection when nothing refers to it any more. */
static void free_when_unused(normd_connection *connection)
{
    if (connection->transport != NULL || connection->in_flight > 0 || connection->touched) {
        return;
    }
    normd_server *server = connection->server;
    normd_assembler_destroy(connection->assembler);
    free(connection);
    normd_server_stop_advance(server);
}

void normd_connection_close(normd_connection *connection)
{
    if (!connection->closing) {
        connection->closing = true;
        connection->transport->operations->close(connection->transport);
    }
}

static void on_closed(void *context)
{
    normd_connection *connection = context;
    normd_server *server = connection->server;
    connection->transport = NULL;
    if (connection->waits) {
        normd_turns_leave(&server->turns, connection);
    }
    if (connection->watched) {
        normd_progress_leave(&server->progress, connection);
    }
    normd_out_queue_clear(&connection->out);
    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        server->connections = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    server->connection_count--;
    free_when_unused(connection);
}

/* ---- Reading ---- */

static void on_room(void *context, void **data, size_t *size)
{
    normd_connection *connection = context;
    normd_assembler_room(connection->assembler, data, size);
}

static void on_arrived(void *context, ssize_t size)
{
    normd_connection *connection = context;
    if (size == UV_EOF) {
        /* A peer may close its side first and wait for answers. */
        connection->ended = true;
    } else if (size < 0) {
        normd_connection_close(connection);
        return;
    } else {
        normd_assembler_read(connection->assembler, (size_t)size);
    }
    pump(connection);
    if (connection->reading && normd_assembler_inside_message(connection->assembler)) {
        normd_progress_watch(&connection->server->progress, connection);
    }
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool is_over(const normd_connection *connection, uint32_t requests, size_t bytes)
{
    return connection->in_flight >= requests ||
           connection->out.bytes + connection->promised >= bytes;
}

/* Hands on one message and takes its size off the turn. False when there is none to be had. */
static bool next_message(normd_connection *connection, size_t *turn)
{
    normd_message *message;
    normd_server *server = connection->server;
    switch (normd_assembler_next(connection->assembler, &message)) {
    case NORMD_ASSEMBLER_MORE:
        return false;
    case NORMD_ASSEMBLER_MESSAGE:
        *turn -= smaller(message->head_size / TURN_BYTES + 1, *turn);
        if (normd_dispatch(connection, message)) {
            return true;
        }
        normd_log_write(&server->log, NORMD_LOG_INFO,
            "closing %s: a message that is no MessagePack-RPC request",
            connection->transport->peer);
        break;
    case NORMD_ASSEMBLER_BAD:
        normd_log_write(&server->log, NORMD_LOG_INFO, "closing %s: bytes that are no MessagePack",
            connection->transport->peer);
        break;
    case NORMD_ASSEMBLER_FAILED:
        normd_log_write(&server->log, NORMD_LOG_ERROR, "closing %s: out of memory",
            connection->transport->peer);
        break;
    }
    normd_connection_close(connection);
    return false;
}

/* ---- Writing ---- */

/* Sends what fits; the rest by a write of its own that reports its end. */
static void send_out(normd_connection *connection)
{
    normd_transport *transport = connection->transport;
    uv_buf_t buffers[GATHERED];
    size_t total;
    while (connection->out.bytes > 0 && connection->writing == 0 && !connection->closing) {
        unsigned count = normd_out_queue_gather(&connection->out, buffers, GATHERED, &total);
        ssize_t sent = transport->operations->try_write(transport, buffers, count);
        if (sent < 0) {
            normd_connection_close(connection);
            return;
        }
        normd_out_queue_sent(&connection->out, (size_t)sent);
        if ((size_t)sent == total) {
            continue;
        }
        count = normd_out_queue_gather(&connection->out, buffers, GATHERED, &total);
        if (transport->operations->write(transport, buffers, count) != 0) {
            normd_connection_close(connection);
            return;
        }
        connection->writing = total;
    }
}

static void on_written(void *context, int status)
{
    normd_connection *connection = context;
    size_t size = connection->writing;
    connection->writing = 0;
    if (connection->closing) {
        return;
    }
    if (status != 0) {
        normd_connection_close(connection);
        return;
    }
    normd_out_queue_sent(&connection->out, size);
    pump(connection);
}

static const normd_transport_events connection_events = {
    .room = on_room,
    .arrived = on_arrived,
    .written = on_written,
    .closed = on_closed,
};

static void set_reading(normd_connection *connection)
{
    bool wanted = !connection->paused && !connection->waits && !connection->ended;
    if (wanted == connection->reading || connection->closing) {
        return;
    }
    connection->reading = wanted;
    if (!wanted) {
        connection->transport->operations->stop_reading(connection->transport);
    } else if (connection->transport->operations->start_reading(connection->transport) != 0) {
        normd_connection_close(connection);
    }
}

/* Hands on what was read, as much as one turn holds. */
static void take_turn(normd_connection *connection)
{
    size_t turn = TURN_MESSAGES;
    while (!connection->closing && !connection->paused) {
        if (turn == 0) {
            normd_turns_wait(&connection->server->turns, connection);
            return;
        }
        size_t before = connection->out.bytes;
        if (!next_message(connection, &turn)) {
            return;
        }
        turn -= smaller((connection->out.bytes - before) / TURN_BYTES, turn);
        if (connection->out.bytes + connection->promised >= NORMD_CONNECTION_BYTES_HIGH) {
            send_out(connection);
        }
        connection->paused =
            is_over(connection, NORMD_CONNECTION_REQUESTS_HIGH, NORMD_CONNECTION_BYTES_HIGH);
    }
}

/* Everything that a connection can do now: read on, hand on, send, end. */
static void pump(normd_connection *connection)
{
    /* First of all, so that what is over a mark below is really waiting for the peer or a worker,
       whose event comes here again. */
    send_out(connection);
    if (connection->paused && !connection->closing &&
        !is_over(connection, NORMD_CONNECTION_REQUESTS_LOW, NORMD_CONNECTION_BYTES_LOW)) {
        connection->paused = false;
    }
    if (!connection->waits) {
        take_turn(connection);
    }
    send_out(connection);
    set_reading(connection);
    bool all_sent = connection->in_flight == 0 && connection->out.bytes == 0;
    if (connection->ended && all_sent && !connection->paused && !connection->waits) {
        normd_connection_close(connection);
    }
    if (connection->server->stop == NORMD_STOP_ANSWERS && all_sent) {
        normd_connection_finish(connection);
    }
}

void normd_connection_go_on(normd_connection *connection)
{
    if (!connection->closing) {
        pump(connection);
    }
}

void normd_connection_flush(normd_connection *connection)
{
    if (connection->closing) {
        free_when_unused(connection);
    } else {
        pump(connection);
    }
}

void normd_connection_answer(normd_connection *connection, normd_request *request)
{
    connection->in_flight--;
    connection->promised -= request->promised;
    connection->server->in_flight--;
    if (connection->closing || connection->finished || request->notification) {
        normd_request_free(request);
        return;
    }
    if (connection->server->stop != NORMD_STOP_NOT) {
        connection->served_while_stopping = true;
    }
    size_t payload = request->payload_bytes;
    if (request->head.size + payload > COPIED_BYTES) {
        normd_request_put(request, &connection->out);
        return;
    }
    if (!normd_out_queue_copy(&connection->out, request->head.data, request->head.size) ||
        (payload > 0 && !normd_out_queue_copy(&connection->out, request->payload->data, payload))) {
        normd_connection_close(connection);
    }
    normd_request_free(request);
}

void normd_connection_finish(normd_connection *connection)
{
    if (connection->closing || connection->finished || connection->out.bytes > 0) {
        return;
    }
    if (!connection->served_while_stopping || connection->ended) {
        normd_connection_close(connection);
        return;
    }
    /* Closing while bytes of the peer are unread would reset the connection and could take answers
       away that the peer has not read; so say that this is the end, and wait for the peer's. */
    connection->finished = true;
    connection->transport->operations->finish(connection->transport);
}

void normd_connection_open(normd_server *server, normd_transport *transport)
{
    normd_connection *connection = calloc(1, sizeof *connection);
    normd_assembler *assembler = NULL;
    if (connection != NULL) {
        connection->memory = (normd_payload_memory){
            .take = take_payload, .release = release_payload, .context = connection};
        assembler = normd_assembler_create(&server->limits, &connection->memory);
    }
    if (assembler == NULL) {
        free(connection);
        transport->operations->close(transport);
        return;
    }
    normd_assembler_share(assembler, &server->read_buffers);
    connection->server = server;
    connection->transport = transport;
    connection->assembler = assembler;
    normd_out_queue_init(&connection->out, &server->chunks);
    connection->next = server->connections;
    if (connection->next != NULL) {
        connection->next->previous = connection;
    }
    server->connections = connection;
    server->connection_count++;
    normd_transport_attach(transport, &connection_events, connection);
    set_reading(connection);
}
