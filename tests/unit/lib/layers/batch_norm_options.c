// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <stdio.h>
#include <string.h>

typedef struct mistake {
    const char *options;
    const char *message;
} mistake;

static void mistakes_are_named(void **state)
{
    (void)state;
    const mistake mistakes[] = {
        {"'features': 0", "layers[0].features: expected an integer in [1, 1073741824], got 0"},
        {"'momentum': 2, 'features': 1",
            "layers[0].momentum: expected a number in [0, 1] or null, got 2"},
        {"'axis': 0, 'features': 1", "layers[0].axis: expected one axis of the features: 1 "
                                     "(second) to 7, or -1 (last) to -7 "
                                     "from the end, got 0"},
        {"'axis': 1.0, 'features': 1", "layers[0].axis: expected one axis of the features: 1 "
                                       "(second) to 7, or -1 (last) to -7 "
                                       "from the end, got 1.0"},
        {"'axis': null, 'features': 1", "layers[0].axis: expected one axis of the features: 1 "
                                        "(second) to 7, or -1 (last) to -7 "
                                        "from the end, got null"},
        {"'axis': [1, 2], 'features': 1", "layers[0].axis: expected one axis of the features: 1 "
                                          "(second) to 7, or -1 (last) to -7 "
                                          "from the end, got [1, 2]"},
        {"'type': 'batch_norm2d', 'axis': 4, 'features': 1",
            "layers[0].axis: expected one axis of the features: 1 (second) to 3, or -1 (last) to "
            "-3 from the end, got 4"},
        {"'frozen_stats': true, 'track_running_stats': false, 'features': 1",
            "layers[0].frozen_stats: expected false where track_running_stats is false, got true"},
        {"'running_mean_init': 0, 'track_running_stats': false, 'features': 1",
            "layers[0].running_mean_init: expected track_running_stats to be true where it is "
            "given, got false"},
        {"'weight_init': 0, 'scale': false, 'features': 1",
            "layers[0].weight_init: expected affine or scale to be true where it is given, got "
            "false"},
        {"'affine': true, 'scale': false, 'features': 1",
            "layers[0].affine: expected it alone, or scale and center, got both"},
        {"'running_var_init': [1, -2], 'features': 2",
            "layers[0].running_var_init: expected values of 0 or more, got -2 at position 1"},
        {"'weight_init': [1, 2], 'features': 3", NULL},
        {"'running_variance': 'other', 'features': 1", NULL},
        {"'eps': -1, 'features': 1", NULL},
        {"'synchronized': 1, 'features': 1", NULL},
        {"'trainable': 1, 'features': 1", NULL},
    };
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        char text[256];
        const char *type = strstr(mistakes[i].options, "'type'") == NULL ? "batch_norm" : NULL;
        snprintf(text, sizeof text, "{'layers': [{%s%s%s%s}]}", type != NULL ? "'type': '" : "",
            type != NULL ? type : "", type != NULL ? "', " : "", mistakes[i].options);
        json_t *json = fixture_json(text);
        normd_session *session = NULL;
        normd_error error;
        assert_int_equal(
            normd_session_create(&f.engine, json, NULL, &session, &error), NORMD_BAD_ARGUMENT);
        assert_null(session);
        if (mistakes[i].message != NULL) {
            assert_string_equal(error.message, mistakes[i].message);
        }
        json_decref(json);
    }
    fixture_close(&f);
}

static json_t *described_layer(
    const fixture *f, const char *configuration, normd_convention convention)
{
    normd_session *session = fixture_session(f, configuration);
    normd_snapshot *snapshot = normd_session_snapshot(session);
    json_t *description = normd_snapshot_describe(snapshot, convention);
    json_t *layer = json_incref(json_array_get(json_object_get(description, "layers"), 0));
    json_decref(description);
    normd_snapshot_release(snapshot);
    normd_session_destroy(session);
    return layer;
}

static void expect_json(json_t *json, const char *expected)
{
    json_t *other = fixture_json(expected);
    if (!json_equal(json, other)) {
        fail_msg("got %s", json_dumps(json, 0));
    }
    json_decref(json);
    json_decref(other);
}

static void every_default_is_described_in_the_words_of_either_framework(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    const char *pytorch = "{'input': 4, 'layers': [{'type': 'batch_norm'}]}";
    expect_json(described_layer(&f, pytorch, NORMD_PYTORCH),
        "{'type': 'batch_norm', 'features': 4, 'eps': 1e-5, 'momentum': 0.1, 'affine': true, "
        "'track_running_stats': true, 'axis': 1, 'running_variance': 'unbiased', "
        "'weight_init': {'name': 'ones'}, 'bias_init': {'name': 'zeros'}, "
        "'running_mean_init': {'name': 'zeros'}, 'running_var_init': {'name': 'ones'}, "
        "'trainable': true, 'frozen_stats': false, 'on_single_value': 'error', 'on_nonfinite': "
        "'reject', 'mask_epsilon': 0.0, 'renorm': false, 'virtual_batch_size': null}");
    expect_json(described_layer(&f, pytorch, NORMD_KERAS),
        "{'type': 'batch_norm', 'features': 4, 'epsilon': 1e-5, 'momentum': 0.9, 'center': true, "
        "'scale': true, 'track_running_stats': true, 'axis': 1, 'running_variance': 'unbiased', "
        "'gamma_initializer': {'name': 'ones'}, 'beta_initializer': {'name': 'zeros'}, "
        "'moving_mean_initializer': {'name': 'zeros'}, "
        "'moving_variance_initializer': {'name': 'ones'}, "
        "'trainable': true, 'frozen_stats': false, 'on_single_value': 'error', 'on_nonfinite': "
        "'reject', 'mask_epsilon': 0.0, 'renorm': false, 'virtual_batch_size': null}");
    const char *keras = "{'convention': 'keras', 'input': [5, 4], 'layers': [{'type': 'batch_norm',"
                        " 'epsilon': 0.5, 'center': false, 'gamma_initializer': 'zeros', "
                        "'momentum': null}]}";
    expect_json(described_layer(&f, keras, NORMD_KERAS),
        "{'type': 'batch_norm', 'features': 4, 'epsilon': 0.5, 'momentum': null, 'center': false, "
        "'scale': true, 'track_running_stats': true, 'axis': -1, 'running_variance': 'biased', "
        "'gamma_initializer': {'name': 'zeros'}, 'moving_mean_initializer': {'name': 'zeros'}, "
        "'moving_variance_initializer': {'name': 'ones'}, 'trainable': true, "
        "'frozen_stats': false, 'on_single_value': 'allow', 'on_nonfinite': 'reject', "
        "'mask_epsilon': 1e-7, 'renorm': false, 'virtual_batch_size': null}");
    fixture_close(&f);
}

typedef struct wrong_shape {
    const char *layer;
    normd_shape x;
    const char *message;
} wrong_shape;

static void an_x_of_another_rank_or_extent_is_told_what_is_expected(void **state)
{
    (void)state;
    const wrong_shape wrong[] = {
        {"'type': 'batch_norm', 'axis': 2", {3, {2, 3, 5}}, "x: expected (N, ?, 3, ...), got "},
        {"'type': 'batch_norm', 'axis': -2", {3, {2, 5, 3}}, "x: expected (N, ..., 3, ?), got "},
        {"'type': 'batch_norm', 'axis': -3", {3, {2, 5, 3}}, "x: expected (N, ..., 3, ?, ?), got "},
        {"'type': 'batch_norm', 'axis': 3", {3, {2, 5, 3}}, "x: expected (N, ?, ?, 3, ...), got "},
        {"'type': 'batch_norm1d'", {4, {2, 3, 4, 4}}, "x: expected (N, 3, ...) of 2 or 3 axes, "},
        {"'type': 'batch_norm2d'", {3, {2, 3, 4}}, "x: expected (N, 3, ...) of 4 axes, got (2, "},
        {"'type': 'batch_norm3d'", {4, {2, 3, 4, 4}}, "x: expected (N, 3, ...) of 5 axes, got ("},
    };
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[256];
        snprintf(text, sizeof text, "{'layers': [{%s, 'features': 3}]}", wrong[i].layer);
        normd_session *session = fixture_session(&f, text);
        normd_snapshot *snapshot = normd_session_snapshot(session);
        normd_tensor x;
        normd_tensor y;
        normd_error error;
        assert_int_equal(
            normd_tensor_take(f.engine.buffers, NORMD_F32, &wrong[i].x, &x, &error), NORMD_OK);
        assert_int_equal(normd_snapshot_infer(snapshot, &x, &y, &error), NORMD_BAD_SHAPE);
        assert_memory_equal(error.message, wrong[i].message, strlen(wrong[i].message));
        normd_snapshot_release(snapshot);
        normd_session_destroy(session);
    }
    fixture_close(&f);
}

static void an_axis_that_the_input_does_not_have_is_refused_at_once(void **state)
{
    (void)state;
    const char *const configurations[][2] = {
        {"{'input': [3, null], 'layers': [{'type': 'batch_norm', 'axis': 3}]}",
            "layers[0].axis: expected one axis of the features: 1 (second) to 2, or -1 (last) to "
            "-2 from the end, got 3"},
        {"{'input': [3, 4], 'layers': [{'type': 'batch_norm2d'}]}",
            "layers[0].type: expected an input of 4 axes before batch_norm2d, got one of 3 axes"},
        {"{'layers': [{'type': 'batch_norm', 'features': 4}, {'type': 'batch_norm', 'axis': -1, "
         "'lazy': "
         "false}]}",
            "layers[1].features: expected a number, since neither `input` nor an earlier layer "
            "tells it; got nothing"},
    };
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < sizeof configurations / sizeof *configurations; i++) {
        json_t *json = fixture_json(configurations[i][0]);
        normd_session *session = NULL;
        normd_error error;
        assert_int_equal(
            normd_session_create(&f.engine, json, NULL, &session, &error), NORMD_BAD_ARGUMENT);
        assert_string_equal(error.message, configurations[i][1]);
        json_decref(json);
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(an_x_of_another_rank_or_extent_is_told_what_is_expected),
        cmocka_unit_test(an_axis_that_the_input_does_not_have_is_refused_at_once),
        cmocka_unit_test(every_default_is_described_in_the_words_of_either_framework),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
