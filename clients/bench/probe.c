// SPDX-License-Identifier: Apache-2.0
#include "clients/bench/probe.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clients/bench/address.h"

enum { PROBE_MILLISECONDS = 60000 };

static bool wait_for(int fd, short events)
{
    struct pollfd entry = {.fd = fd, .events = events};
    return poll(&entry, 1, PROBE_MILLISECONDS) == 1;
}

static bool send_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = wait_for(fd, POLLOUT) ? send(fd, bytes, size, MSG_NOSIGNAL) : -1;
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            return false;
        }
        if (sent > 0) {
            bytes += sent;
            size -= (size_t)sent;
        }
    }
    return true;
}

/* Reads one answer; `*bytes` is to be freed. */
static normd_status read_answer(
    int fd, normd_answer_reader *reader, uint8_t **bytes, size_t *size, normd_error *error)
{
    size_t capacity = 0;
    normd_answer_event event = NORMD_ANSWER_MORE;
    *bytes = NULL;
    *size = 0;
    while (event == NORMD_ANSWER_MORE) {
        if (*size == capacity) {
            capacity = capacity == 0 ? 1 << 16 : capacity * 2;
            uint8_t *grown = realloc(*bytes, capacity);
            if (grown == NULL) {
                return normd_error_no_memory(error);
            }
            *bytes = grown;
        }
        ssize_t count = wait_for(fd, POLLIN) ? recv(fd, *bytes + *size, capacity - *size, 0) : -1;
        if (count <= 0) {
            return normd_error_set(error, NORMD_INTERNAL, "no answer to the first request");
        }
        size_t taken;
        event = normd_answer_reader_take(reader, *bytes + *size, (size_t)count, &taken);
        *size += taken;
    }
    if (event != NORMD_ANSWER_FOUND) {
        return normd_error_set(error, NORMD_INTERNAL, "the first answer is no response");
    }
    return NORMD_OK;
}

static normd_status exchange(int fd, normd_request_template *template, normd_error *error)
{
    uint8_t prefix[NORMD_REQUEST_PREFIX_BYTES];
    normd_request_prefix(0, prefix);
    if (!send_all(fd, prefix, sizeof prefix) || !send_all(fd, template->bytes, template->size)) {
        return normd_error_set(error, NORMD_INTERNAL, "cannot send the first request");
    }
    normd_answer_reader reader;
    normd_answer_reader_start(&reader, (normd_expected_answer){.bytes = NULL});
    size_t size;
    normd_status status = read_answer(fd, &reader, &template->expected_bytes, &size, error);
    if (status != NORMD_OK) {
        return status;
    }
    if (reader.refused) {
        char text[NORMD_ANSWER_START_BYTES];
        return normd_error_set(error, NORMD_INTERNAL, "the first request was refused: %s",
            normd_answer_reader_text(&reader, text));
    }
    size_t from = normd_answer_reader_prefix(&reader);
    template->expected =
        (normd_expected_answer){.bytes = template->expected_bytes + from, .size = size - from};
    return NORMD_OK;
}

normd_status normd_probe_answer(
    const char *address, normd_request_template *template, normd_error *error)
{
    normd_address found;
    normd_status status = normd_address_find(address, &found, error);
    if (status != NORMD_OK) {
        return status;
    }
    int fd = normd_address_dial(&found);
    if (fd < 0) {
        return normd_error_set(error, NORMD_INTERNAL, "cannot connect: %s", strerror(errno));
    }
    status = exchange(fd, template, error);
    close(fd);
    return status;
}
