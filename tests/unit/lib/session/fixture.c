// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "lib/exchange/safetensors.h"
#include "lib/init/random.h"

void fixture_open(fixture *f, int threads, const char *kernels)
{
    *f = (fixture){.pool = threads > 0 ? normd_pool_create(threads) : NULL};
    f->buffers = normd_buffer_cache_create((size_t)1 << 24);
    f->engine = (normd_engine){
        .pool = f->pool,
        .kernels = normd_kernels_choose(kernels),
        .buffers = f->buffers,
        .context_bytes = (size_t)1 << 24,
    };
    assert_non_null(f->buffers);
    assert_non_null(f->engine.kernels);
    assert_true(threads == 0 || f->pool != NULL);
}

void fixture_close(fixture *f)
{
    normd_pool_destroy(f->pool);
    assert_int_equal(normd_buffer_cache_bytes_out(f->buffers), 0);
    normd_buffer_cache_destroy(f->buffers);
}

json_t *fixture_json(const char *text)
{
    char *quoted = strdup(text);
    assert_non_null(quoted);
    for (char *at = quoted; *at != '\0'; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    json_error_t reason;
    json_t *json = json_loads(quoted, 0, &reason);
    if (json == NULL) {
        fail_msg("%s in %s", reason.text, quoted);
    }
    free(quoted);
    return json;
}

normd_session *fixture_session(const fixture *f, const char *configuration)
{
    json_t *json = fixture_json(configuration);
    normd_session *session = NULL;
    normd_error error;
    if (normd_session_create(&f->engine, json, NULL, &session, &error) != NORMD_OK) {
        fail_msg("%s", error.message);
    }
    json_decref(json);
    return session;
}

void fixture_refused(
    const fixture *f, const char *configuration, normd_status status, const char *message)
{
    json_t *json = fixture_json(configuration);
    normd_session *session = NULL;
    normd_error error = {.status = NORMD_OK};
    assert_int_equal(normd_session_create(&f->engine, json, NULL, &session, &error), status);
    assert_null(session);
    assert_int_equal(error.status, status);
    assert_string_equal(error.message, message);
    json_decref(json);
}

double fixture_at(const normd_array *array, size_t index)
{
    return array->dtype == NORMD_F32 ? (double)((const float *)array->data)[index]
                                     : ((const double *)array->data)[index];
}

void fixture_put(const normd_array *array, size_t index, double value)
{
    if (array->dtype == NORMD_F32) {
        ((float *)array->data)[index] = (float)value;
    } else {
        ((double *)array->data)[index] = value;
    }
}

static normd_tensor take(const fixture *f, normd_dtype dtype, normd_shape shape)
{
    normd_tensor tensor;
    normd_error error;
    assert_int_equal(normd_tensor_take(f->buffers, dtype, &shape, &tensor, &error), NORMD_OK);
    return tensor;
}

normd_tensor fixture_normal(const fixture *f, normd_dtype dtype, normd_shape shape, uint64_t stream)
{
    normd_tensor tensor = take(f, dtype, shape);
    normd_random random = {.seed = 7, .stream = stream};
    size_t count = normd_array_elements(&tensor.array);
    for (size_t i = 0; i < count; i++) {
        fixture_put(&tensor.array, i, normd_random_normal(&random, i));
    }
    return tensor;
}

normd_tensor fixture_copy(const fixture *f, const normd_array *array)
{
    normd_tensor tensor = take(f, array->dtype, array->shape);
    memcpy(tensor.array.data, array->data, normd_array_bytes(array));
    return tensor;
}

normd_tensor fixture_labels(const fixture *f, size_t n, int64_t classes, uint64_t stream)
{
    normd_tensor tensor = take(f, NORMD_I64, (normd_shape){.rank = 1, .dim = {n}});
    normd_random random = {.seed = 8, .stream = stream};
    for (size_t i = 0; i < n; i++) {
        ((int64_t *)tensor.array.data)[i] =
            (int64_t)(normd_random_uniform(&random, i) * (double)classes);
    }
    return tensor;
}

normd_train_result fixture_train(
    normd_session *session, const normd_array *x, const normd_array *target)
{
    normd_train_result result;
    normd_error error;
    if (normd_session_train(
            session, &(normd_train_batch){.x = x, .target = target}, &result, &error) != NORMD_OK) {
        fail_msg("%s", error.message);
    }
    return result;
}

normd_tensor fixture_infer(const fixture *f, normd_session *session, const normd_array *x)
{
    normd_snapshot *snapshot = normd_session_snapshot(session);
    normd_tensor copy = fixture_copy(f, x);
    normd_tensor y;
    normd_error error;
    if (normd_snapshot_infer(snapshot, &copy, &y, &error) != NORMD_OK) {
        fail_msg("%s", error.message);
    }
    normd_snapshot_release(snapshot);
    return y;
}

const normd_export_options fixture_everything = {.optimizer = true};

normd_buffer *fixture_export(normd_session *session)
{
    normd_snapshot *snapshot = normd_session_snapshot(session);
    normd_buffer *file = NULL;
    normd_error error;
    if (normd_snapshot_export(snapshot, &fixture_everything, &file, &error) != NORMD_OK) {
        fail_msg("%s", error.message);
    }
    normd_snapshot_release(snapshot);
    return file;
}

normd_array fixture_exported(const normd_buffer *file, const char *name)
{
    normd_safetensors *tensors = NULL;
    normd_array array;
    normd_error error;
    assert_int_equal(normd_safetensors_open(file->data, file->size, &tensors, &error), NORMD_OK);
    if (!normd_safetensors_find(tensors, name, &array)) {
        fail_msg("no tensor %s", name);
    }
    normd_safetensors_close(tensors);
    return array;
}

normd_tensor fixture_forward(const fixture *f, normd_session *session, const normd_array *x,
    const normd_array *mask, bool update_stats, normd_forward_result *result)
{
    normd_tensor copy = fixture_copy(f, x);
    normd_forward_options options = {.mask = mask, .update_stats = update_stats};
    normd_tensor y;
    normd_error error;
    if (normd_session_forward(session, &copy, &options, &y, result, &error) != NORMD_OK) {
        fail_msg("%s", error.message);
    }
    return y;
}

normd_tensor fixture_backward(
    const fixture *f, normd_session *session, uint64_t step, bool apply, const normd_array *dy)
{
    normd_tensor copy = fixture_copy(f, dy);
    normd_tensor dx;
    uint64_t version;
    normd_error error;
    if (normd_session_backward(session, step, apply, &copy, 0, &dx, &version, &error) != NORMD_OK) {
        fail_msg("%s", error.message);
    }
    return dx;
}

void fixture_import(normd_session *session, const normd_buffer *file)
{
    uint64_t version;
    normd_error error;
    if (normd_session_import(session, file->data, file->size, &version, &error) != NORMD_OK) {
        fail_msg("%s", error.message);
    }
}

bool fixture_same_state(normd_session *a, normd_session *b)
{
    normd_buffer *of_a = fixture_export(a);
    normd_buffer *of_b = fixture_export(b);
    bool same = of_a->size == of_b->size && memcmp(of_a->data, of_b->data, of_a->size) == 0;
    normd_buffer_release(of_a);
    normd_buffer_release(of_b);
    return same;
}

void fixture_train_some(const fixture *f, normd_session *session, uint64_t first, uint64_t count)
{
    for (uint64_t step = first; step < first + count; step++) {
        normd_tensor x = fixture_normal(f, NORMD_F32, (normd_shape){2, {12, 6}}, step);
        normd_tensor labels = fixture_labels(f, 12, 4, step);
        fixture_train(session, &x.array, &labels.array);
        normd_tensor_release(&x);
        normd_tensor_release(&labels);
    }
}
