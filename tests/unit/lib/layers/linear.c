// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Products over several blocks against plain loops in double. */

static double product(const normd_array *a, size_t a_from, size_t a_step, const normd_array *b,
    size_t b_from, size_t b_step, size_t count, double *size)
{
    double sum = 0.0;
    *size = 0.0;
    for (size_t i = 0; i < count; i++) {
        double term = fixture_at(a, a_from + i * a_step) * fixture_at(b, b_from + i * b_step);
        sum += term;
        *size += fabs(term);
    }
    return sum;
}

/* A sum of n products in float, in whatever order: n units of the sum of their sizes. */
static void expect_near(double got, double expected, double size, size_t count)
{
    assert_true(fabs(got - expected) <= (double)(count + 2) * (double)FLT_EPSILON * size);
}

/* `parts` above 1: the rows lie along two axes, rows / parts of them along the second. */
static void check(const fixture *f, size_t rows, size_t parts, size_t in, size_t out)
{
    normd_shape x_shape = {2, {rows, in}};
    normd_shape y_shape = {2, {rows, out}};
    if (parts > 1) {
        x_shape = (normd_shape){3, {parts, rows / parts, in}};
        y_shape = (normd_shape){3, {parts, rows / parts, out}};
    }
    char text[200];
    snprintf(text, sizeof text,
        "{'layers': [{'type': 'linear', 'in': %zu, 'out': %zu}], 'optimizer': {'type': 'sgd', "
        "'lr': 1}}",
        in, out);
    normd_session *session = fixture_session(f, text);
    normd_buffer *before = fixture_export(session);
    normd_array weight = fixture_exported(before, "0.weight");
    normd_array bias = fixture_exported(before, "0.bias");
    normd_tensor x = fixture_normal(f, NORMD_F32, x_shape, 1);
    normd_tensor dy = fixture_normal(f, NORMD_F32, y_shape, 2);
    normd_forward_result result;
    normd_tensor y = fixture_forward(f, session, &x.array, NULL, true, &result);
    assert_true(normd_shape_equal(&y.array.shape, &y_shape));
    normd_tensor dx = fixture_backward(f, session, result.step, true, &dy.array);
    normd_buffer *after = fixture_export(session);
    normd_array new_weight = fixture_exported(after, "0.weight");
    normd_array new_bias = fixture_exported(after, "0.bias");
    /* Steps that are prime to the extents, so that every block is visited, not every value. */
    double size;
    for (size_t i = 0; i < rows * out; i += 37) {
        size_t row = i / out;
        size_t o = i % out;
        double b = fixture_at(&bias, o);
        double sum = product(&x.array, row * in, 1, &weight, o * in, 1, in, &size) + b;
        expect_near(fixture_at(&y.array, i), sum, size + fabs(b), in);
    }
    for (size_t i = 0; i < rows * in; i += 37) {
        double sum = product(&dy.array, i / in * out, 1, &weight, i % in, in, out, &size);
        expect_near(fixture_at(&dx.array, i), sum, size, out);
    }
    for (size_t i = 0; i < out * in; i += 37) {
        double sum = product(&dy.array, i / in, out, &x.array, i % in, in, rows, &size);
        double old = fixture_at(&weight, i);
        expect_near(old - fixture_at(&new_weight, i), sum, size + fabs(old), rows);
    }
    for (size_t o = 0; o < out; o++) {
        double sum = 0.0;
        for (size_t row = 0; row < rows; row++) {
            sum += fixture_at(&dy.array, row * out + o);
        }
        double old = fixture_at(&bias, o);
        expect_near(old - fixture_at(&new_bias, o), sum, fabs(sum) + fabs(old), 0);
    }
    normd_buffer_release(before);
    normd_buffer_release(after);
    normd_tensor_release(&x);
    normd_tensor_release(&y);
    normd_tensor_release(&dx);
    normd_tensor_release(&dy);
    normd_session_destroy(session);
}

static void products_follow_the_definition(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 2, NULL);
    check(&f, 1, 1, 1, 1);
    check(&f, 7, 1, 13, 5);
    check(&f, 300, 1, 65, 270);
    check(&f, 64, 1, 600, 301);
    check(&f, 15, 3, 13, 5);
    check(&f, 300, 4, 65, 270);
    fixture_close(&f);
}

static void what_comes_before_tells_the_last_axis(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f,
        "{'input': [null, 6], 'layers': [{'type': 'linear', 'out': 5}, {'type': 'relu'}, {'type': "
        "'linear', 'in': 5, 'out': 4}, {'type': 'batch_norm', 'features': 4, 'axis': -1}]}");
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){3, {3, 7, 6}}, 1);
    normd_tensor y = fixture_infer(&f, session, &x.array);
    assert_true(normd_shape_equal(&y.array.shape, &(normd_shape){3, {3, 7, 4}}));
    normd_tensor_release(&x);
    normd_tensor_release(&y);
    normd_session_destroy(session);
    fixture_refused(&f,
        "{'input': [7, 6], 'layers': [{'type': 'linear', 'out': 5}, {'type': 'batch_norm', "
        "'features': 5}]}",
        NORMD_BAD_ARGUMENT, "layers[1].features: expected 7, what comes before, got 5");
    session = fixture_session(&f, "{'layers': [{'type': 'linear', 'in': 3, 'out': 2}]}");
    normd_snapshot *snapshot = normd_session_snapshot(session);
    normd_tensor wrong = fixture_normal(&f, NORMD_F32, (normd_shape){3, {3, 3, 4}}, 1);
    normd_error error;
    assert_int_equal(normd_snapshot_infer(snapshot, &wrong, &y, &error), NORMD_BAD_SHAPE);
    assert_string_equal(error.message, "x: expected (N, ..., 3), got (3, 3, 4)");
    normd_tensor_release(&wrong);
    normd_snapshot_release(snapshot);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void gradients_of_three_axes_are_those_of_differences(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    fixture_check_gradients(&f,
        "{'layers': [{'type': 'linear', 'in': 4, 'out': 5}, {'type': 'tanh'}, {'type': 'linear', "
        "'out': 3}], 'dtype': 'float64', 'optimizer': {'type': 'sgd', 'lr': 1}}",
        (normd_shape){3, {3, 2, 4}}, NULL);
    fixture_close(&f);
}

/* Creates linear 3 to 2 with W from an array under `name`. */
static normd_status create_with(const fixture *f, const char *convention, const char *name,
    normd_shape shape, normd_session **session, normd_error *error)
{
    float numbers[] = {0, 1, 2, 3, 4, 5};
    const normd_array array = {.dtype = NORMD_F32, .shape = shape, .data = numbers};
    const normd_attachments attachments = {.array = &array, .count = 1};
    char text[200];
    snprintf(text, sizeof text,
        "{'convention': '%s', 'layers': [{'type': 'linear', 'in': 3, 'out': 2, 'bias': false, "
        "'%s': {'$array': 0}}]}",
        convention, name);
    json_t *configuration = fixture_json(text);
    normd_status status =
        normd_session_create(&f->engine, configuration, &attachments, session, error);
    json_decref(configuration);
    return status;
}

static void an_array_lies_as_its_name_says(void **state)
{
    (void)state;
    static const struct {
        const char *convention, *name;
        normd_shape shape;
        double weight[6]; /* (out, in) */
    } cases[] = {
        {"pytorch", "weight_init", {2, {2, 3}}, {0, 1, 2, 3, 4, 5}},
        {"keras", "weight_init", {2, {2, 3}}, {0, 1, 2, 3, 4, 5}},
        {"keras", "kernel_initializer", {2, {3, 2}}, {0, 2, 4, 1, 3, 5}},
    };
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        normd_session *session = NULL;
        normd_error error;
        assert_int_equal(
            create_with(&f, cases[i].convention, cases[i].name, cases[i].shape, &session, &error),
            NORMD_OK);
        normd_buffer *file = fixture_export(session);
        normd_array weight = fixture_exported(file, "0.weight");
        for (size_t n = 0; n < 6; n++) {
            assert_true(fixture_at(&weight, n) == cases[i].weight[n]);
        }
        normd_buffer_release(file);
        normd_session_destroy(session);
    }
    fixture_close(&f);
}

static void an_array_of_another_shape_is_refused(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = NULL;
    normd_error error;
    assert_int_equal(
        create_with(&f, "keras", "kernel_initializer", (normd_shape){2, {2, 3}}, &session, &error),
        NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message, "layers[0].kernel_initializer: expected an array of shape "
                                       "(3, 2), got one of shape (2, 3)");
    assert_int_equal(
        create_with(&f, "pytorch", "weight_init", (normd_shape){1, {6}}, &session, &error),
        NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message, "layers[0].weight_init: expected an array of shape (2, 3), "
                                       "got one of shape (6,)");
    fixture_refused(&f,
        "{'layers': [{'type': 'linear', 'in': 3, 'out': 2, 'weight_init': [0, 1, 2, 3, 4, 5]}]}",
        NORMD_BAD_ARGUMENT,
        "layers[0].weight_init: expected an array of shape (2, 3), got a list; send an array");
    fixture_refused(&f, "{'layers': [{'type': 'linear', 'in': 2147483647, 'out': 2147483647}]}",
        NORMD_TOO_LARGE,
        "layers[0]: expected an array that fits in memory, got one of shape (2147483647, "
        "2147483647)");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_array_lies_as_its_name_says),
        cmocka_unit_test(an_array_of_another_shape_is_refused),
        cmocka_unit_test(products_follow_the_definition),
        cmocka_unit_test(what_comes_before_tells_the_last_axis),
        cmocka_unit_test(gradients_of_three_axes_are_those_of_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
