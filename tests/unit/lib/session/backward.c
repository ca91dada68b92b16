// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <string.h>

#define SGD_1 "'dtype': 'float64', 'optimizer': {'type': 'sgd', 'lr': 1}"

static void gradients_of_a_linear_layer_match_differences(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    fixture_check_gradients(&f, "{'layers': [{'type': 'linear', 'in': 7, 'out': 5}], " SGD_1 "}",
        (normd_shape){2, {6, 7}}, NULL);
    fixture_check_gradients(&f,
        "{'layers': [{'type': 'linear', 'in': 3, 'out': 4, 'bias': false}], " SGD_1 "}",
        (normd_shape){2, {2, 3}}, NULL);
    fixture_close(&f);
}

static void gradients_of_relu_match_differences(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    fixture_check_gradients(
        &f, "{'layers': [{'type': 'relu'}], " SGD_1 "}", (normd_shape){3, {4, 3, 2}}, NULL);
    fixture_check_gradients(&f, "{'layers': [{'type': 'relu'}, {'type': 'relu'}], " SGD_1 "}",
        (normd_shape){2, {4, 3}}, NULL);
    fixture_close(&f);
}

static void gradients_of_batch_norm_match_differences(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    fixture_check_gradients(&f, "{'layers': [{'type': 'batch_norm', 'features': 3}], " SGD_1 "}",
        (normd_shape){2, {8, 3}}, NULL);
    fixture_check_gradients(&f,
        "{'layers': [{'type': 'batch_norm', 'features': 3, 'weight_init': "
        "{'name': 'random_normal', 'mean': 1}, 'bias_init': 'random_normal'}], " SGD_1 "}",
        (normd_shape){4, {3, 3, 2, 2}}, NULL);
    fixture_check_gradients(&f,
        "{'layers': [{'type': 'batch_norm', 'features': 4, 'axis': -1, 'center': false}], " SGD_1
        "}",
        (normd_shape){3, {3, 3, 4}}, NULL);
    fixture_check_gradients(&f,
        "{'layers': [{'type': 'batch_norm', 'features': 4, 'scale': false, 'eps': 0}], " SGD_1 "}",
        (normd_shape){2, {6, 4}}, NULL);
    fixture_check_gradients(&f,
        "{'layers': [{'type': 'batch_norm', 'features': 2, 'affine': false, "
        "'track_running_stats': false}], " SGD_1 "}",
        (normd_shape){2, {6, 2}}, NULL);
    fixture_close(&f);
}

static void gradients_under_a_mask_match_differences(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    uint8_t valid[12] = {1, 1, 0, 1, 0, 1, 1, 0, 1, 1, 1, 0};
    normd_array mask = {.dtype = NORMD_BOOL, .shape = {2, {4, 3}}, .data = valid};
    fixture_check_gradients(&f,
        "{'layers': [{'type': 'batch_norm', 'features': 2, 'axis': -1}], " SGD_1 "}",
        (normd_shape){3, {4, 3, 2}}, &mask);
    fixture_check_gradients(&f, "{'layers': [{'type': 'batch_norm', 'features': 2}], " SGD_1 "}",
        (normd_shape){3, {4, 2, 3}}, &mask);
    mask.shape = (normd_shape){1, {12}};
    fixture_check_gradients(&f,
        "{'layers': [{'type': 'linear', 'in': 3, 'out': 4}, {'type': 'batch_norm'}, "
        "{'type': 'relu'}, {'type': 'linear', 'out': 3}, {'type': 'batch_norm'}], " SGD_1 "}",
        (normd_shape){2, {12, 3}}, &mask);
    fixture_close(&f);
}

static void gradients_of_a_frozen_batch_norm_match_differences(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f,
        "{'layers': [{'type': 'batch_norm', 'features': 3, 'trainable': false, 'eps': 0, "
        "'weight_init': {'name': 'constant', 'value': 3}, "
        "'running_var_init': {'name': 'constant', 'value': 4}}], " SGD_1 "}");
    normd_tensor x = fixture_normal(&f, NORMD_F64, (normd_shape){2, {5, 3}}, 1);
    normd_tensor dy = fixture_normal(&f, NORMD_F64, (normd_shape){2, {5, 3}}, 2);
    normd_buffer *before = fixture_export(session);
    normd_forward_result result;
    normd_tensor y = fixture_forward(&f, session, &x.array, NULL, true, &result);
    normd_tensor dx = fixture_backward(&f, session, result.step, true, &dy.array);
    normd_buffer *after = fixture_export(session);
    for (size_t i = 0; i < 15; i++) {
        /* 3 / sqrt(4) is exact, and one product is rounded once. */
        assert_true(fixture_at(&y.array, i) == fixture_at(&x.array, i) * 1.5);
        assert_true(fixture_at(&dx.array, i) == fixture_at(&dy.array, i) * 1.5);
    }
    const char *names[] = {
        "0.weight", "0.bias", "0.running_mean", "0.running_var", "0.num_batches_tracked"};
    for (size_t i = 0; i < 5; i++) {
        normd_array old = fixture_exported(before, names[i]);
        normd_array new = fixture_exported(after, names[i]);
        assert_memory_equal(old.data, new.data, normd_array_bytes(&old));
    }
    normd_tensor_release(&x);
    normd_tensor_release(&dy);
    normd_tensor_release(&y);
    normd_tensor_release(&dx);
    normd_buffer_release(before);
    normd_buffer_release(after);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void gradients_of_whole_models_match_differences(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    fixture_check_gradients(&f,
        "{'layers': [{'type': 'linear', 'in': 4, 'out': 6}, {'type': 'batch_norm'}, "
        "{'type': 'relu'}, {'type': 'linear', 'out': 3}], " SGD_1 "}",
        (normd_shape){2, {10, 4}}, NULL);
    fixture_check_gradients(&f,
        "{'convention': 'keras', 'layers': [{'type': 'batch_norm', 'features': 4}, "
        "{'type': 'relu'}, {'type': 'linear', 'units': 3}, {'type': 'batch_norm', 'affine': false, "
        "'trainable': false}, {'type': 'relu'}, {'type': 'linear', 'units': 2, "
        "'bias_initializer': 'random_normal'}, "
        "{'type': 'relu'}], " SGD_1 "}",
        (normd_shape){2, {10, 4}}, NULL);
    fixture_close(&f);
}

#define LOSS_MODEL                                                                                 \
    "{'layers': [{'type': 'linear', 'in': 6, 'out': 8}, {'type': 'batch_norm'}, {'type': 'relu'}," \
    " {'type': 'linear', 'out': 4}], 'loss': 'mse', 'optimizer': {'type': 'sgd', 'lr': 0.5}}"

/* The gradient of the mean squared error by hand, in the precision of the session. */
static normd_tensor mse_gradient(const fixture *f, const normd_array *y, const normd_array *target)
{
    normd_tensor dy = fixture_copy(f, y);
    size_t count = normd_array_elements(y);
    for (size_t i = 0; i < count; i++) {
        double difference = fixture_at(y, i) - fixture_at(target, i);
        fixture_put(&dy.array, i, 2.0 * difference / (double)count);
    }
    return dy;
}

static void train_gives_the_bits_of_forward_and_backward(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *one = fixture_session(&f, LOSS_MODEL);
    normd_session *two = fixture_session(&f, LOSS_MODEL);
    normd_tensor target = fixture_normal(&f, NORMD_F32, (normd_shape){2, {16, 4}}, 100);
    for (uint64_t step = 1; step <= 5; step++) {
        normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {16, 6}}, step);
        fixture_train(one, &x.array, &target.array);
        normd_forward_result result;
        normd_tensor y = fixture_forward(&f, two, &x.array, NULL, true, &result);
        assert_int_equal(result.step, step);
        normd_tensor dy = mse_gradient(&f, &y.array, &target.array);
        normd_tensor dx = fixture_backward(&f, two, result.step, true, &dy.array);
        normd_tensor_release(&x);
        normd_tensor_release(&y);
        normd_tensor_release(&dy);
        normd_tensor_release(&dx);
    }
    const char *names[] = {"0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean",
        "1.running_var", "1.num_batches_tracked", "3.weight", "3.bias"};
    normd_buffer *of_one = fixture_export(one);
    normd_buffer *of_two = fixture_export(two);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        normd_array a = fixture_exported(of_one, names[i]);
        normd_array b = fixture_exported(of_two, names[i]);
        assert_memory_equal(a.data, b.data, normd_array_bytes(&a));
    }
    normd_buffer_release(of_one);
    normd_buffer_release(of_two);
    normd_tensor_release(&target);
    normd_session_destroy(one);
    normd_session_destroy(two);
    fixture_close(&f);
}

/* Sums of numbers that doubles hold exactly, so that the order of adding cannot be seen. */
static void accumulated_gradients_add_up(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f,
        "{'layers': [{'type': 'linear', 'in': 1, 'out': 1, 'weight_init': 'zeros', 'bias_init': "
        "'zeros'}], " SGD_1 "}");
    double xs[3] = {2, 3, 5};
    uint64_t steps[3];
    for (size_t i = 0; i < 3; i++) {
        normd_array x = {.dtype = NORMD_F64, .shape = {2, {1, 1}}, .data = &xs[i]};
        normd_forward_result result;
        normd_tensor y = fixture_forward(&f, session, &x, NULL, false, &result);
        steps[i] = result.step;
        assert_int_equal(result.version, 0);
        normd_tensor_release(&y);
    }
    uint64_t version;
    normd_error error;
    assert_int_equal(normd_session_step(session, &version, &error), NORMD_BAD_ARGUMENT);
    double one = 1;
    normd_array dy = {.dtype = NORMD_F64, .shape = {2, {1, 1}}, .data = &one};
    for (size_t i = 0; i < 3; i++) {
        normd_tensor dx = fixture_backward(&f, session, steps[i], false, &dy);
        normd_tensor_release(&dx);
    }
    normd_buffer *file = fixture_export(session);
    normd_array weight = fixture_exported(file, "0.weight");
    assert_true(fixture_at(&weight, 0) == 0.0);
    normd_buffer_release(file);
    assert_int_equal(normd_session_step(session, &version, &error), NORMD_OK);
    assert_int_equal(version, 4);
    file = fixture_export(session);
    weight = fixture_exported(file, "0.weight");
    normd_array bias = fixture_exported(file, "0.bias");
    assert_true(fixture_at(&weight, 0) == -10.0);
    assert_true(fixture_at(&bias, 0) == -3.0);
    normd_buffer_release(file);
    assert_int_equal(normd_session_step(session, &version, &error), NORMD_BAD_ARGUMENT);
    assert_int_equal(version, 4);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void accumulated_gradients_are_counted_among_the_bytes(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    /* W has 80000 bytes; a forward step of one row, and a snapshot, less than 4000 each. */
    normd_session *session = fixture_session(
        &f, "{'layers': [{'type': 'linear', 'in': 100, 'out': 100, 'bias': false}], " SGD_1 "}");
    normd_tensor x = fixture_normal(&f, NORMD_F64, (normd_shape){2, {1, 100}}, 1);
    size_t before = normd_session_bytes(session);
    for (int i = 0; i < 2; i++) {
        normd_forward_result result;
        normd_tensor y = fixture_forward(&f, session, &x.array, NULL, false, &result);
        normd_tensor dx = fixture_backward(&f, session, result.step, false, &y.array);
        normd_tensor_release(&y);
        normd_tensor_release(&dx);
        size_t more = normd_session_bytes(session) - before;
        assert_in_range(more, 80000, 84000);
    }
    normd_tensor_release(&x);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void backward_uses_the_parameters_of_its_forward(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f,
        "{'layers': [{'type': 'linear', 'in': 1, 'out': 1, 'bias': false, 'weight_init': 'ones'}], "
        "" SGD_1 "}");
    double two = 2;
    normd_array x = {.dtype = NORMD_F64, .shape = {2, {1, 1}}, .data = &two};
    normd_forward_result first;
    normd_forward_result second;
    normd_tensor y = fixture_forward(&f, session, &x, NULL, true, &first);
    normd_tensor_release(&y);
    y = fixture_forward(&f, session, &x, NULL, true, &second);
    normd_tensor_release(&y);
    normd_tensor dx = fixture_backward(&f, session, second.step, true, &x);
    normd_tensor_release(&dx);
    /* The weight is 1 - 2 * 2 = -3 by now; dx = dy * 1 all the same. */
    dx = fixture_backward(&f, session, first.step, true, &x);
    assert_true(fixture_at(&dx.array, 0) == 2.0);
    normd_tensor_release(&dx);
    normd_buffer *file = fixture_export(session);
    normd_array weight = fixture_exported(file, "0.weight");
    assert_true(fixture_at(&weight, 0) == -7.0);
    normd_buffer_release(file);
    normd_session_destroy(session);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_a_linear_layer_match_differences),
        cmocka_unit_test(gradients_of_relu_match_differences),
        cmocka_unit_test(gradients_of_batch_norm_match_differences),
        cmocka_unit_test(gradients_under_a_mask_match_differences),
        cmocka_unit_test(gradients_of_a_frozen_batch_norm_match_differences),
        cmocka_unit_test(gradients_of_whole_models_match_differences),
        cmocka_unit_test(train_gives_the_bits_of_forward_and_backward),
        cmocka_unit_test(accumulated_gradients_add_up),
        cmocka_unit_test(accumulated_gradients_are_counted_among_the_bytes),
        cmocka_unit_test(backward_uses_the_parameters_of_its_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
