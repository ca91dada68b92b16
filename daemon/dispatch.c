// SPDX-License-Identifier: Apache-2.0
#include "daemon/dispatch.h"

#include <stddef.h>
#include <stdio.h>

#include "daemon/connection.h"
#include "daemon/handler.h"
#include "daemon/request.h"
#include "daemon/server.h"

/* Inference of fewer multiply-adds is done on the loop: handing it to a worker and back costs more,
   about ten microseconds. */
static const uint64_t INLINE_COST = 32768;

/* ---- On workers ---- */

static normd_request *of_job(normd_job *job)
{
    return (normd_request *)((char *)job - offsetof(normd_request, job));
}

static void run_job(normd_job *job)
{
    normd_request *request = of_job(job);
    normd_request_run(request);
    normd_completion_push(&request->server->completion, request);
}

/* A session's turn has come to this request. */
static bool run_in_turn(normd_request *request)
{
    const normd_session_entry *entry = request->entry;
    bool manages = request->method->class == NORMD_CLASS_MANAGE;
    if (entry->session == NULL && !request->handler->makes_session) {
        normd_error error;
        normd_error_set(&error, NORMD_NO_SUCH_SESSION,
            "session: expected the name of a session, got \"%s\"", entry->name);
        normd_request_fail(request, &error);
        return manages;
    }
    if (request->method->class == NORMD_CLASS_SERVE) {
        request->snapshot = normd_session_snapshot(entry->session);
    }
    normd_request_run(request);
    return manages;
}

static void done_in_turn(normd_request *request)
{
    normd_completion_push(&request->server->completion, request);
}

const normd_session_queue_work normd_dispatch_queue_work = {
    .run = run_in_turn, .done = done_in_turn};

/* ---- On the loop ---- */

static void answer_now(normd_request *request)
{
    normd_connection_answer(request->connection, request);
}

/* Whether there is memory for the answer; if not, that is the answer. */
static bool promise(normd_request *request)
{
    normd_error error;
    if (normd_request_promise(request, &error) == NORMD_OK) {
        return true;
    }
    normd_request_fail(request, &error);
    answer_now(request);
    return false;
}

static void serve(normd_request *request)
{
    if (request->entry->session == NULL) {
        /* The session is being made; wait for it. */
        if (promise(request)) {
            normd_session_queue_push(&request->entry->queue, request);
        }
        return;
    }
    request->snapshot = normd_session_snapshot(request->entry->session);
    if (request->handler->cost != NULL && request->handler->cost(request) <= INLINE_COST) {
        normd_request_run(request);
        answer_now(request);
        return;
    }
    if (promise(request)) {
        request->job.run = run_job;
        normd_pool_submit(request->server->engine.pool, &request->job, NORMD_LANE_SERVE);
    }
}

static void route(normd_request *request)
{
    switch (request->method->class) {
    case NORMD_CLASS_LOOP:
        normd_request_run(request);
        answer_now(request);
        return;
    case NORMD_CLASS_SERVE:
        serve(request);
        return;
    case NORMD_CLASS_TRAIN:
    case NORMD_CLASS_MANAGE:
        if (promise(request)) {
            normd_session_queue_push(&request->entry->queue, request);
        }
        return;
    }
}

/* How the arrays of the answer write their keys: as those of the request do. A request without
   arrays is answered as the last one with arrays was, since a client has one way to read them. */
static normd_keys answer_keys(normd_connection *connection, const normd_call *call)
{
    for (size_t i = 0; i < call->method->field_count; i++) {
        if (call->method->fields[i].kind == NORMD_KIND_ARRAY && call->field[i].present) {
            connection->keys = call->keys;
            return call->keys;
        }
    }
    return call->keys == NORMD_KEYS_BIN ? NORMD_KEYS_BIN : connection->keys;
}

/* Mutations are not applied once yet: whoever asks for it must not be led to rely on it. */
static normd_status once_refused(const normd_call *call, normd_error *error)
{
    const normd_method *method = call->method;
    char known[256];
    size_t used = 0;
    for (size_t i = 0; i < method->field_count && used < sizeof known; i++) {
        used += (size_t)snprintf(
            known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "", method->fields[i].name);
    }
    return normd_error_set(error, NORMD_BAD_ARGUMENT,
        "params: expected only the fields %s, got the field \"client\"", known);
}

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    if (request->server->stop != NORMD_STOP_NOT) {
        return normd_error_set(
            error, NORMD_SHUTTING_DOWN, "the daemon stops and takes no new requests");
    }
    if (call->once.present) {
        return once_refused(call, error);
    }
    request->method = call->method;
    request->keys = answer_keys(request->connection, call);
    request->handler = normd_handler_of(call->method->id);
    return request->handler->parse(request, message, call, error);
}

bool normd_dispatch(normd_connection *connection, normd_message *message)
{
    normd_server *server = connection->server;
    normd_call call;
    normd_error error; /* set by what fails; clearing it would be felt here */
    normd_status status = normd_call_decode(message, &server->zone, &call, &error);
    if (!call.has_id && !call.notification) {
        return false;
    }
    normd_request *request = normd_request_take(server);
    if (request == NULL) {
        return false;
    }
    request->connection = connection;
    request->id = call.id;
    request->notification = call.notification;
    connection->in_flight++;
    server->in_flight++;
    if (status == NORMD_OK) {
        status = parse(request, message, &call, &error);
    }
    if (status != NORMD_OK) {
        normd_request_fail(request, &error);
        answer_now(request);
        return true;
    }
    route(request);
    return true;
}

/* What the loop has to do for a request before its answer leaves. */
static void finish(normd_request *request)
{
    if (request->handler->finish != NULL && request->status == NORMD_OK) {
        request->handler->finish(request);
    }
    if (request->method->class == NORMD_CLASS_MANAGE) {
        normd_session_queue_resume(&request->entry->queue);
    }
}

void normd_dispatch_deliver(void *context, normd_request *first)
{
    normd_server *server = context;
    while (first != NULL) {
        normd_request *request = first;
        first = request->next;
        normd_connection *connection = request->connection;
        if (connection == NULL) {
            normd_expiry_done(request);
            continue;
        }
        finish(request);
        if (!connection->touched) {
            connection->touched = true;
            connection->next_touched = server->touched;
            server->touched = connection;
        }
        normd_connection_answer(connection, request);
    }
    while (server->touched != NULL) {
        normd_connection *connection = server->touched;
        server->touched = connection->next_touched;
        connection->touched = false;
        normd_connection_flush(connection);
    }
    normd_server_stop_advance(server);
}
