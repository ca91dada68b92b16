// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <math.h>
#include <string.h>

static const char one_norm[] = "{'layers': [{'type': 'batch_norm', 'features': 3}]}";

static normd_status try_forward(const fixture *f, normd_session *session, const normd_array *x,
    const normd_array *mask, normd_error *error)
{
    normd_tensor copy = fixture_copy(f, x);
    normd_forward_options options = {.mask = mask, .update_stats = true};
    normd_tensor y;
    normd_forward_result result;
    normd_status status = normd_session_forward(session, &copy, &options, &y, &result, error);
    assert_null(copy.buffer);
    normd_tensor_release(&y);
    return status;
}

static void without_update_the_statistics_stay(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, one_norm);
    normd_session *untouched = fixture_session(&f, one_norm);
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {8, 3}}, 1);
    normd_forward_result result;
    normd_tensor y = fixture_forward(&f, session, &x.array, NULL, false, &result);
    assert_int_equal(result.step, 1);
    assert_int_equal(result.version, 0);
    assert_true(fixture_same_state(session, untouched));
    normd_tensor again = fixture_forward(&f, session, &x.array, NULL, true, &result);
    assert_int_equal(result.step, 2);
    assert_int_equal(result.version, 1);
    assert_memory_equal(y.array.data, again.array.data, normd_array_bytes(&y.array));
    assert_false(fixture_same_state(session, untouched));
    normd_tensor_release(&x);
    normd_tensor_release(&y);
    normd_tensor_release(&again);
    normd_session_destroy(session);
    normd_session_destroy(untouched);
    fixture_close(&f);
}

static void a_refused_forward_leaves_the_session_bit_for_bit(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, one_norm);
    normd_session *untouched = fixture_session(&f, one_norm);
    normd_error error;
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {4, 3}}, 1);
    fixture_put(&x.array, 10, NAN);
    assert_int_equal(try_forward(&f, session, &x.array, NULL, &error), NORMD_NOT_FINITE);
    assert_string_equal(
        error.message, "x: expected finite values, got NaN or infinity in feature 1");
    /* The variance of float32 values near 1e30 is a double, but no float32. */
    fixture_put(&x.array, 10, 1e30);
    assert_int_equal(try_forward(&f, session, &x.array, NULL, &error), NORMD_NOT_FINITE);
    assert_string_equal(error.message,
        "x: expected values whose mean and variance are finite in float32, got an overflow in "
        "feature 1");
    uint8_t valid[8] = {0};
    normd_array mask = {.dtype = NORMD_BOOL, .shape = {1, {4}}, .data = valid};
    assert_int_equal(try_forward(&f, session, &x.array, &mask, &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message, "mask: expected at least one valid position, got none in 4");
    valid[1] = 1;
    assert_int_equal(try_forward(&f, session, &x.array, &mask, &error), NORMD_BAD_SHAPE);
    assert_string_equal(error.message,
        "x: expected more than 1 value per channel for batch statistics, "
        "got (4, 3) with one position valid");
    mask.shape = (normd_shape){2, {4, 2}};
    assert_int_equal(try_forward(&f, session, &x.array, &mask, &error), NORMD_BAD_SHAPE);
    assert_string_equal(
        error.message, "mask: expected (4,), the shape of x without its features, got (4, 2)");
    mask.dtype = NORMD_U8;
    assert_int_equal(try_forward(&f, session, &x.array, &mask, &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message, "mask: expected bool values, got uint8");
    assert_true(fixture_same_state(session, untouched));
    normd_tensor_release(&x);
    normd_session_destroy(session);
    normd_session_destroy(untouched);
    fixture_close(&f);
}

static void a_mask_counts_like_a_smaller_batch(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *masked = fixture_session(&f, one_norm);
    normd_session *smaller = fixture_session(&f, one_norm);
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {6, 3}}, 1);
    uint8_t valid[6] = {1, 1, 1, 1, 0, 0};
    normd_array mask = {.dtype = NORMD_BOOL, .shape = {1, {6}}, .data = valid};
    normd_forward_result result;
    normd_tensor all = fixture_forward(&f, masked, &x.array, &mask, true, &result);
    x.array.shape.dim[0] = 4;
    normd_tensor part = fixture_forward(&f, smaller, &x.array, NULL, true, &result);
    /* Moments in double of few floats: both orders of adding round to the same float. */
    normd_buffer *a = fixture_export(masked);
    normd_buffer *b = fixture_export(smaller);
    const char *names[] = {"0.running_mean", "0.running_var"};
    for (size_t n = 0; n < 2; n++) {
        normd_array of_a = fixture_exported(a, names[n]);
        normd_array of_b = fixture_exported(b, names[n]);
        for (size_t i = 0; i < 3; i++) {
            assert_true(fabs(fixture_at(&of_a, i) - fixture_at(&of_b, i)) <=
                        1.2e-7 * fabs(fixture_at(&of_b, i)));
        }
    }
    for (size_t i = 0; i < 12; i++) {
        assert_true(fabs(fixture_at(&all.array, i) - fixture_at(&part.array, i)) <= 1e-6);
    }
    normd_buffer_release(a);
    normd_buffer_release(b);
    x.array.shape.dim[0] = 6;
    normd_tensor_release(&x);
    normd_tensor_release(&all);
    normd_tensor_release(&part);
    normd_session_destroy(masked);
    normd_session_destroy(smaller);
    fixture_close(&f);
}

/* A masked step there and back: y and dx, then the state. */
static normd_buffer *masked_step(
    const fixture *f, const normd_array *x, uint8_t valid[12], normd_tensor *y, normd_tensor *dx)
{
    normd_session *session = fixture_session(f, one_norm);
    normd_array mask = {.dtype = NORMD_BOOL, .shape = {1, {x->shape.dim[0]}}, .data = valid};
    if (x->shape.rank == 3) {
        mask.shape = (normd_shape){2, {x->shape.dim[0], x->shape.dim[2]}};
    }
    normd_forward_result result;
    *y = fixture_forward(f, session, x, &mask, true, &result);
    *dx = fixture_backward(f, session, result.step, true, x);
    normd_buffer *file = fixture_export(session);
    normd_session_destroy(session);
    return file;
}

static void any_byte_but_zero_is_true_in_a_mask(void **state)
{
    (void)state;
    static const char *const kernels[] = {NULL, "reference"};
    static const normd_shape shapes[] = {{2, {12, 3}}, {3, {6, 3, 2}}};
    uint8_t ones[12] = {1, 1, 1, 0, 0, 1, 1, 0, 1, 1, 1, 0};
    uint8_t bytes[12] = {1, 2, 255, 0, 0, 128, 254, 0, 16, 3, 127, 0};
    for (size_t i = 0; i < 4; i++) {
        fixture f;
        fixture_open(&f, 0, kernels[i % 2]);
        normd_tensor x = fixture_normal(&f, NORMD_F32, shapes[i / 2], 1);
        normd_tensor y[2];
        normd_tensor dx[2];
        normd_buffer *state_of[2];
        state_of[0] = masked_step(&f, &x.array, ones, &y[0], &dx[0]);
        state_of[1] = masked_step(&f, &x.array, bytes, &y[1], &dx[1]);
        size_t size = normd_array_bytes(&x.array);
        assert_memory_equal(y[0].array.data, y[1].array.data, size);
        assert_memory_equal(dx[0].array.data, dx[1].array.data, size);
        assert_int_equal(state_of[0]->size, state_of[1]->size);
        assert_memory_equal(state_of[0]->data, state_of[1]->data, state_of[0]->size);
        for (size_t n = 0; n < 2; n++) {
            normd_tensor_release(&y[n]);
            normd_tensor_release(&dx[n]);
            normd_buffer_release(state_of[n]);
        }
        normd_tensor_release(&x);
        fixture_close(&f);
    }
}

static void a_mask_needs_a_batch_norm(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session =
        fixture_session(&f, "{'layers': [{'type': 'linear', 'in': 3, 'out': 2}]}");
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {2, 3}}, 1);
    uint8_t valid[2] = {1, 1};
    normd_array mask = {.dtype = NORMD_BOOL, .shape = {1, {2}}, .data = valid};
    normd_error error;
    assert_int_equal(try_forward(&f, session, &x.array, &mask, &error), NORMD_BAD_ARGUMENT);
    normd_tensor_release(&x);
    normd_session_destroy(session);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_update_the_statistics_stay),
        cmocka_unit_test(a_refused_forward_leaves_the_session_bit_for_bit),
        cmocka_unit_test(a_mask_counts_like_a_smaller_batch),
        cmocka_unit_test(any_byte_but_zero_is_true_in_a_mask),
        cmocka_unit_test(a_mask_needs_a_batch_norm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
