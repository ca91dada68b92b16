// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "lib/exchange/safetensors.h"

typedef struct check {
    const fixture *f;
    normd_session *session;
    const normd_array *mask;
    normd_tensor x;
    normd_tensor dy;
    double scale; /* sum |dy * y| */
} check;

/* sum(dy * y(x)) with the session's parameters. */
static double objective(check *c)
{
    normd_forward_result result;
    normd_tensor y = fixture_forward(c->f, c->session, &c->x.array, c->mask, false, &result);
    double sum = 0.0;
    c->scale = 0.0;
    for (size_t i = 0; i < normd_array_elements(&y.array); i++) {
        double term = fixture_at(&c->dy.array, i) * fixture_at(&y.array, i);
        sum += term;
        c->scale += fabs(term);
    }
    normd_tensor_release(&y);
    return sum;
}

/*
 * (F(v + h) - F(v - h)) / 2h is off by h^2 / 6 times the third derivative, and by the rounding of F
 * over h. F sums n terms, each the result of some ten operations on up to n values, so its rounding
 * error is below 10 n eps S with S = sum |dy y|. With h = cbrt(eps) both parts are of the order of
 * h^2 S. The inputs are of order 1 and batch norm's third derivatives are small multiples of
 * S (1 / deviation)^3; 100 covers deviations down to a quarter.
 */
static void expect_derivative(const check *c, double derivative, double above, double below,
    double h, const char *name, size_t index)
{
    double n = (double)normd_array_elements(&c->dy.array);
    double numeric = (above - below) / (2.0 * h);
    double bound = (100.0 * h * h + 10.0 * n * DBL_EPSILON / h) * (1.0 + c->scale);
    if (!(fabs(derivative - numeric) <= bound)) {
        fail_msg("%s[%zu]: gradient %.12g, central difference %.12g, bound %g", name, index,
            derivative, numeric, bound);
    }
}

static void check_dx(check *c, const normd_array *dx)
{
    const double h = cbrt(DBL_EPSILON);
    for (size_t i = 0; i < normd_array_elements(dx); i++) {
        double value = fixture_at(&c->x.array, i);
        fixture_put(&c->x.array, i, value + h);
        double above = objective(c);
        fixture_put(&c->x.array, i, value - h);
        double below = objective(c);
        fixture_put(&c->x.array, i, value);
        expect_derivative(c, fixture_at(dx, i), above, below, h, "dx", i);
    }
}

static double with_value(
    check *c, const normd_buffer *file, const normd_array *values, size_t i, double value)
{
    memcpy((char *)values->data + i * sizeof value, &value, sizeof value);
    fixture_import(c->session, file);
    return objective(c);
}

/* `before` and `after` are exports around a step with rate 1; the session has the state before. */
static void check_parameters(check *c, const normd_buffer *before, const normd_buffer *after)
{
    const double h = cbrt(DBL_EPSILON);
    normd_safetensors *tensors = NULL;
    normd_error error;
    assert_int_equal(
        normd_safetensors_open(before->data, before->size, &tensors, &error), NORMD_OK);
    for (size_t t = 0; t < normd_safetensors_count(tensors); t++) {
        const char *name = normd_safetensors_name(tensors, t);
        const char *part = strchr(name, '.');
        if (strcmp(part, ".weight") != 0 && strcmp(part, ".bias") != 0) {
            continue;
        }
        normd_array old = fixture_exported(before, name);
        normd_array new = fixture_exported(after, name);
        for (size_t i = 0; i < normd_array_elements(&old); i++) {
            double value;
            double changed;
            memcpy(&value, (const char *)old.data + i * sizeof value, sizeof value);
            memcpy(&changed, (const char *)new.data + i * sizeof value, sizeof value);
            double above = with_value(c, before, &old, i, value + h);
            double below = with_value(c, before, &old, i, value - h);
            memcpy((char *)old.data + i * sizeof value, &value, sizeof value);
            expect_derivative(c, value - changed, above, below, h, name, i);
        }
    }
    normd_safetensors_close(tensors);
}

void fixture_check_gradients(
    const fixture *f, const char *configuration, normd_shape shape, const normd_array *mask)
{
    check c = {.f = f, .mask = mask, .session = fixture_session(f, configuration)};
    c.x = fixture_normal(f, NORMD_F64, shape, 11);
    normd_buffer *before = fixture_export(c.session);
    normd_forward_result result;
    normd_tensor y = fixture_forward(f, c.session, &c.x.array, mask, false, &result);
    c.dy = fixture_normal(f, NORMD_F64, y.array.shape, 12);
    normd_tensor_release(&y);
    normd_tensor dx = fixture_backward(f, c.session, result.step, true, &c.dy.array);
    normd_buffer *after = fixture_export(c.session);
    fixture_import(c.session, before);
    check_dx(&c, &dx.array);
    check_parameters(&c, before, after);
    normd_tensor_release(&dx);
    normd_tensor_release(&c.x);
    normd_tensor_release(&c.dy);
    normd_buffer_release(before);
    normd_buffer_release(after);
    normd_session_destroy(c.session);
}
