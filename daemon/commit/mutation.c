// SPDX-License-Identifier: Apache-2.0
#include "daemon/mutation.h"

#include <string.h>

#include "daemon/durable/durable_session.h"
#include "daemon/request.h"
#include "daemon/server.h"

/* A state that is so much larger than the batch is better made again from the batch. */
enum { LARGE_STATE_FACTOR = 4 };

/* What states that are not committed may take, of one session. */
static const size_t AHEAD_BYTES = (size_t)64 << 20;

size_t normd_mutation_batch_bytes(const normd_request *request)
{
    const normd_arguments *arguments = &request->arguments;
    const normd_tensor *tensors[] = {&arguments->x, &arguments->target, &arguments->sample_weight,
        &arguments->mask, &request->mutation.dy};
    size_t bytes = 0;
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        bytes += tensors[i]->buffer != NULL ? normd_array_bytes(&tensors[i]->array) : 0;
    }
    return bytes;
}

/* The turns go on from the committed state after a commit failed. */
static normd_status go_back(normd_session_entry *entry, normd_error *error)
{
    normd_durable_session *durable = entry->durable;
    unsigned epoch = atomic_load_explicit(&durable->epoch, memory_order_acquire);
    if (epoch == durable->running_epoch) {
        return NORMD_OK;
    }
    normd_image *image = normd_durable_session_image(durable);
    normd_status status = normd_session_rollback(entry->session, image, error);
    normd_image_release(image);
    if (status == NORMD_OK) {
        durable->running_epoch = epoch;
    }
    return status;
}

/* Backward writes over dy, which the journal may need. */
static normd_status keep_dy(normd_request *request, normd_error *error)
{
    const normd_arguments *arguments = &request->arguments;
    normd_kept_list *kept;
    normd_status status = normd_kept_list_take(request->entry->session, &kept, error);
    bool needed = status == NORMD_OK && normd_kept_list_find(kept, arguments->step) != NULL;
    normd_kept_list_release(kept);
    if (!needed) {
        return status;
    }
    const normd_array *dy = &arguments->dy.array;
    status = normd_tensor_take(
        request->server->engine.buffers, dy->dtype, &dy->shape, &request->mutation.dy, error);
    if (status == NORMD_OK) {
        memcpy(request->mutation.dy.array.data, dy->data, normd_array_bytes(dy));
    }
    return status;
}

normd_status normd_mutation_begin(normd_request *request, normd_error *error)
{
    normd_mutation *mutation = &request->mutation;
    normd_session_entry *entry = request->entry;
    normd_status status = NORMD_OK;
    if (entry->session != NULL && entry->durable != NULL) {
        status = go_back(entry, error);
        mutation->epoch = entry->durable->running_epoch;
        mutation->before = normd_session_image(entry->session);
        if (status == NORMD_OK && mutation->before == NULL) {
            status = normd_error_no_memory(error);
        }
    }
    if (status != NORMD_OK || entry->session == NULL) {
        return status;
    }
    if (request->method->id == NORMD_METHOD_FORWARD) {
        const normd_array *x = &request->arguments.x.array;
        mutation->repeatable = request->once.row != NULL ||
                               (entry->durable != NULL &&
                                   normd_session_state_bytes(entry->session) / LARGE_STATE_FACTOR >
                                       normd_array_bytes(x));
    } else if (request->method->id == NORMD_METHOD_BACKWARD && entry->durable != NULL) {
        mutation->step = request->arguments.step;
        status = keep_dy(request, error);
    }
    return status;
}

/* Whether other kept steps may be there than before, of those that a store keeps. */
static bool may_change_kept(const normd_request *request)
{
    switch (request->method->id) {
    case NORMD_METHOD_TRAIN:
    case NORMD_METHOD_STEP:
        return false;
    case NORMD_METHOD_FORWARD:
        return request->mutation.repeatable;
    case NORMD_METHOD_BACKWARD:
        return request->mutation.dy.buffer != NULL;
    default:
        return true;
    }
}

static normd_status take_state(normd_request *request, normd_error *error)
{
    normd_mutation *mutation = &request->mutation;
    normd_session *session = request->entry->session;
    if (request->method->id == NORMD_METHOD_SESSION_DELETE) {
        mutation->kind = NORMD_MUTATION_DELETE;
        return NORMD_OK;
    }
    mutation->kind = NORMD_MUTATION_CHANGE;
    if (request->made != NULL) {
        mutation->kind = NORMD_MUTATION_MAKE;
        session = request->made;
    }
    mutation->image = normd_session_image(session);
    if (mutation->image == NULL) {
        return normd_error_no_memory(error);
    }
    return may_change_kept(request) ? normd_kept_list_take(session, &mutation->kept, error)
                                    : NORMD_OK;
}

normd_status normd_mutation_end(normd_request *request, normd_error *error)
{
    normd_mutation *mutation = &request->mutation;
    normd_status status = take_state(request, error);
    if (status != NORMD_OK) {
        normd_mutation_undo(request);
    }
    normd_image_release(mutation->before);
    mutation->before = NULL;
    return status;
}

void normd_mutation_undo(normd_request *request)
{
    normd_mutation *mutation = &request->mutation;
    normd_error error;
    mutation->kind = NORMD_MUTATION_NONE;
    if (mutation->before != NULL &&
        normd_session_rollback(request->entry->session, mutation->before, &error) != NORMD_OK) {
        normd_log_write(&request->server->log, NORMD_LOG_ERROR,
            "session \"%s\": a change that was not answered stays in memory: %s",
            request->entry->name, error.message);
    }
}

bool normd_mutation_is_far_ahead(const normd_request *request)
{
    const normd_durable_session *durable = request->entry->durable;
    uint64_t ended = atomic_load_explicit(&durable->ended, memory_order_acquire);
    size_t states = (size_t)(durable->tickets - ended);
    return states > 1 &&
           states > AHEAD_BYTES / (normd_session_state_bytes(request->entry->session) + 1);
}

void normd_mutation_clear(normd_mutation *mutation)
{
    normd_image_release(mutation->before);
    normd_image_release(mutation->image);
    normd_kept_list_release(mutation->kept);
    normd_tensor_release(&mutation->dy);
    normd_durable_session_release(mutation->made);
    *mutation = (normd_mutation){.kind = NORMD_MUTATION_NONE};
}
