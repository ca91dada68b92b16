// SPDX-License-Identifier: Apache-2.0
#include "clients/c/client.h"

/* Asks for the number of the client's newest mutation; a daemon that does not count has no answer
   to that. */
static normd_client_status greet(normd_client *client, int64_t deadline, normd_error *error)
{
    msgpack_sbuffer bytes;
    msgpack_packer packer;
    msgpack_sbuffer_init(&bytes);
    msgpack_packer_init(&packer, &bytes, msgpack_sbuffer_write);
    normd_write_str(&packer, "client");
    normd_write_str(&packer, client->numbers.name);
    client_fields fields = {
        .method = "hello", .count = 1, .head = bytes.data, .head_size = bytes.size};
    client_request *request = client_request_create(&fields, true);
    msgpack_sbuffer_destroy(&bytes);
    if (request == NULL) {
        return client_fail(error, NORMD_CLIENT_FAILED, "out of memory");
    }
    uint32_t id;
    normd_client_answer *answer = NULL;
    normd_error reason;
    normd_client_status status = client_start(client, request, deadline, &id, &reason);
    if (status == NORMD_CLIENT_OK) {
        status = client_finish(client, id, deadline, &answer, &reason);
    }
    if (status == NORMD_CLIENT_REFUSED &&
        (reason.status == NORMD_NO_SUCH_METHOD || reason.status == NORMD_BAD_ARGUMENT)) {
        client->counting = CLIENT_COUNTING_OFF;
        return NORMD_CLIENT_OK;
    }
    if (status != NORMD_CLIENT_OK) {
        normd_client_forget(client, id);
        if (error != NULL) {
            *error = reason;
        }
        return status;
    }
    uint64_t last = 0;
    bool counts = normd_client_uint(normd_client_get(answer->result, "seq"), &last);
    client->counting = counts ? CLIENT_COUNTING_ON : CLIENT_COUNTING_OFF;
    if (counts && client->numbers.named) {
        client_numbers_renew(&client->numbers, last);
    }
    normd_client_answer_free(answer);
    return NORMD_CLIENT_OK;
}

normd_client_status client_agree(normd_client *client, int64_t deadline, normd_error *error)
{
    normd_client_status status = NORMD_CLIENT_OK;
    bool ask = client->counting == CLIENT_COUNTING_UNKNOWN;
    if (client->doubt) {
        while (status == NORMD_CLIENT_OK && client_lowest_unsettled(client) != 0) {
            status = client_advance(client, deadline, error);
        }
        if (status != NORMD_CLIENT_OK) {
            return status;
        }
        client->doubt = false;
        ask = ask || client->numbers.named;
        if (!client->numbers.named) {
            /* Under another name nothing that is still on its way can come in between. */
            client_numbers_renew(&client->numbers, 0);
        }
    }
    return ask ? greet(client, deadline, error) : status;
}
