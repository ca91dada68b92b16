// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Virtual batches against the same batch norm on each of them alone. */

/* The samples of x that are virtual batch `group` of `groups`; of contiguous ones all but the last
   have `size` samples. */
static normd_tensor gather(
    const fixture *f, const normd_array *x, size_t group, size_t groups, size_t size, bool strided)
{
    size_t samples = x->shape.dim[0];
    size_t bytes = normd_array_bytes(x) / samples;
    normd_shape shape = x->shape;
    size_t first = strided ? group : group * size;
    shape.dim[0] = strided || group + 1 < groups ? size : samples - first;
    normd_tensor part = fixture_normal(f, x->dtype, shape, 1);
    for (size_t i = 0; i < shape.dim[0]; i++) {
        size_t sample = strided ? i * groups + group : first + i;
        memcpy(
            (char *)part.buffer->data + i * bytes, (const char *)x->data + sample * bytes, bytes);
    }
    return part;
}

static normd_array exported(normd_session *session, const char *name, normd_buffer **file)
{
    *file = fixture_export(session);
    return fixture_exported(*file, name);
}

typedef struct setting {
    normd_dtype dtype;
    normd_shape shape;
    int axis;
    size_t features;
    size_t size;   /* asked for */
    size_t groups; /* that come of it, of `each` samples, the last maybe of fewer */
    size_t each;
    bool strided;
    double offset;
    const char *behind; /* another layer */
} setting;

static normd_session *open_session(const fixture *f, const setting *s, size_t size, double momentum)
{
    char cut[96] = "";
    if (size > 0) {
        snprintf(cut, sizeof cut, ", 'virtual_batch_size': %zu, 'virtual_batch_split': '%s'", size,
            s->strided ? "strided" : "contiguous");
    }
    char text[512];
    snprintf(text, sizeof text,
        "{'layers': [{'type': 'batch_norm', 'features': %zu, 'axis': %d, 'momentum': %g%s, "
        "'on_single_value': 'allow', 'weight_init': 'random_normal', 'bias_init': 'random_normal'"
        "}%s], 'dtype': '%s', 'seed': 5, 'optimizer': {'type': 'sgd', 'lr': 1}}",
        s->features, s->axis, momentum, cut, s->behind, normd_dtype_title(s->dtype));
    return fixture_session(f, text);
}

/*
 * y and dx come from the same kernels; only the moments and the sums of dy may be cut into tiles in
 * another way. With the rounding unit u of the type they are sums in double, so float32 has none of
 * it left but a last place of each coefficient; of double a channel's n values leave n u. The
 * results are of the size of a few deviations.
 */
static double bound_of(const setting *s, double size)
{
    double values = 1;
    for (uint32_t i = 0; i < s->shape.rank; i++) {
        values *= (double)s->shape.dim[i];
    }
    double unit = s->dtype == NORMD_F32 ? (double)FLT_EPSILON : DBL_EPSILON;
    double sums = 4 * values / (double)s->features * DBL_EPSILON * (1 + fabs(s->offset));
    return (8 * unit + sums) * size;
}

static double largest(const normd_array *a)
{
    double most = 1;
    for (size_t i = 0; i < normd_array_elements(a); i++) {
        most = fmax(most, fabs(fixture_at(a, i)));
    }
    return most;
}

static void expect_same(const normd_array *got, const normd_array *want, double bound)
{
    assert_true(normd_shape_equal(&got->shape, &want->shape));
    for (size_t i = 0; i < normd_array_elements(got); i++) {
        double difference = fabs(fixture_at(got, i) - fixture_at(want, i));
        if (!(difference <= bound)) {
            fail_msg("element %zu: %.17g, expected %.17g, bound %g", i, fixture_at(got, i),
                fixture_at(want, i), bound);
        }
    }
}

/* One group alone: its y and dx, its part of the gradients, and its moments (by momentum 1). */
static void check_group(const fixture *f, const setting *s, size_t group, const normd_array *all,
    normd_session *in_turn, double gradient[2][64], double moments[2][64])
{
    normd_session *alone = open_session(f, s, 0, 1);
    normd_tensor part[4];
    for (int i = 0; i < 4; i++) {
        part[i] = gather(f, &all[i], group, s->groups, s->each, s->strided);
    }
    normd_buffer *before, *after;
    normd_array weight[2] = {exported(alone, "0.weight", &before), {0}};
    normd_array bias[2] = {fixture_exported(before, "0.bias"), {0}};
    normd_forward_result result;
    normd_tensor got = fixture_forward(f, alone, &part[0].array, NULL, true, &result);
    normd_tensor back = fixture_backward(f, alone, result.step, true, &part[1].array);
    expect_same(&part[2].array, &got.array, bound_of(s, largest(&got.array)));
    expect_same(&part[3].array, &back.array, bound_of(s, 16 * largest(&back.array)));
    weight[1] = exported(alone, "0.weight", &after);
    bias[1] = fixture_exported(after, "0.bias");
    normd_array mean = fixture_exported(after, "0.running_mean");
    normd_array var = fixture_exported(after, "0.running_var");
    for (size_t c = 0; c < s->features; c++) {
        gradient[0][c] += fixture_at(&weight[0], c) - fixture_at(&weight[1], c);
        gradient[1][c] += fixture_at(&bias[0], c) - fixture_at(&bias[1], c);
        moments[0][c] += fixture_at(&mean, c) / (double)s->groups;
        moments[1][c] += fixture_at(&var, c) / (double)s->groups;
    }
    normd_tensor turn = fixture_forward(f, in_turn, &part[0].array, NULL, true, &result);
    normd_tensor_release(&turn);
    normd_tensor_release(&got);
    normd_tensor_release(&back);
    for (int i = 0; i < 4; i++) {
        normd_tensor_release(&part[i]);
    }
    normd_buffer_release(before);
    normd_buffer_release(after);
    normd_session_destroy(alone);
}

/* The gradients add up over the groups; the running statistics move once by the averages, or group
   by group. */
static void check_state(const setting *s, normd_session *session, const normd_buffer *before,
    normd_session *in_turn, double gradient[2][64], double moments[2][64])
{
    static const char *const learned[2] = {"0.weight", "0.bias"};
    static const char *const running[2] = {"0.running_mean", "0.running_var"};
    normd_buffer *file = fixture_export(session), *turn = fixture_export(in_turn);
    for (int i = 0; i < 2; i++) {
        normd_array old = fixture_exported(before, learned[i]);
        normd_array new = fixture_exported(file, learned[i]);
        normd_array stored = fixture_exported(file, running[i]);
        normd_array one_by_one = fixture_exported(turn, running[i]);
        for (size_t c = 0; c < s->features; c++) {
            double want = fixture_at(&old, c) - gradient[i][c];
            double size = (double)s->groups * (8 + fabs(gradient[i][c]) + fabs(want));
            assert_true(fabs(fixture_at(&new, c) - want) <= bound_of(s, 16 * size));
            double moved = fixture_at(&one_by_one, c);
            if (s->strided) {
                moved = 0.75 * i + 0.25 * moments[i][c];
            }
            double bound = bound_of(s, (double)s->groups * (1 + s->offset * s->offset));
            assert_true(fabs(fixture_at(&stored, c) - moved) <= bound);
        }
    }
    normd_array batches = fixture_exported(file, "0.num_batches_tracked");
    int64_t count;
    memcpy(&count, batches.data, sizeof count);
    assert_int_equal(count, s->strided ? 1 : s->groups);
    normd_buffer_release(file);
    normd_buffer_release(turn);
}

static void check(const fixture *f, const setting *s)
{
    normd_session *session = open_session(f, s, s->size, 0.25);
    normd_session *in_turn = open_session(f, s, 0, 0.25);
    normd_buffer *before = fixture_export(session);
    normd_tensor x = fixture_normal(f, s->dtype, s->shape, 1);
    normd_tensor dy = fixture_normal(f, s->dtype, s->shape, 2);
    for (size_t i = 0; i < normd_array_elements(&x.array); i++) {
        fixture_put(&x.array, i, fixture_at(&x.array, i) + s->offset);
    }
    normd_forward_result result;
    normd_tensor y = fixture_forward(f, session, &x.array, NULL, true, &result);
    normd_tensor dx = fixture_backward(f, session, result.step, true, &dy.array);
    double gradient[2][64] = {{0}}, moments[2][64] = {{0}};
    const normd_array all[4] = {x.array, dy.array, y.array, dx.array};
    for (size_t g = 0; g < s->groups; g++) {
        check_group(f, s, g, all, in_turn, gradient, moments);
    }
    check_state(s, session, before, in_turn, gradient, moments);
    normd_buffer_release(before);
    normd_tensor_release(&x);
    normd_tensor_release(&dy);
    normd_tensor_release(&y);
    normd_tensor_release(&dx);
    normd_session_destroy(session);
    normd_session_destroy(in_turn);
}

static void each_virtual_batch_is_normalized_as_if_it_came_alone(void **state)
{
    (void)state;
    const setting settings[] = {
        {.shape = {2, {12, 5}}, .axis = 1, .features = 5, .size = 4, .groups = 3, .each = 4},
        {.shape = {3, {8, 6, 20}}, .axis = 1, .features = 6, .size = 2, .groups = 4, .each = 2},
        {.shape = {3, {8, 6, 7}}, .axis = -1, .features = 7, .size = 4, .groups = 2, .each = 4},
        {.shape = {4, {6, 3, 4, 5}}, .axis = 2, .features = 4, .size = 3, .groups = 2, .each = 3},
        /* Large enough for a group in several tiles, read in all three ways. */
        {.shape = {3, {800, 17, 20}},
            .axis = 1,
            .features = 17,
            .size = 400,
            .groups = 2,
            .each = 400},
        {.shape = {3, {800, 20, 17}},
            .axis = -1,
            .features = 17,
            .size = 400,
            .groups = 2,
            .each = 400},
    };
    fixture f;
    fixture_open(&f, 2, NULL);
    for (size_t i = 0; i < 8 * sizeof settings / sizeof *settings; i++) {
        setting s = settings[i / 8];
        s.dtype = i % 2 == 0 ? NORMD_F32 : NORMD_F64;
        s.strided = i / 2 % 2 == 0;
        s.offset = i / 4 % 2 == 0 ? 0 : 1000;
        s.behind = "";
        check(&f, &s);
    }
    fixture_close(&f);
}

static void contiguous_chunks_are_those_of_torch_chunk(void **state)
{
    (void)state;
    /* N, virtual batch size: chunks, and samples of all but the last. */
    const size_t rows[][4] = {
        {10, 4, 3, 4}, {9, 8, 2, 5}, {9, 2, 5, 2}, {10, 3, 4, 3}, {6, 4, 2, 3}, {3, 8, 1, 3}};
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int axis = 1; axis >= -1; axis -= 2) {
            setting s = {.shape = {3, {rows[i][0], 3, 3}},
                .axis = axis,
                .features = 3,
                .size = rows[i][1],
                .groups = rows[i][2],
                .each = rows[i][3],
                .behind = ""};
            s.dtype = NORMD_F32;
            check(&f, &s);
            s.dtype = NORMD_F64;
            check(&f, &s);
        }
    }
    fixture_close(&f);
}

static void a_relu_behind_virtual_batches_gates_their_gradients(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    setting s = {.shape = {3, {12, 4, 3}},
        .axis = 1,
        .features = 4,
        .size = 4,
        .groups = 3,
        .each = 4,
        .behind = ", {'type': 'relu'}"};
    for (int i = 0; i < 8; i++) {
        s.dtype = i % 2 == 0 ? NORMD_F32 : NORMD_F64;
        s.strided = i / 2 % 2 == 0;
        s.axis = i / 4 == 0 ? 1 : -1;
        s.features = i / 4 == 0 ? 4 : 3;
        check(&f, &s);
    }
    fixture_close(&f);
}

/* Every derivative of one call, as no reference would share a mistake with it. */
static void gradients_are_those_of_central_differences(void **state)
{
    (void)state;
    const char *const options[] = {
        "'virtual_batch_size': 3, 'virtual_batch_split': 'strided'",
        "'virtual_batch_size': 3, 'virtual_batch_split': 'strided', 'axis': -1",
        "'virtual_batch_size': 4, 'virtual_batch_split': 'contiguous'",
        "'virtual_batch_size': 4, 'virtual_batch_split': 'contiguous', 'axis': -1, 'center': false",
    };
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        char text[400];
        snprintf(text, sizeof text,
            "{'layers': [{'type': 'batch_norm', 'features': 2, %s}], 'dtype': 'float64', "
            "'optimizer': {'type': 'sgd', 'lr': 1}}",
            options[i]);
        fixture_check_gradients(&f, text, (normd_shape){3, {6, 2, 2}}, NULL);
    }
    fixture_close(&f);
}

static void the_bits_do_not_depend_on_the_threads(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        const setting s = {.dtype = NORMD_F32,
            .shape = {3, {900, 20, 20}},
            .axis = i / 2 ? 1 : -1,
            .features = 20,
            .size = 300,
            .strided = i % 2 == 0,
            .behind = ""};
        normd_tensor dx[2];
        fixture f[2];
        for (int k = 0; k < 2; k++) {
            fixture_open(&f[k], k == 0 ? 0 : 4, NULL);
            normd_session *session = open_session(&f[k], &s, s.size, 0.25);
            normd_tensor x = fixture_normal(&f[k], s.dtype, s.shape, 1);
            normd_tensor dy = fixture_normal(&f[k], s.dtype, s.shape, 2);
            normd_forward_result result;
            normd_tensor y = fixture_forward(&f[k], session, &x.array, NULL, true, &result);
            dx[k] = fixture_backward(&f[k], session, result.step, true, &dy.array);
            normd_tensor_release(&x);
            normd_tensor_release(&dy);
            normd_tensor_release(&y);
            normd_session_destroy(session);
        }
        assert_memory_equal(dx[0].array.data, dx[1].array.data, normd_array_bytes(&dx[0].array));
        for (int k = 0; k < 2; k++) {
            normd_tensor_release(&dx[k]);
            fixture_close(&f[k]);
        }
    }
}

static void expect_refused(const fixture *f, normd_session *session, normd_shape shape,
    const normd_array *mask, normd_status status, const char *message)
{
    normd_tensor x = fixture_normal(f, NORMD_F32, shape, 1);
    normd_tensor y;
    normd_forward_options options = {.mask = mask, .update_stats = true};
    normd_forward_result result;
    normd_error error;
    assert_int_equal(normd_session_forward(session, &x, &options, &y, &result, &error), status);
    assert_string_equal(error.message, message);
}

static void what_virtual_batches_cannot_take_is_refused(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f,
        "{'convention': 'keras', 'layers': [{'type': 'batch_norm', 'features': 3, "
        "'virtual_batch_size': 4}]}");
    expect_refused(&f, session, (normd_shape){2, {10, 3}}, NULL, NORMD_BAD_SHAPE,
        "x: expected a multiple of 4 samples, the virtual batch size, got 10");
    const uint8_t valid[8] = {1, 1, 1, 0, 1, 1, 1, 1};
    normd_array mask = {.dtype = NORMD_BOOL, .shape = {1, {8}}, .data = (void *)(uintptr_t)valid};
    expect_refused(&f, session, (normd_shape){2, {8, 3}}, &mask, NORMD_BAD_ARGUMENT,
        "mask: expected no mask where a layer has virtual batches, got one");
    normd_session_destroy(session);
    session = fixture_session(
        &f, "{'layers': [{'type': 'batch_norm', 'features': 3, 'virtual_batch_size': 4}]}");
    /* Chunks of 4, 4, 4 and 1. */
    expect_refused(&f, session, (normd_shape){2, {13, 3}}, NULL, NORMD_BAD_SHAPE,
        "x: expected more than 1 value per channel for batch statistics, got (13, 3) with virtual "
        "batches");
    normd_session_destroy(session);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_virtual_batch_is_normalized_as_if_it_came_alone),
        cmocka_unit_test(contiguous_chunks_are_those_of_torch_chunk),
        cmocka_unit_test(a_relu_behind_virtual_batches_gates_their_gradients),
        cmocka_unit_test(gradients_are_those_of_central_differences),
        cmocka_unit_test(the_bits_do_not_depend_on_the_threads),
        cmocka_unit_test(what_virtual_batches_cannot_take_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
