// SPDX-License-Identifier: Apache-2.0
#include "clients/c/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/call.h"
#include "protocol/object.h"

static void *take_memory(void *context, size_t size, void **handle)
{
    (void)context;
    /* aligned_alloc wants a multiple; the limits keep the sum from overflowing. */
    size_t rounded = (size + NORMD_ALIGNMENT - 1) / NORMD_ALIGNMENT * NORMD_ALIGNMENT;
    *handle = aligned_alloc(NORMD_ALIGNMENT, rounded == 0 ? NORMD_ALIGNMENT : rounded);
    return *handle;
}

static void release_memory(void *context, void *handle)
{
    (void)context;
    free(handle);
}

const normd_payload_memory client_payload_memory = {.take = take_memory, .release = release_memory};

/* The error string "CODE message" of a refusal. */
static void read_refusal(client_answer *answer, const msgpack_object *error)
{
    const void *data = NULL;
    size_t size = 0;
    normd_error *into = &answer->answer.error;
    if (!normd_client_bytes(&answer->answer, error, &data, &size)) {
        into->status = NORMD_INTERNAL;
        snprintf(into->message, sizeof into->message, "the daemon sent an error without a text");
        return;
    }
    const char *text = data;
    const char *space = memchr(text, ' ', size);
    size_t word = space != NULL ? (size_t)(space - text) : size;
    int status = normd_status_parse(text, word);
    /* A word that this client does not know stays in the message. */
    size_t skip = status > 0 ? (word < size ? word + 1 : size) : 0;
    into->status = status > 0 ? (normd_status)status : NORMD_INTERNAL;
    size_t length = size - skip < sizeof into->message ? size - skip : sizeof into->message - 1;
    memcpy(into->message, text + skip, length);
    into->message[length] = '\0';
}

/* A copy of the message that owns what it points to. NULL when out of memory. */
static client_answer *move_message(normd_message *message)
{
    client_answer *answer = malloc(sizeof *answer + message->head_size);
    if (answer == NULL) {
        return NULL;
    }
    if (!msgpack_zone_init(&answer->zone, MSGPACK_ZONE_CHUNK_SIZE)) {
        free(answer);
        return NULL;
    }
    answer->next = NULL;
    answer->answer = (normd_client_answer){.id = 0};
    memcpy(answer->head, message->head, message->head_size);
    answer->message.head = answer->head;
    answer->message.head_size = message->head_size;
    answer->message.payloads = message->payloads;
    answer->message.excess = message->excess;
    answer->message.no_memory = message->no_memory;
    answer->message.bytes = message->bytes;
    for (uint32_t k = 0; k < message->payloads; k++) {
        answer->message.payload[k] = message->payload[k];
        message->payload[k].handle = NULL;
    }
    return answer;
}

client_answer *client_answer_create(normd_message *message, normd_error *error)
{
    if (message->excess != NORMD_FRAME_WITHIN || message->no_memory) {
        client_fail(error, NORMD_CLIENT_FAILED, "an answer of %llu bytes is over %s",
            (unsigned long long)message->bytes,
            message->no_memory ? "the memory there is" : "the limits of this client");
        return NULL;
    }
    client_answer *answer = move_message(message);
    if (answer == NULL) {
        client_fail(error, NORMD_CLIENT_FAILED, "out of memory for an answer");
        return NULL;
    }
    normd_response response;
    normd_error reason;
    if (normd_response_decode(&answer->message, &answer->zone, &response, &reason) != NORMD_OK) {
        client_fail(error, NORMD_CLIENT_FAILED, "the daemon sent no valid response: %.400s",
            reason.message);
        normd_client_answer_free(&answer->answer);
        return NULL;
    }
    answer->answer.id = response.id;
    answer->answer.refused = response.failed;
    answer->answer.result = response.result;
    if (response.failed) {
        read_refusal(answer, response.error);
    }
    return answer;
}

client_answer *client_answer_of_failure(const client_request *request)
{
    client_answer *answer = calloc(1, sizeof *answer);
    if (answer == NULL || !msgpack_zone_init(&answer->zone, MSGPACK_ZONE_CHUNK_SIZE)) {
        free(answer);
        return NULL;
    }
    answer->answer.id = (uint32_t)request->order;
    answer->answer.refused = true;
    answer->answer.applied =
        request->uncertain ? NORMD_CLIENT_APPLIED_UNKNOWN : NORMD_CLIENT_APPLIED_NO;
    normd_error_set(&answer->answer.error, NORMD_INTERNAL, "%s", request->reason);
    return answer;
}

void normd_client_answer_free(normd_client_answer *answer)
{
    if (answer == NULL) {
        return;
    }
    client_answer *whole = (client_answer *)answer;
    for (uint32_t k = 0; k < whole->message.payloads; k++) {
        free(whole->message.payload[k].handle);
    }
    msgpack_zone_destroy(&whole->zone);
    free(whole);
}

normd_client_status normd_client_array(normd_client_answer *answer, const msgpack_object *object,
    const char *name, normd_array *array, normd_error *error)
{
    client_answer *whole = (client_answer *)answer;
    normd_wire_array wire;
    normd_error reason;
    if (object == NULL) {
        return client_fail(error, NORMD_CLIENT_FAILED, "%s: not in the answer", name);
    }
    if (normd_wire_array_decode(object, &whole->message, name, &wire, &reason) != NORMD_OK) {
        return client_fail(error, NORMD_CLIENT_FAILED, "%s", reason.message);
    }
    *array = wire.array;
    size_t bytes = normd_array_bytes(array);
    if (wire.payload == NULL && bytes > 0) {
        /* Inside the head nothing is aligned. */
        array->data = msgpack_zone_malloc(&whole->zone, bytes);
        if (array->data == NULL) {
            return client_fail(error, NORMD_CLIENT_FAILED, "out of memory");
        }
        memcpy(array->data, wire.array.data, bytes);
    }
    return NORMD_CLIENT_OK;
}

bool normd_client_bytes(
    normd_client_answer *answer, const msgpack_object *object, const void **data, size_t *size)
{
    normd_object_bytes bytes;
    if (object == NULL ||
        !normd_object_get_bytes(object, &((client_answer *)answer)->message, &bytes)) {
        return false;
    }
    *data = bytes.data;
    *size = bytes.size;
    return true;
}
