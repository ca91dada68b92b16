// SPDX-License-Identifier: Apache-2.0
#include "clients/c/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "clients/c/clock.h"

enum { MAX_VECTORS = 2 * CLIENT_MAX_SPLICES + 1 };

/* The parts of the begun request in their order; returns how many. */
static size_t gather(const normd_client *client, struct iovec vector[static MAX_VECTORS])
{
    size_t count = 0;
    size_t from = 0;
    for (size_t k = 0; k < client->splices; k++) {
        const client_splice *part = &client->splice[k];
        vector[count++] =
            (struct iovec){.iov_base = client->head.bytes.data + from, .iov_len = part->at - from};
        /* iovec has no const form; sendmsg only reads. */
        vector[count].iov_len = part->size;
        memcpy(&vector[count].iov_base, &part->data, sizeof part->data);
        count++;
        from = part->at;
    }
    if (from < client->head.bytes.size) {
        vector[count++] = (struct iovec){
            .iov_base = client->head.bytes.data + from, .iov_len = client->head.bytes.size - from};
    }
    return count;
}

static void advance(struct msghdr *message, size_t sent)
{
    while (message->msg_iovlen > 0 && sent >= message->msg_iov->iov_len) {
        sent -= message->msg_iov->iov_len;
        message->msg_iov++;
        message->msg_iovlen--;
    }
    if (message->msg_iovlen > 0) {
        message->msg_iov->iov_base = (char *)message->msg_iov->iov_base + sent;
        message->msg_iov->iov_len -= sent;
    }
}

/* Waits for room to send; takes in answers meanwhile. */
static normd_client_status wait_for_room(normd_client *client, int64_t deadline, normd_error *error)
{
    short ready = 0;
    normd_client_status status = client_poll(client, POLLIN | POLLOUT, deadline, &ready, error);
    if (status == NORMD_CLIENT_OK && (ready & (POLLIN | POLLHUP | POLLERR)) != 0) {
        status = client_receive(client, error);
    }
    return status;
}

static normd_client_status send_all(
    normd_client *client, struct msghdr *message, int64_t deadline, normd_error *error)
{
    bool begun = false;
    while (message->msg_iovlen > 0) {
        ssize_t sent = sendmsg(client->socket, message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            begun = begun || sent > 0;
            advance(message, (size_t)sent);
            continue;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            return client_lose(client, error, "connection lost while sending: %s", strerror(errno));
        }
        normd_client_status status = wait_for_room(client, deadline, error);
        if (status == NORMD_CLIENT_TIMED_OUT && begun) {
            client_lose(client, error, "timed out in the middle of sending a request");
            return NORMD_CLIENT_TIMED_OUT;
        }
        if (status != NORMD_CLIENT_OK) {
            return status;
        }
    }
    return NORMD_CLIENT_OK;
}

static bool expect(normd_client *client, uint32_t id)
{
    if (client->expected_count == client->expected_capacity) {
        size_t capacity = client->expected_capacity == 0 ? 16 : client->expected_capacity * 2;
        uint32_t *grown = realloc(client->expected, capacity * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        client->expected = grown;
        client->expected_capacity = capacity;
    }
    client->expected[client->expected_count++] = id;
    return true;
}

normd_client_status client_send(
    normd_client *client, int64_t deadline, uint32_t *id, normd_error *error)
{
    if (client->socket < 0) {
        if (error != NULL) {
            *error = client->lost;
        }
        return NORMD_CLIENT_DISCONNECTED;
    }
    uint32_t request = client->next_id;
    if (client->head.failed || !expect(client, request)) {
        return client_fail(error, NORMD_CLIENT_FAILED, "out of memory");
    }
    struct iovec vector[MAX_VECTORS];
    struct msghdr message = {.msg_iov = vector, .msg_iovlen = gather(client, vector)};
    client->next_id++;
    normd_client_status status = send_all(client, &message, deadline, error);
    if (status != NORMD_CLIENT_OK) {
        normd_client_forget(client, request);
        return status;
    }
    *id = request;
    return NORMD_CLIENT_OK;
}

normd_client_status normd_client_submit(normd_client *client, uint32_t *id, normd_error *error)
{
    return client_send(client, normd_clock_deadline(client->timeout), id, error);
}
