// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/session/statistics.h"

/* Batch renormalization, and Keras' count under a mask. */

#define SGD "'dtype': 'float64', 'optimizer': {'type': 'sgd', 'lr': 1}"

static double exported(normd_session *session, const char *name, size_t index)
{
    normd_buffer *file = fixture_export(session);
    normd_array array = fixture_exported(file, name);
    double value = fixture_at(&array, index);
    normd_buffer_release(file);
    return value;
}

static void expect_state(
    normd_session *session, const char *const names[], const double *want, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        /* Some ten roundings of numbers of order 1 to 100. */
        assert_true(fabs(exported(session, names[i], 0) - want[i]) <= 1e-13 * (1 + fabs(want[i])));
    }
}

static const char *const statistics[] = {
    "0.running_mean", "0.running_std", "0.running_var", "0.renorm_mean", "0.renorm_std"};
enum { STATISTICS = sizeof statistics / sizeof *statistics };

static void one_feature_follows_the_formulas(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    /* The batch 1, 3, 5, 7 has mean 4 and variance 5; eps 4 makes its deviation 3. Before it the
       deviations are 2 and the means 0: r = 1.5, d = 2. */
    normd_session *session = fixture_session(&f,
        "{'convention': 'keras', 'layers': [{'type': 'batch_norm', 'features': 1, 'epsilon': 4, "
        "'renorm': true, 'renorm_momentum': 0.75, 'momentum': 0.5, 'weight_init': [2], "
        "'bias_init': [1], 'running_var_init': [4]}], " SGD "}");
    const double initial[STATISTICS] = {0, 2, 4, 0, 2};
    expect_state(session, statistics, initial, STATISTICS);
    double values[4] = {1, 3, 5, 7}, gradients[4] = {1, 0, 0, 2};
    normd_array x = {.dtype = NORMD_F64, .shape = {2, {4, 1}}, .data = values};
    normd_array dy = {.dtype = NORMD_F64, .shape = {2, {4, 1}}, .data = gradients};
    normd_forward_result result;
    normd_tensor y = fixture_forward(&f, session, &x, NULL, true, &result);
    for (size_t i = 0; i < 4; i++) {
        double want = ((values[i] - 4) / 3 * 1.5 + 2) * 2 + 1;
        assert_true(fabs(fixture_at(&y.array, i) - want) <= 8 * DBL_EPSILON * fabs(want));
    }
    const double moved[STATISTICS] = {2, 2.5, 2.25, 1, 2.25};
    expect_state(session, statistics, moved, STATISTICS);
    /* sum(dy) = 3, sum(dy (x - 4)) = 3: dgamma = 3 / 3 * 1.5 + 2 * 3. */
    normd_tensor dx = fixture_backward(&f, session, result.step, true, &dy);
    assert_true(fabs(exported(session, "0.weight", 0) - (2 - 7.5)) <= 1e-14);
    assert_true(fabs(exported(session, "0.bias", 0) - (1 - 3)) <= 1e-14);
    for (size_t i = 0; i < 4; i++) {
        double want = 2 * 1.5 / 3 * (gradients[i] - 0.75 - (values[i] - 4) / 9 * 0.75);
        assert_true(fabs(fixture_at(&dx.array, i) - want) <= 1e-14);
    }
    normd_tensor_release(&y);
    normd_tensor_release(&dx);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void pytorchs_momentum_counts_the_other_way(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f,
        "{'layers': [{'type': 'batch_norm', 'features': 1, 'eps': 4, 'renorm': true, "
        "'renorm_momentum': 0.25, 'momentum': 0.5, 'running_var_init': [4]}], " SGD "}");
    double values[4] = {1, 3, 5, 7};
    normd_array x = {.dtype = NORMD_F64, .shape = {2, {4, 1}}, .data = values};
    normd_forward_result result;
    normd_tensor y = fixture_forward(&f, session, &x, NULL, true, &result);
    const double moved[STATISTICS] = {2, 2.5, 2.25, 1, 2.25};
    expect_state(session, statistics, moved, STATISTICS);
    normd_tensor_release(&y);
    /* Without update_stats the corrections are there, but nothing moves. */
    y = fixture_forward(&f, session, &x, NULL, false, &result);
    double want = (values[3] - 4) / 3 * (3 / 2.25) + (4 - 1) / 2.25;
    assert_true(fabs(fixture_at(&y.array, 3) - want) <= 8 * DBL_EPSILON * fabs(want));
    expect_state(session, statistics, moved, STATISTICS);
    normd_tensor_release(&y);
    uint64_t version;
    normd_error error;
    assert_int_equal(normd_session_reset_statistics(session, NULL, &version, &error), NORMD_OK);
    const double reset[STATISTICS] = {0, 1, 1, 0, 1};
    expect_state(session, statistics, reset, STATISTICS);
    normd_session_destroy(session);
    fixture_close(&f);
}

/* With bounds that hold r and d where they are, they are constants for central differences too. */
static void gradients_are_those_of_central_differences(void **state)
{
    (void)state;
    const char *const options[] = {
        "",
        ", 'axis': -1",
        ", 'virtual_batch_size': 3, 'virtual_batch_split': 'strided'",
        ", 'virtual_batch_size': 4, 'virtual_batch_split': 'contiguous', 'axis': -1",
        ", 'center': false",
        ", 'scale': false",
    };
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        char text[512];
        snprintf(text, sizeof text,
            "{'layers': [{'type': 'batch_norm', 'features': 2, 'renorm': true, "
            "'running_mean_init': 100, 'renorm_clipping': {'rmin': 1.25, 'rmax': 1.25, 'dmax': "
            "0.25}%s}], " SGD "}",
            options[i]);
        fixture_check_gradients(&f, text, (normd_shape){3, {6, 2, 2}}, NULL);
    }
    fixture_close(&f);
}

/* r and d of each chunk are of the statistics that the one before it left. */
static void contiguous_virtual_batches_correct_one_after_the_other(void **state)
{
    (void)state;
    const normd_dtype types[] = {NORMD_F32, NORMD_F64};
    fixture f;
    fixture_open(&f, 2, NULL);
    for (size_t t = 0; t < 4; t++) {
        char text[2][400];
        for (int k = 0; k < 2; k++) {
            snprintf(text[k], sizeof text[k],
                "{'layers': [{'type': 'batch_norm', 'features': 5, 'axis': %d, 'renorm': true, "
                "'renorm_momentum': 0.5, 'weight_init': 'random_normal'%s}], 'dtype': '%s'}",
                t / 2 == 0 ? 1 : -1, k == 0 ? ", 'virtual_batch_size': 4" : "",
                normd_dtype_title(types[t % 2]));
        }
        normd_session *together = fixture_session(&f, text[0]);
        normd_session *in_turn = fixture_session(&f, text[1]);
        normd_tensor x = fixture_normal(&f, types[t % 2], (normd_shape){3, {12, 5, 5}}, 1);
        normd_forward_result result;
        normd_tensor y = fixture_forward(&f, together, &x.array, NULL, true, &result);
        double unit = t % 2 == 0 ? (double)FLT_EPSILON : DBL_EPSILON;
        for (size_t g = 0; g < 3; g++) {
            normd_array part = x.array;
            part.shape.dim[0] = 4;
            part.data = (char *)x.buffer->data + g * normd_array_bytes(&part);
            normd_tensor one = fixture_forward(&f, in_turn, &part, NULL, true, &result);
            for (size_t i = 0; i < 100; i++) {
                double got = fixture_at(&y.array, g * 100 + i), want = fixture_at(&one.array, i);
                assert_true(fabs(got - want) <= 64 * unit * (1 + fabs(want)));
            }
            normd_tensor_release(&one);
        }
        for (size_t i = 0; i < STATISTICS; i++) {
            for (size_t c = 0; c < 5; c++) {
                double want = exported(in_turn, statistics[i], c);
                assert_true(fabs(exported(together, statistics[i], c) - want) <= 16 * unit);
            }
        }
        normd_tensor_release(&x);
        normd_tensor_release(&y);
        normd_session_destroy(together);
        normd_session_destroy(in_turn);
    }
    fixture_close(&f);
}

static void a_correction_that_is_not_finite_is_refused(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f,
        "{'layers': [{'type': 'batch_norm', 'features': 1, 'renorm': true, 'eps': 0, "
        "'running_var_init': 0}]}");
    float values[2] = {1, 2};
    const normd_array array = {.dtype = NORMD_F32, .shape = {2, {2, 1}}, .data = values};
    normd_tensor x = fixture_copy(&f, &array), y;
    normd_forward_options options = {.update_stats = true};
    normd_forward_result result;
    normd_error error;
    assert_int_equal(
        normd_session_forward(session, &x, &options, &y, &result, &error), NORMD_NOT_FINITE);
    assert_string_equal(error.message,
        "x: expected values whose renormalization is finite in float32, got r inf and d inf in "
        "feature 0");
    normd_session_destroy(session);
    fixture_close(&f);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    const char *const wrong[][2] = {
        {"'renorm_clipping': {'rmax': 2}",
            "layers[0].renorm_clipping: expected renorm to be true where it is given, got false"},
        {"'renorm_momentum': 0.5",
            "layers[0].renorm_momentum: expected renorm to be true where it is given, got false"},
        {"'renorm': true, 'renorm_clipping': {'rmax': 0.5, 'rmin': 2}",
            "layers[0].renorm_clipping.rmax: expected rmin, 2, or more, got 0.5"},
        {"'renorm': true, 'renorm_clipping': {'dmax': -1}",
            "layers[0].renorm_clipping.dmax: expected a number in [0, inf] or null, got -1"},
        {"'renorm': true, 'renorm_clipping': {'rmid': 1}",
            "layers[0].renorm_clipping: expected the keys \"rmax\", \"rmin\", \"dmax\", got "
            "\"rmid\""},
        {"'renorm': true, 'renorm_clipping': 3",
            "layers[0].renorm_clipping: expected a map of rmax, rmin and dmax, or null, got 3"},
        {"'renorm': true, 'renorm_momentum': 2",
            "layers[0].renorm_momentum: expected a number in [0, 1], got 2"},
        {"'renorm': true, 'track_running_stats': false",
            "layers[0].renorm: expected false where track_running_stats is false: it corrects by "
            "the running statistics; got true"},
        {"'renorm': true, 'running_variance': 'unbiased'",
            "layers[0].running_variance: expected \"biased\" where renorm is true: the running "
            "variance is made of the running deviation; got \"unbiased\""},
        {"'virtual_batch_size': 0",
            "layers[0].virtual_batch_size: expected an integer in [1, 1073741824], got 0"},
        {"'virtual_batch_split': 'strided'",
            "layers[0].virtual_batch_split: expected a virtual_batch_size where it is given, got "
            "none"},
        {"'virtual_batch_size': 2, 'virtual_batch_split': 'random'",
            "layers[0].virtual_batch_split: expected one of \"strided\", \"contiguous\", got "
            "\"random\""},
        {"'mask_epsilon': -1", "layers[0].mask_epsilon: expected a number in [0, 1], got -1"},
    };
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[256];
        snprintf(text, sizeof text, "{'layers': [{'type': 'batch_norm', 'features': 1, %s}]}",
            wrong[i][0]);
        fixture_refused(&f, text, NORMD_BAD_ARGUMENT, wrong[i][1]);
    }
    fixture_close(&f);
}

static void the_description_says_all_in_the_words_of_either_framework(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f,
        "{'layers': [{'type': 'batch_norm', 'features': 4, 'renorm': true, 'renorm_clipping': "
        "{'rmax': 3}, 'virtual_batch_size': 8}]}");
    normd_snapshot *snapshot = normd_session_snapshot(session);
    json_t *description = normd_snapshot_describe(snapshot, NORMD_KERAS);
    const json_t *layer = json_array_get(json_object_get(description, "layers"), 0);
    json_t *want = fixture_json(
        "{'renorm': true, 'renorm_clipping': {'rmax': 3.0, 'rmin': null, 'dmax': null}, "
        "'renorm_momentum': 0.99, 'virtual_batch_size': 8, 'virtual_batch_split': 'contiguous', "
        "'running_variance': 'biased', 'mask_epsilon': 0.0}");
    const char *key;
    json_t *value;
    json_object_foreach(want, key, value)
    {
        assert_true(json_equal(json_object_get(layer, key), value));
    }
    json_t *counts = fixture_json("{'pytorch': {'trainable': 8, 'buffers': 21}, 'keras': "
                                  "{'trainable': 8, 'non_trainable': 20}}");
    assert_true(json_equal(json_object_get(description, "parameters"), counts));
    /* What it says makes the same session again. */
    json_t *layers = json_pack(
        "{s:s, s:O}", "convention", "keras", "layers", json_object_get(description, "layers"));
    normd_session *again = NULL;
    normd_error error;
    assert_int_equal(normd_session_create(&f.engine, layers, NULL, &again, &error), NORMD_OK);
    normd_snapshot *other = normd_session_snapshot(again);
    json_t *repeated = normd_snapshot_describe(other, NORMD_KERAS);
    assert_true(
        json_equal(json_object_get(repeated, "layers"), json_object_get(description, "layers")));
    normd_snapshot_release(other);
    json_decref(repeated);
    normd_layer_stats stats;
    normd_snapshot_stats(snapshot, 0, NORMD_KERAS, &stats);
    assert_int_equal(stats.arrays, 7);
    assert_string_equal(stats.array_name[2], "moving_stddev");
    assert_string_equal(stats.array_name[3], "renorm_mean");
    assert_string_equal(stats.array_name[4], "renorm_stddev");
    json_decref(layers);
    json_decref(counts);
    json_decref(want);
    json_decref(description);
    normd_snapshot_release(snapshot);
    normd_session_destroy(session);
    normd_session_destroy(again);
    fixture_close(&f);
}

/* Large enough that what it adds to the count shows in every term. */
static void gradients_under_a_mask_are_those_of_central_differences(void **state)
{
    (void)state;
    uint8_t valid[12];
    for (size_t i = 0; i < sizeof valid; i++) {
        valid[i] = i % 5 < 3;
    }
    const normd_array mask = {.dtype = NORMD_BOOL, .shape = {2, {4, 3}}, .data = valid};
    const char *const options[] = {
        "'mask_epsilon': 1", "'mask_epsilon': 0.25, 'scale': false", "'mask_epsilon': 0"};
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        char text[256];
        snprintf(text, sizeof text,
            "{'convention': 'keras', 'layers': [{'type': 'batch_norm', 'features': 2, %s}], " SGD
            "}",
            options[i]);
        fixture_check_gradients(&f, text, (normd_shape){3, {4, 3, 2}}, &mask);
    }
    fixture_close(&f);
}

static void a_mask_divides_by_the_count_of_the_convention(void **state)
{
    (void)state;
    double values[4] = {2, 6, 1000, 4};
    uint8_t valid[4] = {1, 1, 0, 1};
    const normd_array x = {.dtype = NORMD_F64, .shape = {2, {4, 1}}, .data = values};
    const normd_array mask = {.dtype = NORMD_BOOL, .shape = {1, {4}}, .data = valid};
    const char *const conventions[] = {
        "'convention': 'keras', 'layers': [{'type': 'batch_norm', 'momentum': 0, ",
        "'layers': [{'type': 'batch_norm', 'momentum': 1, "};
    fixture f;
    fixture_open(&f, 0, NULL);
    for (int i = 0; i < 2; i++) {
        char text[256];
        snprintf(text, sizeof text, "{%s'features': 1}], 'dtype': 'float64'}", conventions[i]);
        normd_session *session = fixture_session(&f, text);
        normd_forward_result result;
        normd_tensor y = fixture_forward(&f, session, &x, &mask, true, &result);
        double count = i == 0 ? 3 + 1e-7 : 3;
        double mean = 12 / count;
        double m2 = (2 - mean) * (2 - mean) + (6 - mean) * (6 - mean) + (4 - mean) * (4 - mean);
        double var = m2 / (i == 0 ? count : 2);
        assert_true(fabs(exported(session, "0.running_mean", 0) - mean) <= 2e-15);
        assert_true(fabs(exported(session, "0.running_var", 0) - var) <= 4e-15);
        double eps = i == 0 ? 1e-3 : 1e-5;
        double masked = (1000 - mean) / sqrt(m2 / count + eps);
        assert_true(fabs(fixture_at(&y.array, 2) - masked) <= 1e-15 * masked);
        normd_tensor_release(&y);
        normd_session_destroy(session);
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_feature_follows_the_formulas),
        cmocka_unit_test(pytorchs_momentum_counts_the_other_way),
        cmocka_unit_test(gradients_are_those_of_central_differences),
        cmocka_unit_test(contiguous_virtual_batches_correct_one_after_the_other),
        cmocka_unit_test(a_correction_that_is_not_finite_is_refused),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(the_description_says_all_in_the_words_of_either_framework),
        cmocka_unit_test(gradients_under_a_mask_are_those_of_central_differences),
        cmocka_unit_test(a_mask_divides_by_the_count_of_the_convention),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
