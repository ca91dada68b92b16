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

/* A change: the run with what durability and exactly-once need of it. */
static void change(normd_request *request)
{
    normd_error error;
    normd_once_finish_hash(request);
    if (normd_mutation_begin(request, &error) != NORMD_OK) {
        normd_request_fail(request, &error);
        return;
    }
    uint64_t began = uv_hrtime();
    normd_request_run(request);
    request->mutation.nanoseconds = uv_hrtime() - began;
    if (request->head_cut) {
        normd_mutation_undo(request);
    } else if (request->status == NORMD_OK && request->server->durable != NULL &&
               request->method->mutates && normd_mutation_end(request, &error) != NORMD_OK) {
        normd_request_fail(request, &error);
    }
}

/* A change that was made already is answered once more. */
static void change_again(normd_request *request)
{
    const normd_session_entry *entry = request->entry;
    const normd_ledger_answer *known = normd_ledger_row_answer(request->once.row);
    normd_error error;
    normd_status status = normd_once_check(request, &error);
    if (status == NORMD_OK && (entry->session == NULL || entry->id != known->session)) {
        status = normd_error_set(&error, NORMD_CONTEXT_LOST,
            "seq: this was applied to a session \"%s\" that is there no more", entry->name);
    }
    if (status == NORMD_OK) {
        status = request->handler->again(request, known, &error);
    }
    if (status != NORMD_OK) {
        normd_request_fail(request, &error);
    }
}

/* Behind a turn the next one may come to the committer first: they are told apart by tickets, which
   are given while this turn is still the only one. */
static void take_ticket(normd_request *request)
{
    normd_mutation *mutation = &request->mutation;
    bool commits = request->status == NORMD_OK && mutation->kind != NORMD_MUTATION_NONE;
    /* One that replaces a session follows the turns of the old one. */
    if (commits && request->entry->durable != NULL) {
        mutation->ticket = ++request->entry->durable->tickets;
        request->stops =
            request->stops || (request->method->mutates && normd_mutation_is_far_ahead(request));
    }
}

/* A session's turn has come to this request. */
static bool run_in_turn(normd_request *request)
{
    const normd_session_entry *entry = request->entry;
    request->stops = request->method->class == NORMD_CLASS_MANAGE;
    if (request->once.again) {
        change_again(request);
    } else if (entry->session == NULL && !request->handler->makes_session) {
        normd_error error;
        normd_error_set(&error, NORMD_NO_SUCH_SESSION,
            "session: expected the name of a session, got \"%s\"", entry->name);
        normd_request_fail(request, &error);
    } else if (request->method->class == NORMD_CLASS_SERVE) {
        request->snapshot = normd_session_map_snapshot(entry);
        normd_request_run(request);
    } else {
        change(request);
        take_ticket(request);
    }
    return request->stops;
}

/* To the committer, or straight back. */
static void done_in_turn(normd_request *request)
{
    if (request->mutation.kind != NORMD_MUTATION_NONE && request->status == NORMD_OK) {
        normd_durable_push(request->server->durable, request);
    } else {
        normd_dispatch_done(request->server, request);
    }
}

void normd_dispatch_done(void *context, normd_request *request)
{
    normd_server *server = context;
    normd_once_end(request);
    normd_completion_push(&server->completion, request);
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
    return false;
}

/* A failed request that was never run. No one waits for it yet: waiters come by the loop. */
static void end_unrun(normd_request *request)
{
    normd_once_end(request);
    answer_now(request);
}

static void serve(normd_request *request)
{
    if (request->entry->session == NULL) {
        /* The session is being made; wait for it. */
        if (promise(request)) {
            normd_session_queue_push(&request->entry->queue, request);
        } else {
            answer_now(request);
        }
        return;
    }
    request->snapshot = normd_session_map_snapshot(request->entry);
    if (request->handler->cost != NULL && request->handler->cost(request) <= INLINE_COST) {
        normd_request_run(request);
        answer_now(request);
        return;
    }
    if (!promise(request)) {
        answer_now(request);
        return;
    }
    request->job.run = run_job;
    normd_pool_submit(request->server->engine.pool, &request->job, NORMD_LANE_SERVE);
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
        } else {
            end_unrun(request);
        }
        return;
    case NORMD_CLASS_STORE:
        normd_durable_save(request->server->durable, request);
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

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    if (request->server->stop != NORMD_STOP_NOT) {
        return normd_error_set(
            error, NORMD_SHUTTING_DOWN, "the daemon stops and takes no new requests");
    }
    request->method = call->method;
    request->keys = answer_keys(request->connection, call);
    request->handler = normd_handler_of(call->method->id);
    return request->handler->parse(request, message, call, error);
}

/* ---- Exactly once, on the loop ---- */

/* A retry that is not done in a session's turn: of another body, or its session is gone, or there
   is no memory for it now. */
static void refuse_again(normd_request *request)
{
    normd_error error;
    normd_status status = normd_once_check(request, &error);
    if (status == NORMD_OK && request->status == NORMD_NO_SUCH_SESSION) {
        status = normd_error_set(
            &error, NORMD_CONTEXT_LOST, "seq: this was applied to a session that is there no more");
    }
    if (status != NORMD_OK) {
        normd_request_fail(request, &error);
    }
    answer_now(request);
}

/* What was applied is answered from what is known of it; a request that cannot be read any more
   (its session is gone, say) was one when it was applied. */
static void route_again(normd_request *request)
{
    const normd_ledger_answer *known = normd_ledger_row_answer(request->once.row);
    normd_error error;
    if (known->method == NORMD_METHOD_FORWARD || known->method == NORMD_METHOD_BACKWARD) {
        if (request->status == NORMD_OK && request->method->id == known->method &&
            promise(request)) {
            normd_session_queue_push(&request->entry->queue, request);
        } else {
            refuse_again(request);
        }
        return;
    }
    request->status = NORMD_OK;
    request->head.size = 0;
    if (normd_once_check(request, &error) != NORMD_OK ||
        normd_once_repeat(request, &error) != NORMD_OK) {
        normd_request_fail(request, &error);
    }
    answer_now(request);
}

/* A mutation with client and seq, read, or failed in that. */
static void admit(normd_request *request)
{
    normd_exactly_once *once = &request->once;
    normd_ledger_outcome outcome;
    normd_error error;
    normd_status status =
        normd_ledger_admit(request->server->ledger, once->client, once->client_length, once->seq,
            uv_now(&request->server->loop) / 1000, request, &outcome, &once->row, &error);
    if (status != NORMD_OK) {
        /* What the number says comes first: a client that was forgotten would else take a session
           that is gone for a mutation that failed. */
        if (request->status != NORMD_SHUTTING_DOWN) {
            normd_request_fail(request, &error);
        }
        answer_now(request);
    } else if (outcome == NORMD_LEDGER_AGAIN) {
        once->again = true;
        route_again(request);
    } else if (outcome == NORMD_LEDGER_APPLY && request->status == NORMD_OK) {
        route(request);
    } else if (outcome == NORMD_LEDGER_APPLY) {
        end_unrun(request);
    }
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
    if (status == NORMD_OK && call.once.present && !normd_once_note(request, message, &call)) {
        status = normd_error_no_memory(&error);
    }
    if (status == NORMD_OK) {
        status = parse(request, message, &call, &error);
    }
    if (status != NORMD_OK) {
        normd_request_fail(request, &error);
    }
    if (request->once.asked) {
        if (status != NORMD_OK) {
            /* What was not moved into the request is gone with the message. */
            normd_once_finish_hash(request);
        }
        admit(request);
    } else if (status != NORMD_OK) {
        answer_now(request);
    } else {
        route(request);
    }
    return true;
}

/* What the loop has to do for a request before its answer leaves. */
static void finish(normd_request *request)
{
    if (request->handler->finish != NULL && request->status == NORMD_OK) {
        request->handler->finish(request);
    }
    if (request->stops) {
        normd_session_queue_resume(&request->entry->queue);
    }
}

static void touch(normd_server *server, normd_connection *connection)
{
    if (!connection->touched) {
        connection->touched = true;
        connection->next_touched = server->touched;
        server->touched = connection;
    }
}

/* Those that asked for the same mutation meanwhile. */
static void let_waiters_go(normd_server *server, normd_request *waiter, normd_ledger_row *row)
{
    for (normd_request *next; waiter != NULL; waiter = next) {
        next = waiter->next;
        waiter->next = NULL;
        touch(server, waiter->connection);
        if (row == NULL) {
            admit(waiter);
        } else {
            waiter->once.row = row;
            waiter->once.again = true;
            route_again(waiter);
        }
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
        touch(server, connection);
        normd_request *waiters = request->once.waiters;
        normd_ledger_row *row = request->once.waiters_row;
        normd_connection_answer(connection, request);
        let_waiters_go(server, waiters, row);
    }
    while (server->touched != NULL) {
        normd_connection *connection = server->touched;
        server->touched = connection->next_touched;
        connection->touched = false;
        normd_connection_flush(connection);
    }
    normd_server_stop_advance(server);
}
