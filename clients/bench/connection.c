// SPDX-License-Identifier: Apache-2.0
#include "clients/bench/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clients/c/clock.h"

enum { MAX_BURST = 256 }; /* requests in one vectored write */

bool normd_connection_create(
    normd_connection *connection, const normd_request_template *template, size_t depth)
{
    *connection = (normd_connection){.fd = -1, .template = template, .depth = depth, .mask = 1};
    while (connection->mask < depth) {
        connection->mask *= 2;
    }
    connection->mask--;
    connection->slot = calloc(depth, sizeof *connection->slot);
    connection->free = calloc(depth, sizeof *connection->free);
    connection->queue = calloc(depth, sizeof *connection->queue);
    return connection->slot != NULL && connection->free != NULL && connection->queue != NULL;
}

void normd_connection_destroy(normd_connection *connection)
{
    normd_connection_close(connection);
    free(connection->slot);
    free(connection->free);
    free(connection->queue);
}

bool normd_connection_open(normd_connection *connection, const normd_address *address)
{
    connection->free_count = connection->depth;
    connection->queue_begin = connection->queue_count = connection->sent_of_first = 0;
    connection->wants_write = false;
    for (size_t k = 0; k < connection->depth; k++) {
        connection->slot[k].id = (uint32_t)k;
        connection->slot[k].busy = false;
        connection->free[k] = (uint32_t)(connection->depth - 1 - k);
    }
    normd_answer_reader_start(&connection->reader, connection->template->expected);
    connection->fd = normd_address_dial(address);
    return connection->fd >= 0;
}

void normd_connection_close(normd_connection *connection)
{
    if (connection->fd >= 0) {
        close(connection->fd);
        connection->fd = -1;
    }
}

void normd_connection_queue(normd_connection *connection, int64_t started)
{
    uint32_t index = connection->free[--connection->free_count];
    normd_slot *slot = &connection->slot[index];
    slot->id += (uint32_t)connection->mask + 1;
    slot->busy = true;
    slot->started = started;
    normd_request_prefix(slot->id, slot->prefix);
    size_t end = connection->queue_begin + connection->queue_count;
    connection->queue[end < connection->depth ? end : end - connection->depth] = index;
    connection->queue_count++;
}

size_t normd_connection_in_flight(const normd_connection *connection)
{
    return connection->depth - connection->free_count;
}

static uint32_t queued(const normd_connection *connection, size_t position)
{
    size_t at = connection->queue_begin + position;
    return connection->queue[at < connection->depth ? at : at - connection->depth];
}

/* The bytes to send next, at most `most` of them; returns how many parts. */
static size_t gather(
    const normd_connection *connection, struct iovec vector[static 2 * MAX_BURST], uint64_t most)
{
    size_t count = 0;
    size_t skip = connection->sent_of_first;
    for (size_t k = 0; k < connection->queue_count && k < MAX_BURST && most > 0; k++) {
        const normd_slot *slot = &connection->slot[queued(connection, k)];
        const void *part[2] = {slot->prefix, connection->template->bytes};
        const size_t size[2] = {sizeof slot->prefix, connection->template->size};
        for (size_t j = 0; j < 2; j++) {
            size_t gone = skip < size[j] ? skip : size[j];
            size_t length = size[j] - gone < most ? size[j] - gone : (size_t)most;
            skip -= gone;
            if (length > 0) {
                const char *from = (const char *)part[j] + gone;
                /* iovec has no const form; sendmsg only reads. */
                memcpy(&vector[count].iov_base, &from, sizeof from);
                vector[count++].iov_len = length;
                most -= length;
            }
        }
    }
    return count;
}

/* Takes what went out from the front of the queue. */
static void advance(normd_connection *connection, size_t sent)
{
    size_t message = NORMD_REQUEST_PREFIX_BYTES + connection->template->size;
    size_t total = connection->sent_of_first + sent;
    size_t whole = total / message;
    connection->sent_of_first = total % message;
    connection->queue_count -= whole;
    connection->queue_begin = (connection->queue_begin + whole) % connection->depth;
}

normd_connection_state normd_connection_flush(normd_connection *connection, normd_tally *tally)
{
    struct iovec vector[2 * MAX_BURST];
    connection->wants_write = false;
    while (connection->queue_count > 0) {
        uint64_t most = connection->rude ? connection->cut_after : UINT64_MAX;
        struct msghdr message = {.msg_iov = vector, .msg_iovlen = gather(connection, vector, most)};
        ssize_t sent = sendmsg(connection->fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == ENOTCONN)) {
            connection->wants_write = true;
            return NORMD_CONNECTION_GOES_ON;
        }
        if (sent < 0 && errno != EINTR) {
            return NORMD_CONNECTION_LOST;
        }
        if (sent > 0) {
            tally->bytes_sent += (uint64_t)sent;
            advance(connection, (size_t)sent);
            connection->cut_after -= connection->rude ? (uint64_t)sent : 0;
        }
        if (connection->rude && connection->cut_after == 0) {
            return connection->cut_reading ? NORMD_CONNECTION_GOES_ON : NORMD_CONNECTION_CUT;
        }
    }
    return NORMD_CONNECTION_GOES_ON;
}

/* An answer has come; false when nothing in flight has its id. */
static bool complete(normd_connection *connection, int64_t now, normd_tally *tally)
{
    const normd_answer_reader *reader = &connection->reader;
    size_t index = reader->id & connection->mask;
    if (index >= connection->depth || !connection->slot[index].busy ||
        connection->slot[index].id != reader->id) {
        return false;
    }
    normd_slot *slot = &connection->slot[index];
    slot->busy = false;
    connection->free[connection->free_count++] = (uint32_t)index;
    tally->answers++;
    if (reader->refused) {
        tally->refused++;
        if (tally->first_refusal[0] == '\0') {
            normd_answer_reader_text(reader, tally->first_refusal);
        }
    }
    normd_histogram_record(
        &tally->latency, now > slot->started ? (uint64_t)(now - slot->started) : 0);
    return true;
}

static normd_connection_state take_answers(
    normd_connection *connection, const uint8_t *bytes, size_t size, normd_tally *tally)
{
    int64_t now = normd_clock_now();
    while (size > 0) {
        size_t taken = 0;
        normd_answer_event event =
            normd_answer_reader_take(&connection->reader, bytes, size, &taken);
        bytes += taken;
        size -= taken;
        if (event == NORMD_ANSWER_MORE) {
            continue;
        }
        bool known = event != NORMD_ANSWER_BAD && complete(connection, now, tally);
        if (event != NORMD_ANSWER_FOUND || !known) {
            tally->wrong++;
        }
        if (!known) {
            return NORMD_CONNECTION_LOST;
        }
    }
    return NORMD_CONNECTION_GOES_ON;
}

normd_connection_state normd_connection_read(
    normd_connection *connection, uint8_t *buffer, size_t size, normd_tally *tally)
{
    ssize_t count = recv(connection->fd, buffer, size, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return NORMD_CONNECTION_GOES_ON;
    }
    if (count <= 0) {
        return NORMD_CONNECTION_LOST;
    }
    tally->bytes_received += (uint64_t)count;
    return take_answers(connection, buffer, (size_t)count, tally);
}
