// SPDX-License-Identifier: Apache-2.0
#include "clients/bench/workload.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clients/bench/probe.h"
#include "clients/cli/common/json_pack.h"
#include "clients/cli/common/model_text.h"
#include "protocol/writer.h"

static void session_name(size_t index, char name[static 64])
{
    snprintf(name, 64, "normbench-%ld-%zu", (long)getpid(), index);
}

/* splitmix64; a number in [-1, 1). */
static float next_value(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return (float)((double)(z >> 11) * 0x1p-52 - 1.0);
}

/* An array of random values, or of class numbers below `classes` when that is not 0. */
static bool make_array(const normd_shape *shape, size_t classes, uint64_t seed, normd_array *array)
{
    *array = (normd_array){.dtype = classes > 0 ? NORMD_I64 : NORMD_F32, .shape = *shape};
    size_t elements = normd_array_elements(array);
    array->data = malloc(normd_array_bytes(array) + 1);
    if (array->data == NULL) {
        return false;
    }
    for (size_t k = 0; k < elements; k++) {
        float value = next_value(&seed);
        if (classes > 0) {
            ((int64_t *)array->data)[k] = (int64_t)((value + 1.0f) * 0.4999f * (float)classes);
        } else {
            ((float *)array->data)[k] = value;
        }
    }
    return true;
}

static normd_client_status create_session(normd_workload *workload,
    const normd_bench_settings *settings, const json_t *layers, const json_t *optimizer,
    size_t index, normd_error *error)
{
    char name[64];
    session_name(index, name);
    bool train = settings->method == NORMD_BENCH_TRAIN;
    normd_client_begin(workload->client, "session.create", 3u + 2u * train);
    normd_client_put_string(workload->client, "session", name);
    normd_json_pack(normd_client_put(workload->client, "layers"), layers);
    msgpack_packer *packer = normd_client_put(workload->client, "input");
    msgpack_pack_array(packer, settings->shape.rank - 1);
    for (uint32_t axis = 1; axis < settings->shape.rank; axis++) {
        msgpack_pack_uint64(packer, settings->shape.dim[axis]);
    }
    if (train) {
        normd_client_put_string(workload->client, "loss", settings->loss);
        normd_json_pack(normd_client_put(workload->client, "optimizer"), optimizer);
    }
    normd_client_answer *answer;
    normd_client_status status = normd_client_call(workload->client, &answer, error);
    if (status == NORMD_CLIENT_OK) {
        normd_client_answer_free(answer);
        workload->sessions = index + 1;
    }
    return status;
}

/* The target that fits to what the model makes of `x`. */
static normd_client_status make_target(normd_workload *workload,
    const normd_bench_settings *settings, const normd_array *x, normd_array *target,
    normd_error *error)
{
    char name[64];
    session_name(0, name);
    normd_client_answer *answer;
    normd_array y;
    normd_client_status status = normd_client_infer(workload->client, name, x, &answer, &y, error);
    if (status != NORMD_CLIENT_OK) {
        return status;
    }
    normd_shape shape = y.shape;
    size_t classes = 0;
    if (strcmp(settings->loss, "cross_entropy") == 0 && shape.rank == 2) {
        classes = shape.dim[1];
        shape.rank = 1;
    }
    normd_client_answer_free(answer);
    if (!make_array(&shape, classes, settings->seed + 1, target)) {
        normd_error_no_memory(error);
        return NORMD_CLIENT_FAILED;
    }
    return NORMD_CLIENT_OK;
}

void normd_request_prefix(uint32_t id, uint8_t prefix[static NORMD_REQUEST_PREFIX_BYTES])
{
    prefix[0] = 0x94;
    prefix[1] = 0x00;
    prefix[2] = 0xce;
    for (unsigned k = 0; k < 4; k++) {
        prefix[3 + k] = (uint8_t)(id >> (24 - 8 * k));
    }
}

/* Encodes the request and cuts off everything up to its id. */
static bool encode(const normd_bench_settings *settings, size_t index, const normd_array *x,
    const normd_array *target, normd_request_template *template)
{
    char name[64];
    normd_write_buffer buffer = {.failed = false};
    msgpack_packer packer;
    msgpack_sbuffer_init(&buffer.bytes);
    msgpack_packer_init(&packer, &buffer, normd_write_append);
    bool ping = settings->method == NORMD_BENCH_PING;
    /* Written with an id of one byte, so that what comes behind it starts at the fourth. */
    normd_write_request(&packer, 0, settings->method_name,
        (ping ? 0u : 1u) + (x->data != NULL) + (target->data != NULL));
    if (!ping) {
        session_name(index, name);
        normd_write_str(&packer, "session");
        normd_write_str(&packer, name);
    }
    if (target->data != NULL) {
        normd_write_str(&packer, "target");
        normd_write_array(&packer, target, NORMD_KEYS_STR);
    }
    if (x->data != NULL) {
        normd_write_str(&packer, "x");
        normd_write_array(&packer, x, NORMD_KEYS_STR);
    }
    template->size = buffer.bytes.size - 3;
    template->bytes = buffer.failed ? NULL : malloc(template->size);
    if (template->bytes != NULL) {
        memcpy(template->bytes, buffer.bytes.data + 3, template->size);
    }
    msgpack_sbuffer_destroy(&buffer.bytes);
    return template->bytes != NULL;
}

/* Makes the requests, and asks each once where all its answers must be the same. */
static normd_client_status make_templates(normd_workload *workload,
    const normd_bench_settings *settings, const normd_array *x, const normd_array *target,
    normd_error *error)
{
    bool steady = settings->method != NORMD_BENCH_TRAIN && settings->method != NORMD_BENCH_FORWARD;
    for (size_t k = 0; k < workload->count; k++) {
        normd_request_template *template = &workload->templates[k];
        if (!encode(settings, k, x, target, template)) {
            normd_error_no_memory(error);
            return NORMD_CLIENT_FAILED;
        }
        if (steady && normd_probe_answer(settings->address, template, error) != NORMD_OK) {
            return NORMD_CLIENT_FAILED;
        }
    }
    return NORMD_CLIENT_OK;
}

static normd_client_status prepare(
    normd_workload *workload, const normd_bench_settings *settings, normd_error *error)
{
    normd_bench_method method = settings->method;
    normd_client_status status = NORMD_CLIENT_OK;
    normd_array x = {.data = NULL};
    normd_array target = {.data = NULL};
    if (method != NORMD_BENCH_PING) {
        json_t *layers = normd_model_text_layers(settings->model, error);
        json_t *optimizer =
            layers == NULL ? NULL
                           : normd_model_text_option(settings->optimizer, "--optimizer", error);
        status = optimizer == NULL ? NORMD_CLIENT_REFUSED : NORMD_CLIENT_OK;
        for (size_t k = 0; k < workload->count && status == NORMD_CLIENT_OK; k++) {
            status = create_session(workload, settings, layers, optimizer, k, error);
        }
        json_decref(layers);
        json_decref(optimizer);
    }
    bool wants_x = method != NORMD_BENCH_PING && method != NORMD_BENCH_STATS;
    if (status == NORMD_CLIENT_OK && wants_x &&
        !make_array(&settings->shape, 0, settings->seed, &x)) {
        normd_error_no_memory(error);
        status = NORMD_CLIENT_FAILED;
    }
    if (status == NORMD_CLIENT_OK && method == NORMD_BENCH_TRAIN) {
        status = make_target(workload, settings, &x, &target, error);
    }
    if (status == NORMD_CLIENT_OK) {
        status = make_templates(workload, settings, &x, &target, error);
    }
    free(x.data);
    free(target.data);
    return status;
}

normd_client_status normd_workload_open(
    const normd_bench_settings *settings, normd_workload *workload, normd_error *error)
{
    *workload = (normd_workload){.count = settings->sessions};
    if (settings->method == NORMD_BENCH_PING) {
        workload->count = 1;
    }
    workload->templates = calloc(workload->count, sizeof *workload->templates);
    if (workload->templates == NULL) {
        normd_error_no_memory(error);
        return NORMD_CLIENT_FAILED;
    }
    normd_client_status status =
        normd_client_connect(settings->address, 30.0, &workload->client, error);
    return status == NORMD_CLIENT_OK ? prepare(workload, settings, error) : status;
}

void normd_workload_close(normd_workload *workload)
{
    for (size_t k = 0; k < workload->sessions; k++) {
        char name[64];
        session_name(k, name);
        normd_client_answer *answer;
        normd_client_begin(workload->client, "session.delete", 1);
        normd_client_put_string(workload->client, "session", name);
        if (normd_client_call(workload->client, &answer, NULL) == NORMD_CLIENT_OK) {
            normd_client_answer_free(answer);
        }
    }
    normd_client_close(workload->client);
    for (size_t k = 0; workload->templates != NULL && k < workload->count; k++) {
        free(workload->templates[k].bytes);
        free(workload->templates[k].expected_bytes);
    }
    free(workload->templates);
}
