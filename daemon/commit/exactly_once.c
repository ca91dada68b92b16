// SPDX-License-Identifier: Apache-2.0
#include "daemon/exactly_once.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/durable/bytes.h"
#include "daemon/durable/record.h"
#include "daemon/request.h"
#include "daemon/server.h"

bool normd_once_note(normd_request *request, const normd_message *message, const normd_call *call)
{
    normd_exactly_once *once = &request->once;
    const void *body;
    size_t size;
    normd_call_body(message, &body, &size);
    once->asked = true;
    once->client = normd_bytes_copy_text(call->once.client, call->once.client_length);
    once->client_length = call->once.client_length;
    once->seq = call->once.seq;
    once->hash = normd_once_hash_body(body, size, message->payloads);
    if (message->payloads > NORMD_ONCE_PAYLOADS) {
        for (uint32_t i = 0; i < message->payloads; i++) {
            normd_once_piece piece = {message->payload[i].data, message->payload[i].size};
            once->hash = normd_once_hash_payloads(once->hash, &piece, 1);
        }
        return once->client != NULL;
    }
    /* Large payloads are read by whoever works on them, not here. */
    for (uint32_t i = 0; i < message->payloads; i++) {
        once->payload[once->payloads++] =
            (normd_once_piece){message->payload[i].data, message->payload[i].size};
    }
    return once->client != NULL;
}

void normd_once_finish_hash(normd_request *request)
{
    normd_exactly_once *once = &request->once;
    once->hash = normd_once_hash_payloads(once->hash, once->payload, once->payloads);
    once->payloads = 0;
}

static bool has_array(const normd_request *request)
{
    return request->method->id == NORMD_METHOD_FORWARD ||
           request->method->id == NORMD_METHOD_BACKWARD;
}

void normd_once_answer(normd_request *request, normd_ledger_answer *answer)
{
    normd_exactly_once *once = &request->once;
    const normd_session_entry *entry = request->entry;
    *answer = (normd_ledger_answer){
        .hash = once->hash,
        .method = request->method->id,
        .session = entry->durable != NULL ? entry->durable->id : entry->id,
        .step = has_array(request) ? request->mutation.step : 0,
        .result = request->head.data + request->result_offset,
        .result_size = request->head.size - request->result_offset,
    };
    if (has_array(request)) {
        uint64_t version = htole64(request->mutation.version);
        memcpy(once->version, &version, sizeof version);
        answer->result = once->version;
        answer->result_size = sizeof once->version;
    } else if (answer->result_size > NORMD_ONCE_RESULT_BYTES) {
        answer->result_size = 0;
    }
}

void normd_once_record(normd_request *request, normd_record_once *record)
{
    const normd_ledger_row *row = request->once.row;
    record->client = row->client;
    record->client_length = row->client_length;
    record->seq = row->seq;
    normd_once_answer(request, &record->answer);
}

void normd_once_end(normd_request *request)
{
    normd_exactly_once *once = &request->once;
    normd_ledger *ledger = request->server->ledger;
    normd_ledger_row *row = once->row;
    if (row == NULL || once->again) {
        return;
    }
    once->row = NULL;
    if (request->status != NORMD_OK) {
        once->waiters = normd_ledger_fail(ledger, row);
        return;
    }
    normd_ledger_answer answer;
    normd_once_answer(request, &answer);
    once->waiters = normd_ledger_settle(ledger, row, &answer);
    once->waiters_row = row;
}

normd_status normd_once_check(normd_request *request, normd_error *error)
{
    const normd_ledger_row *row = request->once.row;
    normd_once_finish_hash(request);
    if (normd_ledger_row_answer(row)->hash == request->once.hash) {
        return NORMD_OK;
    }
    return normd_error_set(error, NORMD_SEQ_REUSED,
        "seq: expected %llu with the request that it came with first, got another one",
        (unsigned long long)row->seq);
}

uint64_t normd_once_version(const normd_request *request)
{
    const normd_ledger_answer *answer = normd_ledger_row_answer(request->once.row);
    uint64_t version = 0;
    if (answer->result_size == sizeof version) {
        memcpy(&version, answer->result, sizeof version);
    }
    return le64toh(version);
}

normd_status normd_once_repeat(normd_request *request, normd_error *error)
{
    const normd_ledger_answer *answer = normd_ledger_row_answer(request->once.row);
    if (answer->result_size == 0) {
        return normd_error_set(error, NORMD_INTERNAL,
            "seq: this mutation was applied; its answer is not kept any more");
    }
    msgpack_packer packer = normd_request_answer_value(request);
    packer.callback(packer.data, answer->result, answer->result_size);
    return NORMD_OK;
}

void normd_once_clear(normd_request *request)
{
    if (request->once.again && request->once.row != NULL) {
        normd_ledger_release(request->server->ledger, request->once.row);
    }
    free(request->once.client);
}
