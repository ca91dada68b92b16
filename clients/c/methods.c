// SPDX-License-Identifier: Apache-2.0
#include "clients/c/client.h"

normd_client_status normd_client_ping(normd_client *client, normd_error *error)
{
    normd_client_answer *answer;
    normd_client_begin(client, "ping", 0);
    normd_client_status status = normd_client_call(client, &answer, error);
    if (status == NORMD_CLIENT_OK) {
        normd_client_answer_free(answer);
    }
    return status;
}

/* `train` and `evaluate`, which differ in the name alone. */
static normd_client_status call_for_score(normd_client *client, const char *method,
    const char *session, const normd_client_batch *batch, normd_client_score *score,
    normd_error *error)
{
    uint32_t extras = (batch->sample_weight != NULL ? 1U : 0U) + (batch->mask != NULL ? 1U : 0U);
    normd_client_begin(client, method, 3 + extras);
    normd_client_put_string(client, "session", session);
    if (batch->sample_weight != NULL) {
        normd_client_put_array(client, "sample_weight", batch->sample_weight);
    }
    if (batch->mask != NULL) {
        normd_client_put_array(client, "mask", batch->mask);
    }
    normd_client_put_array(client, "target", batch->target);
    normd_client_put_array(client, "x", batch->x);
    normd_client_answer *answer;
    normd_client_status status = normd_client_call(client, &answer, error);
    if (status == NORMD_CLIENT_OK) {
        status = normd_client_read_score(answer, score, error);
        normd_client_answer_free(answer);
    }
    return status;
}

normd_client_status normd_client_train(normd_client *client, const char *session,
    const normd_client_batch *batch, normd_client_score *score, normd_error *error)
{
    return call_for_score(client, "train", session, batch, score, error);
}

normd_client_status normd_client_evaluate(normd_client *client, const char *session,
    const normd_client_batch *batch, normd_client_score *score, normd_error *error)
{
    return call_for_score(client, "evaluate", session, batch, score, error);
}

/* Calls what was begun for an array and, where `number` is not NULL, a whole number. */
static normd_client_status call_for_array(normd_client *client, normd_client_answer **answer,
    const char *array_name, normd_array *array, const char *number_name, uint64_t *number,
    normd_error *error)
{
    normd_client_status status = normd_client_call(client, answer, error);
    if (status != NORMD_CLIENT_OK) {
        return status;
    }
    status = normd_client_array(
        *answer, normd_client_get((*answer)->result, array_name), array_name, array, error);
    if (status == NORMD_CLIENT_OK && number != NULL &&
        !normd_client_uint(normd_client_get((*answer)->result, number_name), number)) {
        status = client_fail(error, NORMD_CLIENT_FAILED, "%s: not in the answer", number_name);
    }
    if (status != NORMD_CLIENT_OK) {
        normd_client_answer_free(*answer);
        *answer = NULL;
    }
    return status;
}

normd_client_status normd_client_infer(normd_client *client, const char *session,
    const normd_array *x, normd_client_answer **answer, normd_array *y, normd_error *error)
{
    normd_client_begin(client, "infer", 2);
    normd_client_put_string(client, "session", session);
    normd_client_put_array(client, "x", x);
    return call_for_array(client, answer, "y", y, NULL, NULL, error);
}

normd_client_status normd_client_forward(normd_client *client, const char *session,
    const normd_array *x, normd_client_answer **answer, normd_array *y, uint64_t *step,
    normd_error *error)
{
    normd_client_begin(client, "forward", 2);
    normd_client_put_string(client, "session", session);
    normd_client_put_array(client, "x", x);
    return call_for_array(client, answer, "y", y, "step", step, error);
}

normd_client_status normd_client_backward(normd_client *client, const char *session, uint64_t step,
    const normd_array *dy, bool apply, normd_client_answer **answer, normd_array *dx,
    normd_error *error)
{
    normd_client_begin(client, "backward", 4);
    normd_client_put_string(client, "session", session);
    normd_client_put_uint(client, "step", step);
    normd_client_put_bool(client, "apply", apply);
    normd_client_put_array(client, "dy", dy);
    return call_for_array(client, answer, "dx", dx, NULL, NULL, error);
}

normd_client_status normd_client_step(
    normd_client *client, const char *session, uint64_t *version, normd_error *error)
{
    normd_client_begin(client, "step", 1);
    normd_client_put_string(client, "session", session);
    normd_client_answer *answer;
    normd_client_status status = normd_client_call(client, &answer, error);
    if (status != NORMD_CLIENT_OK) {
        return status;
    }
    if (!normd_client_uint(normd_client_get(answer->result, "version"), version)) {
        status = client_fail(error, NORMD_CLIENT_FAILED, "version: not in the answer");
    }
    normd_client_answer_free(answer);
    return status;
}
