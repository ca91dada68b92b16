// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <math.h>
#include <stdio.h>

static normd_tensor infer_image(
    const fixture *f, const char *layer, const char *convention, float *values, normd_shape shape)
{
    char text[256];
    snprintf(text, sizeof text, "{'layers': [{%s}], 'convention': '%s'}", layer, convention);
    normd_session *session = fixture_session(f, text);
    const normd_array x = {.dtype = NORMD_F32, .shape = shape, .data = values};
    normd_tensor y = fixture_infer(f, session, &x);
    normd_session_destroy(session);
    return y;
}

static void expect_values(normd_tensor *y, const double *expected, size_t count)
{
    assert_int_equal(normd_array_elements(&y->array), count);
    for (size_t i = 0; i < count; i++) {
        double got = fixture_at(&y->array, i);
        assert_true(isnan(expected[i]) ? isnan(got) : got == expected[i]);
    }
    normd_tensor_release(y);
}

static void windows_give_their_largest_value_or_mean(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    float x[15] = {1, 2, 3, 4, -8, 5, 6, 7, 8, -9, -1, -2, -3, -4, -10};
    const normd_shape shape = {4, {1, 1, 3, 5}};
    normd_tensor y = infer_image(&f, "'type': 'max_pool2d', 'kernel_size': 2", "pytorch", x, shape);
    expect_values(&y, (double[]){6, 8}, 2);
    y = infer_image(&f, "'type': 'max_pool2d', 'kernel_size': 2, 'stride': 1, 'padding': [1, 0]",
        "pytorch", x, shape);
    expect_values(&y, (double[]){2, 3, 4, 4, 6, 7, 8, 8, 6, 7, 8, 8, -1, -2, -3, -4}, 16);
    y = infer_image(&f, "'type': 'avg_pool2d', 'kernel_size': [1, 2], 'padding': [0, 1]", "pytorch",
        x, (normd_shape){4, {1, 3, 1, 5}});
    expect_values(&y, (double[]){0.5, 2.5, -2, 2.5, 6.5, -0.5, -0.5, -2.5, -7}, 9);
    y = infer_image(&f,
        "'type': 'avg_pool2d', 'kernel_size': [1, 2], 'padding': [0, 1], 'count_include_pad': "
        "false",
        "pytorch", x, (normd_shape){4, {1, 3, 1, 5}});
    expect_values(&y, (double[]){1, 2.5, -2, 5, 6.5, -0.5, -1, -2.5, -7}, 9);
    y = infer_image(&f, "'type': 'average_pooling2d', 'pool_size': 2, 'padding': 'same'", "keras",
        x, (normd_shape){4, {1, 3, 5, 1}});
    expect_values(&y, (double[]){3.5, 5.5, -8.5, -1.5, -3.5, -10}, 6);
    fixture_close(&f);
}

static void nan_passes_and_all_channels_are_apart(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    float x[8] = {1, NAN, 3, -1, 2, -2, -INFINITY, -3}; /* (2, 2, 2) with the channels last */
    const normd_shape shape = {4, {1, 2, 2, 2}};
    normd_tensor y = infer_image(&f, "'type': 'max_pool2d'", "keras", x, shape);
    expect_values(&y, (double[]){3, NAN}, 2);
    float none[4] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
    y = infer_image(&f, "'type': 'max_pool2d'", "keras", none, (normd_shape){4, {1, 2, 2, 1}});
    expect_values(&y, (double[]){-INFINITY}, 1);
    fixture_close(&f);
}

static void global_means_come_in_either_shape(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    float x[8] = {1, 2, 3, 4, 5, 6, 7, 12};
    const normd_shape shape = {4, {1, 2, 2, 2}};
    normd_tensor y = infer_image(&f, "'type': 'global_avg_pool2d'", "pytorch", x, shape);
    assert_int_equal(y.array.shape.rank, 4);
    expect_values(&y, (double[]){2.5, 7.5}, 2);
    y = infer_image(&f, "'type': 'global_average_pooling2d'", "keras", x, shape);
    assert_int_equal(y.array.shape.rank, 2);
    expect_values(&y, (double[]){4, 6}, 2);
    fixture_close(&f);
}

static void gradients_are_those_of_differences(void **state)
{
    (void)state;
    static const char *const layers[] = {
        "'type': 'max_pool2d', 'kernel_size': 2",
        "'type': 'max_pool2d', 'kernel_size': 3, 'stride': 1, 'padding': 1",
        "'type': 'max_pool2d', 'kernel_size': [3, 2], 'stride': [2, 3], 'padding': 'same'",
        "'type': 'avg_pool2d', 'kernel_size': 2",
        "'type': 'avg_pool2d', 'kernel_size': 3, 'stride': 2, 'padding': 1",
        "'type': 'avg_pool2d', 'kernel_size': 3, 'stride': 2, 'padding': 'same', "
        "'count_include_pad': false",
        "'type': 'global_avg_pool2d'",
        "'type': 'adaptive_avg_pool2d', 'output_size': 1, 'keepdims': false",
    };
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        for (int last = 0; last < 2; last++) {
            char text[320];
            snprintf(text, sizeof text,
                "{'layers': [{%s, 'data_format': '%s'}], 'dtype': 'float64', 'optimizer': "
                "{'type': 'sgd', 'lr': 1}}",
                layers[i], last ? "channels_last" : "channels_first");
            fixture_check_gradients(&f, text, (normd_shape){4, {2, 3, 5, 4}}, NULL);
        }
    }
    fixture_close(&f);
}

static void options_are_described_in_the_words_of_either_framework(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f,
        "{'input': [null, null, 3], 'convention': 'keras', 'layers': [{'type': 'conv2d', "
        "'filters': 4, 'kernel_size': 3, 'padding': 'same', 'strides': [2, 1]}, {'type': "
        "'avg_pool2d', 'pool_size': 2}]}");
    normd_snapshot *snapshot = normd_session_snapshot(session);
    static const char *const expected[NORMD_CONVENTION_COUNT] = {
        [NORMD_PYTORCH] =
            "[{'type': 'conv2d', 'in': 3, 'out': 4, 'groups': 1, 'bias': true, 'data_format': "
            "'channels_last', 'trainable': true, 'kernel_size': [3, 3], 'stride': [2, 1], "
            "'padding': 'same', 'dilation': [1, 1], 'weight_init': {'name': 'glorot_uniform', "
            "'seed': null}, 'bias_init': {'name': 'zeros'}}, {'type': 'avg_pool2d', "
            "'data_format': 'channels_last', 'kernel_size': [2, 2], 'stride': [2, 2], 'padding': "
            "[0, 0], 'count_include_pad': false}]",
        [NORMD_KERAS] =
            "[{'type': 'conv2d', 'in': 3, 'filters': 4, 'groups': 1, 'use_bias': true, "
            "'data_format': 'channels_last', 'trainable': true, 'kernel_size': [3, 3], 'strides': "
            "[2, 1], 'padding': 'same', 'dilation_rate': [1, 1], 'kernel_initializer': {'name': "
            "'glorot_uniform', 'seed': null}, 'bias_initializer': {'name': 'zeros'}}, {'type': "
            "'avg_pool2d', 'data_format': 'channels_last', 'pool_size': [2, 2], 'strides': [2, 2], "
            "'padding': 'valid', 'count_include_pad': false}]",
    };
    for (int convention = 0; convention < NORMD_CONVENTION_COUNT; convention++) {
        json_t *description = normd_snapshot_describe(snapshot, (normd_convention)convention);
        json_t *layers = json_object_get(description, "layers");
        json_t *other = fixture_json(expected[convention]);
        if (!json_equal(layers, other)) {
            fail_msg("expected %s, got %s", expected[convention], json_dumps(layers, 0));
        }
        json_decref(description);
        json_decref(other);
    }
    normd_snapshot_release(snapshot);
    normd_session_destroy(session);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_give_their_largest_value_or_mean),
        cmocka_unit_test(nan_passes_and_all_channels_are_apart),
        cmocka_unit_test(global_means_come_in_either_shape),
        cmocka_unit_test(gradients_are_those_of_differences),
        cmocka_unit_test(options_are_described_in_the_words_of_either_framework),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
