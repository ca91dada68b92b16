// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <stdio.h>

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
        {"'axis': 2, 'features': 1",
            "layers[0].axis: expected 1 (features second) or -1 (features last), got 2"},
        {"'axis': 1.0, 'features': 1",
            "layers[0].axis: expected 1 (features second) or -1 (features last), got 1.0"},
        {"'axis': null, 'features': 1",
            "layers[0].axis: expected 1 (features second) or -1 (features last), got null"},
        {"'affine': true, 'scale': false, 'features': 1",
            "layers[0].affine: expected it alone, or scale and center, got both"},
        {"'running_var_init': [1, -2], 'features': 2",
            "layers[0].running_var_init: expected values of 0 or more, got -2 at position 1"},
        {"'weight_init': [1, 2], 'features': 3", NULL},
        {"'running_variance': 'other', 'features': 1", NULL},
        {"'eps': -1, 'features': 1", NULL},
        {"'gamma_initializer': 'ones', 'features': 1", NULL},
        {"'trainable': 1, 'features': 1", NULL},
    };
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        char text[256];
        snprintf(
            text, sizeof text, "{'layers': [{'type': 'batch_norm', %s}]}", mistakes[i].options);
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
        "'trainable': true, 'on_single_value': 'error', 'on_nonfinite': 'reject'}");
    expect_json(described_layer(&f, pytorch, NORMD_KERAS),
        "{'type': 'batch_norm', 'features': 4, 'epsilon': 1e-5, 'momentum': 0.9, 'center': true, "
        "'scale': true, 'track_running_stats': true, 'axis': 1, 'running_variance': 'unbiased', "
        "'gamma_initializer': {'name': 'ones'}, 'beta_initializer': {'name': 'zeros'}, "
        "'moving_mean_initializer': {'name': 'zeros'}, "
        "'moving_variance_initializer': {'name': 'ones'}, "
        "'trainable': true, 'on_single_value': 'error', 'on_nonfinite': 'reject'}");
    const char *keras = "{'convention': 'keras', 'input': [5, 4], 'layers': [{'type': 'batch_norm',"
                        " 'epsilon': 0.5, 'center': false, 'gamma_initializer': 'zeros', "
                        "'momentum': null}]}";
    expect_json(described_layer(&f, keras, NORMD_KERAS),
        "{'type': 'batch_norm', 'features': 4, 'epsilon': 0.5, 'momentum': null, 'center': false, "
        "'scale': true, 'track_running_stats': true, 'axis': -1, 'running_variance': 'biased', "
        "'gamma_initializer': {'name': 'zeros'}, 'moving_mean_initializer': {'name': 'zeros'}, "
        "'moving_variance_initializer': {'name': 'ones'}, 'trainable': true, "
        "'on_single_value': 'allow', 'on_nonfinite': 'reject'}");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(every_default_is_described_in_the_words_of_either_framework),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
