// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_UNIT_LIB_LOSSES_LOSS_CASE_H
#define NORMD_TESTS_UNIT_LIB_LOSSES_LOSS_CASE_H

#include "tests/unit/cmocka_headers.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "lib/losses/loss.h"

/* What tests of losses share: a place to compute in, losses from JSON, and runs that must do. */

static inline normd_compute open_compute(normd_dtype dtype)
{
    const normd_kernels *kernels = normd_kernels_choose(NULL);
    return (normd_compute){
        .kernels = dtype == NORMD_F32 ? &kernels->f32 : &kernels->f64,
        .buffers = normd_buffer_cache_create(1 << 16),
        .dtype = dtype,
    };
}

static inline void close_compute(normd_compute *compute)
{
    assert_int_equal(normd_buffer_cache_bytes_out(compute->buffers), 0);
    normd_buffer_cache_destroy(compute->buffers);
}

/* JSON with single quotes for double ones. */
static inline json_t *json_of(const char *text)
{
    char copy[1024];
    size_t length = strlen(text);
    assert_true(length < sizeof copy);
    for (size_t i = 0; i <= length; i++) {
        copy[i] = text[i] == '\'' ? '"' : text[i];
    }
    json_t *json = json_loads(copy, JSON_DECODE_ANY, NULL);
    if (json == NULL) {
        fail_msg("no JSON: %s", text);
    }
    return json;
}

/* `metrics` may be NULL. Bounds of probabilities are those of float64. */
static inline normd_status try_loss(const char *option, const char *metrics,
    normd_convention convention, normd_shape output, normd_loss **loss, normd_error *error)
{
    json_t *json = json_of(option);
    json_t *list = metrics == NULL ? NULL : json_of(metrics);
    normd_loss_source source = {.option = json,
        .metrics = list,
        .dtype = NORMD_F64,
        .convention = convention,
        .output = output};
    normd_status status = normd_loss_create(&source, loss, error);
    json_decref(json);
    json_decref(list);
    return status;
}

static inline normd_loss *make_loss(
    const char *option, const char *metrics, normd_convention convention)
{
    normd_loss *loss;
    normd_error error;
    if (try_loss(option, metrics, convention, (normd_shape){.rank = 0}, &loss, &error) !=
        NORMD_OK) {
        fail_msg("%s: %s", option, error.message);
    }
    return loss;
}

static inline void run_loss(const normd_loss *loss, normd_loss_pass *pass)
{
    normd_error error;
    if (normd_loss_run(loss, pass, &error) != NORMD_OK) {
        fail_msg("%s", error.message);
    }
}

/* Compares the gradient of a pass over float64 logits with central differences. `scale` bounds the
   loss and its third derivative. */
static inline void check_gradient(
    const normd_loss *loss, normd_loss_pass *pass, double *y, size_t count, double scale)
{
    const double h = cbrt(DBL_EPSILON);
    double gradient[256];
    assert_true(count <= 256);
    pass->y = y;
    pass->gradient = gradient;
    run_loss(loss, pass);
    for (size_t i = 0; i < count; i++) {
        double value = y[i];
        normd_loss_pass other = *pass;
        other.gradient = NULL;
        y[i] = value + h;
        run_loss(loss, &other);
        double above = other.loss;
        y[i] = value - h;
        run_loss(loss, &other);
        double below = other.loss;
        y[i] = value;
        double difference = (above - below) / (2 * h);
        /* h^2 / 6 times the third derivative, and some roundings of the loss over h. */
        if (!(fabs(gradient[i] - difference) <= scale * (h * h + 16 * DBL_EPSILON / h))) {
            fail_msg("element %zu: gradient %.17g, difference %.17g", i, gradient[i], difference);
        }
    }
}

#endif
