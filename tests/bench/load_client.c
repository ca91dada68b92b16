// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/load_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PARTS = 4, NAME_BYTES = 128 };

bool normd_load_client_open(normd_load_client *client, const normd_load_plan *plan,
    const normd_address *address, size_t number, size_t count)
{
    *client = (normd_load_client){
        .plan = plan, .fd = -1, .number = number, .step_by = count, .target = number};
    client->target %= plan->targets;
    normd_answer_reader_start(&client->reader, (normd_expected_answer){.bytes = NULL});
    client->fd = normd_address_dial(address);
    return client->fd >= 0;
}

void normd_load_client_close(normd_load_client *client)
{
    if (client->fd >= 0) {
        close(client->fd);
        client->fd = -1;
    }
}

static void put(normd_load_client *client, const void *bytes, size_t size)
{
    memcpy(client->middle + client->middle_size, bytes, size);
    client->middle_size += size;
}

static void put_text(normd_load_client *client, const char *text, size_t length)
{
    const uint8_t header[2] = {0xd9, (uint8_t)length};
    put(client, header, sizeof header);
    put(client, text, length);
}

static void put_number(normd_load_client *client, uint64_t value)
{
    uint8_t bytes[9] = {0xcf};
    for (unsigned k = 0; k < 8; k++) {
        bytes[1 + k] = (uint8_t)(value >> (56 - 8 * k));
    }
    put(client, bytes, sizeof bytes);
}

/* The fields that differ between two requests of a client. */
static void make_middle(normd_load_client *client)
{
    const normd_load_plan *plan = client->plan;
    client->middle_size = 0;
    if (plan->redis) {
        return;
    }
    if (plan->name.size > 0) {
        char name[NAME_BYTES];
        int length = snprintf(name, sizeof name, "%.*s-%zu", (int)plan->name.size,
            (const char *)plan->name.bytes, client->number);
        size_t size = (size_t)length < sizeof name ? (size_t)length : sizeof name - 1;
        put_text(client, "client", 6);
        put_text(client, name, size);
        put_text(client, "seq", 3);
        put_number(client, ++client->seq);
    }
    if (client->phase > 0) {
        put_text(client, "step", 4);
        put_number(client, client->step);
    }
}

/* What of the request is still to be sent; returns how many parts. */
static size_t gather(const normd_load_client *client, struct iovec vector[static PARTS])
{
    const normd_load_plan *plan = client->plan;
    const normd_load_text parts[PARTS] = {
        {client->prefix, plan->redis ? 0 : sizeof client->prefix},
        plan->heads[client->target * plan->phases + client->phase],
        {client->middle, client->middle_size},
        plan->tail[client->phase],
    };
    size_t count = 0;
    size_t skip = client->sent;
    for (size_t k = 0; k < PARTS; k++) {
        size_t gone = skip < parts[k].size ? skip : parts[k].size;
        skip -= gone;
        if (parts[k].size > gone) {
            const uint8_t *from = parts[k].bytes + gone;
            /* iovec has no const form; sendmsg only reads. */
            memcpy(&vector[count].iov_base, &from, sizeof from);
            vector[count++].iov_len = parts[k].size - gone;
        }
    }
    return count;
}

normd_load_event normd_load_client_flush(normd_load_client *client)
{
    struct iovec vector[PARTS];
    client->wants_write = false;
    for (;;) {
        struct msghdr message = {.msg_iov = vector, .msg_iovlen = gather(client, vector)};
        if (message.msg_iovlen == 0) {
            return NORMD_LOAD_GOES_ON;
        }
        ssize_t sent = sendmsg(client->fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == ENOTCONN)) {
            client->wants_write = true;
            return NORMD_LOAD_GOES_ON;
        }
        if (sent < 0 && errno != EINTR) {
            return NORMD_LOAD_LOST;
        }
        client->sent += sent > 0 ? (size_t)sent : 0;
    }
}

normd_load_event normd_load_client_start(normd_load_client *client, int64_t now)
{
    static const uint8_t prefix[] = {0x94, 0x00, 0xce, 0, 0, 0, 0};
    memcpy(client->prefix, prefix, sizeof prefix);
    make_middle(client);
    client->sent = 0;
    client->waits = true;
    client->started = now;
    return normd_load_client_flush(client);
}

/* The number of the step, the first field of what forward answers. */
static bool read_step(const normd_answer_reader *reader, uint64_t *step)
{
    static const uint8_t key[] = {0xa4, 's', 't', 'e', 'p'};
    size_t at = normd_answer_reader_prefix(reader) + 2; /* no error, the map */
    if (memcmp(reader->start + at, key, sizeof key) != 0) {
        return false;
    }
    at += sizeof key;
    uint8_t first = reader->start[at++];
    *step = first;
    if (first >= 0xcc && first <= 0xcf) {
        *step = 0;
        for (size_t k = 0; k < (size_t)1 << (first - 0xcc); k++) {
            *step = *step << 8 | reader->start[at + k];
        }
        return true;
    }
    return first < 0x80;
}

/* An answer is there: what comes next. */
static normd_load_event advance(normd_load_client *client, bool refused)
{
    client->waits = false;
    if (refused) {
        return NORMD_LOAD_REFUSED;
    }
    client->phase++;
    if (client->phase < client->plan->phases) {
        return read_step(&client->reader, &client->step) ? NORMD_LOAD_ANSWERED : NORMD_LOAD_LOST;
    }
    client->phase = 0;
    client->target = (client->target + client->step_by) % client->plan->targets;
    return NORMD_LOAD_DONE;
}

/* "+OK\r\n", or "-ERR why\r\n"; such short lines come whole. */
static normd_load_event take_line(normd_load_client *client, const uint8_t *bytes, size_t size)
{
    if (size < 3 || bytes[size - 1] != '\n' || (bytes[0] != '+' && bytes[0] != '-')) {
        return NORMD_LOAD_LOST;
    }
    bool refused = bytes[0] == '-';
    if (refused) {
        snprintf(client->refusal, sizeof client->refusal, "%.*s", (int)(size - 3),
            (const char *)bytes + 1);
    }
    return advance(client, refused);
}

static normd_load_event take_answer(normd_load_client *client, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        size_t taken = 0;
        switch (normd_answer_reader_take(&client->reader, bytes, size, &taken)) {
        case NORMD_ANSWER_MORE:
            break;
        case NORMD_ANSWER_FOUND:
            if (client->reader.refused) {
                normd_answer_reader_text(&client->reader, client->refusal);
            }
            return taken == size ? advance(client, client->reader.refused) : NORMD_LOAD_LOST;
        case NORMD_ANSWER_WRONG:
        case NORMD_ANSWER_BAD:
            return NORMD_LOAD_LOST;
        }
        bytes += taken;
        size -= taken;
    }
    return NORMD_LOAD_GOES_ON;
}

normd_load_event normd_load_client_read(normd_load_client *client, uint8_t *buffer, size_t size)
{
    ssize_t count = recv(client->fd, buffer, size, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return NORMD_LOAD_GOES_ON;
    }
    if (count <= 0 || !client->waits) {
        return NORMD_LOAD_LOST;
    }
    return client->plan->redis ? take_line(client, buffer, (size_t)count)
                               : take_answer(client, buffer, (size_t)count);
}
