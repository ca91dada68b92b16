// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "daemon/commit/recovery.h"
#include "protocol/methods.h"

/* A replay on the way: what the session is given, and what it gave. */
typedef struct replaying {
    normd_recovery *recovery;
    normd_session *session;
    const normd_record_request *request;
    normd_tensor array[NORMD_RECORD_FIELDS];
    uint64_t version;
} replaying;

static uint64_t now_nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The arrays of the record, aligned and to be taken. */
static normd_status copy_arrays(replaying *replay, normd_error *error)
{
    normd_status status = NORMD_OK;
    for (int i = 0; i < NORMD_RECORD_FIELDS && status == NORMD_OK; i++) {
        const normd_array *array = &replay->request->array[i];
        if (array->data == NULL) {
            continue;
        }
        status = normd_tensor_take(replay->recovery->engine->buffers, array->dtype, &array->shape,
            &replay->array[i], error);
        if (status == NORMD_OK) {
            memcpy(replay->array[i].array.data, array->data, normd_array_bytes(array));
        }
    }
    return status;
}

static const normd_array *given(const replaying *replay, normd_record_field field)
{
    const normd_tensor *tensor = &replay->array[field];
    return tensor->buffer != NULL ? &tensor->array : NULL;
}

/* The same bits; with other numerics, which were accepted, about the same. */
static bool is_the_loss(const replaying *replay, double loss)
{
    const double before = replay->request->loss;
    if (replay->recovery->other_numerics) {
        return !(fabs(loss - before) > 0.1 * fabs(before));
    }
    return memcmp(&loss, &before, sizeof loss) == 0;
}

static normd_status train(replaying *replay, normd_error *error)
{
    normd_train_batch batch = {
        .x = given(replay, NORMD_FIELD_X),
        .target = given(replay, NORMD_FIELD_TARGET),
        .sample_weight = given(replay, NORMD_FIELD_SAMPLE_WEIGHT),
        .mask = given(replay, NORMD_FIELD_MASK),
    };
    if (batch.x == NULL || batch.target == NULL) {
        return normd_error_set(error, NORMD_STORE_FAILED, "a batch without x or target");
    }
    normd_train_result result;
    normd_status status = normd_session_train(replay->session, &batch, &result, error);
    replay->version = result.version;
    if (status == NORMD_OK && !is_the_loss(replay, result.loss)) {
        return normd_error_set(error, NORMD_STORE_FAILED, "the loss was %.17g, and is %.17g now",
            replay->request->loss, result.loss);
    }
    return status;
}

static normd_status forward(replaying *replay, normd_error *error)
{
    const normd_record_request *request = replay->request;
    if (given(replay, NORMD_FIELD_X) == NULL) {
        return normd_error_set(error, NORMD_STORE_FAILED, "a forward without x");
    }
    normd_forward_options options = {
        .mask = given(replay, NORMD_FIELD_MASK),
        .update_stats = request->update_stats,
        .repeatable = request->repeatable,
        .number = request->step,
        .now_milliseconds = replay->recovery->now_milliseconds,
    };
    normd_tensor y = {.buffer = NULL};
    normd_forward_result result;
    normd_status status = normd_session_forward(
        replay->session, &replay->array[NORMD_FIELD_X], &options, &y, &result, error);
    normd_tensor_release(&y);
    replay->version = result.version;
    if (status == NORMD_OK && !normd_recovered_add_step(replay->recovery->session, request->step)) {
        status = normd_error_no_memory(error);
    }
    return status;
}

static normd_status backward(replaying *replay, normd_error *error)
{
    const normd_record_request *request = replay->request;
    if (given(replay, NORMD_FIELD_DY) == NULL) {
        return normd_error_set(error, NORMD_STORE_FAILED, "a backward without dy");
    }
    normd_tensor dx = {.buffer = NULL};
    normd_status status = normd_session_backward(replay->session, request->step, request->apply,
        &replay->array[NORMD_FIELD_DY], replay->recovery->now_milliseconds, &dx, &replay->version,
        error);
    normd_tensor_release(&dx);
    return status;
}

static normd_status run(replaying *replay, normd_error *error)
{
    switch (replay->request->method) {
    case NORMD_METHOD_TRAIN:
        return train(replay, error);
    case NORMD_METHOD_FORWARD:
        return forward(replay, error);
    case NORMD_METHOD_BACKWARD:
        return backward(replay, error);
    case NORMD_METHOD_STEP:
        return normd_session_step(replay->session, &replay->version, error);
    default:
        return normd_error_set(error, NORMD_STORE_FAILED, "a method that is not done again");
    }
}

/* Requests that are done again must be done by the same numerics. */
static normd_status check_numerics(const normd_recovery *recovery, normd_error *error)
{
    if (!recovery->other_numerics || recovery->durable->options.any_numerics) {
        return NORMD_OK;
    }
    char numerics[256];
    return normd_error_set(error, NORMD_STORE_FAILED,
        "the journal holds requests that were computed by \"%s\", and this machine has \"%s\", "
        "whose results may differ in their last bits; start there once and stop it, which leaves "
        "nothing to be done again, or start with --accept-numerics yes to go on here",
        recovery->numerics, normd_durable_numerics(numerics, sizeof numerics));
}

normd_status normd_recovery_replay(
    normd_recovery *recovery, const normd_record_request *request, normd_error *error)
{
    normd_recovered *session = recovery->session;
    replaying replay = {.recovery = recovery, .session = session->live, .request = request};
    normd_status status = check_numerics(recovery, error);
    if (status != NORMD_OK) {
        return status;
    }
    uint64_t began = now_nanoseconds();
    status = copy_arrays(&replay, error);
    if (status == NORMD_OK) {
        status = run(&replay, error);
    }
    for (int i = 0; i < NORMD_RECORD_FIELDS; i++) {
        normd_tensor_release(&replay.array[i]);
    }
    if (status == NORMD_OK && replay.version != recovery->head.version) {
        status = normd_error_set(error, NORMD_STORE_FAILED,
            "the version was %" PRIu64 ", and is %" PRIu64 " now", recovery->head.version,
            replay.version);
    }
    if (status != NORMD_OK) {
        normd_error why = *error;
        return normd_error_set(error, NORMD_STORE_FAILED,
            "session \"%s\": doing record %" PRIu64 " of it again came out otherwise than before: "
            "%s; start the normd that wrote it, on the machine that it ran on, with limits that "
            "are "
            "no smaller, or restore the directory from a copy made with normctl save",
            session->name, recovery->head.order, why.message);
    }
    recovery->durable->replay_nanoseconds += now_nanoseconds() - began;
    recovery->records_done++;
    return NORMD_OK;
}
