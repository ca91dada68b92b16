// SPDX-License-Identifier: Apache-2.0
#include "clients/c/client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "clients/c/clock.h"

/* Whether an answer to `id` is waited for; it is not any more. */
static bool take_expected(normd_client *client, uint32_t id)
{
    for (size_t k = 0; k < client->expected_count; k++) {
        if (client->expected[k] == id) {
            client->expected[k] = client->expected[--client->expected_count];
            return true;
        }
    }
    return false;
}

static void keep(normd_client *client, client_answer *answer)
{
    answer->next = NULL;
    *client->last = answer;
    client->last = &answer->next;
    client->kept++;
}

/* Takes the kept answer that `link` points to out of the list. */
static client_answer *unlink_answer(normd_client *client, client_answer **link)
{
    client_answer *answer = *link;
    *link = answer->next;
    if (*link == NULL) {
        client->last = link;
    }
    client->kept--;
    return answer;
}

static client_answer *take_kept(normd_client *client, uint32_t id)
{
    for (client_answer **link = &client->first; *link != NULL; link = &(*link)->next) {
        if ((*link)->answer.id == id) {
            return unlink_answer(client, link);
        }
    }
    return NULL;
}

void normd_client_forget(normd_client *client, uint32_t id)
{
    take_expected(client, id);
    client_answer *answer = take_kept(client, id);
    if (answer != NULL) {
        normd_client_answer_free(&answer->answer);
    }
}

/* Makes answers of the messages that are complete. */
static normd_client_status take_messages(normd_client *client, normd_error *error)
{
    normd_message *message;
    for (;;) {
        switch (normd_assembler_next(client->assembler, &message)) {
        case NORMD_ASSEMBLER_MORE:
            return NORMD_CLIENT_OK;
        case NORMD_ASSEMBLER_BAD:
            return client_lose(client, error, "the daemon sent bytes that are no MessagePack");
        case NORMD_ASSEMBLER_FAILED:
            return client_lose(client, error, "out of memory for an answer");
        case NORMD_ASSEMBLER_MESSAGE:
            break;
        }
        normd_error reason;
        client_answer *answer = client_answer_create(message, &reason);
        if (answer == NULL) {
            return client_lose(client, error, "%s", reason.message);
        }
        if (take_expected(client, answer->answer.id)) {
            keep(client, answer);
        } else {
            normd_client_answer_free(&answer->answer);
        }
    }
}

normd_client_status client_receive(normd_client *client, normd_error *error)
{
    void *data;
    size_t size;
    normd_assembler_room(client->assembler, &data, &size);
    ssize_t count = recv(client->socket, data, size, MSG_DONTWAIT);
    if (count > 0) {
        normd_assembler_read(client->assembler, (size_t)count);
        return take_messages(client, error);
    }
    if (count == 0) {
        return client_lose(client, error, "%s",
            normd_assembler_inside_message(client->assembler)
                ? "the daemon closed the connection in the middle of an answer"
                : "the daemon closed the connection");
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
        return NORMD_CLIENT_OK;
    }
    return client_lose(client, error, "connection lost while reading: %s", strerror(errno));
}

/* Waits for more answers. */
static normd_client_status read_more(normd_client *client, int64_t deadline, normd_error *error)
{
    short ready = 0;
    normd_client_status status = client_poll(client, POLLIN, deadline, &ready, error);
    return status == NORMD_CLIENT_OK ? client_receive(client, error) : status;
}

normd_client_status normd_client_next(
    normd_client *client, normd_client_answer **answer, normd_error *error)
{
    int64_t deadline = normd_clock_deadline(client->timeout);
    while (client->first == NULL) {
        if (client->expected_count == 0 && client->socket >= 0) {
            return client_fail(error, NORMD_CLIENT_FAILED, "no request is in flight");
        }
        normd_client_status status = read_more(client, deadline, error);
        if (status != NORMD_CLIENT_OK && client->first == NULL) {
            return status;
        }
    }
    *answer = &unlink_answer(client, &client->first)->answer;
    return NORMD_CLIENT_OK;
}

static normd_client_status wait_for(normd_client *client, uint32_t id, int64_t deadline,
    normd_client_answer **answer, normd_error *error)
{
    client_answer *found;
    while ((found = take_kept(client, id)) == NULL) {
        normd_client_status status = read_more(client, deadline, error);
        if (status == NORMD_CLIENT_OK) {
            continue;
        }
        /* The answer may have come right before the end of the connection. */
        found = take_kept(client, id);
        if (found == NULL) {
            return status;
        }
        break;
    }
    if (found->answer.refused) {
        if (error != NULL) {
            *error = found->answer.error;
        }
        normd_client_answer_free(&found->answer);
        return NORMD_CLIENT_REFUSED;
    }
    *answer = &found->answer;
    return NORMD_CLIENT_OK;
}

normd_client_status normd_client_wait(
    normd_client *client, uint32_t id, normd_client_answer **answer, normd_error *error)
{
    return wait_for(client, id, normd_clock_deadline(client->timeout), answer, error);
}

normd_client_status normd_client_call(
    normd_client *client, normd_client_answer **answer, normd_error *error)
{
    int64_t deadline = normd_clock_deadline(client->timeout);
    uint32_t id;
    normd_client_status status = client_send(client, deadline, &id, error);
    if (status == NORMD_CLIENT_OK) {
        status = wait_for(client, id, deadline, answer, error);
        if (status == NORMD_CLIENT_TIMED_OUT) {
            normd_client_forget(client, id);
        }
    }
    return status;
}
