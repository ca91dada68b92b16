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
    assert_string_equal(error.message, "x: expected more than 1 value per channel when training, "
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
        cmocka_unit_test(a_mask_needs_a_batch_norm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
