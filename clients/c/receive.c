// SPDX-License-Identifier: Apache-2.0
#include "clients/c/client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Makes answers of the messages that are complete. */
static normd_client_status take_messages(normd_client *client, normd_error *error)
{
    normd_message *message;
    for (;;) {
        switch (normd_assembler_next(client->assembler, &message)) {
        case NORMD_ASSEMBLER_MORE:
            return NORMD_CLIENT_OK;
        case NORMD_ASSEMBLER_BAD:
            return client_lose_for_good(
                client, error, "the daemon sent bytes that are no MessagePack");
        case NORMD_ASSEMBLER_FAILED:
            return client_lose_for_good(client, error, "out of memory for an answer");
        case NORMD_ASSEMBLER_MESSAGE:
            break;
        }
        normd_error reason;
        client_answer *answer = client_answer_create(message, &reason);
        if (answer == NULL) {
            return client_lose_for_good(client, error, "%s", reason.message);
        }
        client_settle(client, answer);
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
