// SPDX-License-Identifier: Apache-2.0
#include "clients/c/client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { MAX_VECTORS = 2 * CLIENT_MAX_SPLICES + 2 };

static struct iovec part_of(const void *data, size_t size)
{
    struct iovec vector = {.iov_len = size};
    /* iovec has no const form; sendmsg only reads. */
    memcpy(&vector.iov_base, &data, sizeof data);
    return vector;
}

/* The parts of a request in their order; returns how many. */
static size_t gather(const normd_client *client, const client_fields *fields,
    struct iovec vector[static MAX_VECTORS])
{
    size_t count = 0;
    size_t from = 0;
    vector[count++] = part_of(client->prefix.bytes.data, client->prefix.bytes.size);
    for (size_t k = 0; k < fields->splices; k++) {
        const client_splice *part = &fields->splice[k];
        vector[count++] = part_of(fields->head + from, part->at - from);
        vector[count++] = part_of(part->data, part->size);
        from = part->at;
    }
    if (from < fields->head_size) {
        vector[count++] = part_of(fields->head + from, fields->head_size - from);
    }
    return count;
}

/* Writes what stands before the fields: the id, the method, and the number of a mutation. */
static bool write_prefix(normd_client *client, const client_request *request)
{
    msgpack_packer *packer = &client->prefix_packer;
    uint32_t more = request->number != 0 ? 2 : 0;
    msgpack_sbuffer_clear(&client->prefix.bytes);
    client->prefix.failed = false;
    normd_write_request(
        packer, (uint32_t)request->order, request->fields.method, request->fields.count + more);
    if (more > 0) {
        normd_write_str(packer, "client");
        normd_write_str(packer, client->numbers.name);
        normd_write_str(packer, "seq");
        msgpack_pack_uint64(packer, request->number);
    }
    return !client->prefix.failed;
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

normd_client_status client_send(
    normd_client *client, client_request *request, int64_t deadline, normd_error *error)
{
    if (request->mutation && client->counting == CLIENT_COUNTING_ON && request->number == 0) {
        request->number = client_numbers_take(&client->numbers);
    }
    if (!write_prefix(client, request)) {
        return client_fail(error, NORMD_CLIENT_FAILED, "out of memory");
    }
    client_queue_take(&client->waiting, request);
    client_queue_put(&client->in_flight, request);
    request->in_flight = true;
    struct iovec vector[MAX_VECTORS];
    struct msghdr message = {
        .msg_iov = vector, .msg_iovlen = gather(client, &request->fields, vector)};
    /* Answers come in while it is sent; even one to this request must not free it meanwhile. */
    client->sending = request;
    normd_client_status status = send_all(client, &message, deadline, error);
    client->sending = NULL;
    if (client->sending_ended) {
        client->sending_ended = false;
        client_request_free(client, request);
        return status;
    }
    if (status != NORMD_CLIENT_OK || !request->in_flight) {
        if (request->in_flight) { /* nothing of it was sent */
            client_queue_take(&client->in_flight, request);
            client_queue_put(&client->waiting, request);
            request->in_flight = false;
        }
        return status;
    }
    request->sent = request->whole = true;
    if (!client->retry) {
        request->fields.head = NULL;
    }
    return status;
}
