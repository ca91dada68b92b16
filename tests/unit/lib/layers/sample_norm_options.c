// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <stdio.h>

typedef struct mistake {
    const char *configuration;
    const char *message;
} mistake;

static const mistake mistakes[] = {
    {"'layers': [{'type': 'layer_norm'}]",
        "layers[0].normalized_shape: expected the extents of the last axes, since neither "
        "`input` nor an earlier layer tells them; got nothing"},
    {"'input': [4, 6], 'layers': [{'type': 'layer_norm', 'normalized_shape': [4, 5]}]",
        "layers[0].normalized_shape: expected (4, 6), what comes before, got (4, 5)"},
    {"'layers': [{'type': 'layer_norm', 'normalized_shape': [0]}]",
        "layers[0].normalized_shape: expected a number of features or a list of 1 to 7 "
        "extents, "
        "at most 1073741824 values in all, got [0]"},
    {"'layers': [{'type': 'layer_norm', 'normalized_shape': 4, 'axis': [-2, -1]}]",
        "layers[0].normalized_shape: expected an extent for each of the 2 axes of `axis`, got "
        "1"},
    {"'input': [4, 6], 'layers': [{'type': 'layer_norm', 'axis': 1}]",
        "layers[0].axis: expected -1, or a list of the last axes, such as [-2, -1], got 1"},
    {"'input': [4, 6], 'layers': [{'type': 'layer_norm', 'axis': [-1, -1]}]",
        "layers[0].axis: expected -1, or a list of the last axes, such as [-2, -1], got [-1, "
        "-1]"},
    {"'input': 4, 'layers': [{'type': 'layer_norm', 'elementwise_affine': true, 'scale': "
     "true}]",
        "layers[0].elementwise_affine: expected it alone, or scale and center, got both"},
    {"'input': 4, 'layers': [{'type': 'layer_norm', 'bias': false, 'bias_init': 'ones'}]",
        "layers[0].bias_init: expected affine or center to be true where it is given, got "
        "false"},
    {"'input': 4, 'layers': [{'type': 'rms_norm', 'center': true}]", NULL},
    {"'input': 4, 'layers': [{'type': 'rms_norm', 'eps': -1}]",
        "layers[0].eps: expected a number in [0, inf] or null, got -1"},
    {"'input': 4, 'layers': [{'type': 'group_norm'}]",
        "layers[0].num_groups: expected the number of groups, got nothing"},
    {"'input': 6, 'layers': [{'type': 'group_norm', 'num_groups': 4}]",
        "layers[0].num_groups: expected a number of groups that divides the 6 features, or -1 "
        "for one feature a group, got 4"},
    {"'input': 6, 'layers': [{'type': 'group_norm', 'num_groups': 0}]", NULL},
    {"'input': 6, 'layers': [{'type': 'group_norm', 'num_groups': 2, 'num_channels': 4}]",
        "layers[0].num_channels: expected 6, what comes before, got 4"},
    {"'layers': [{'type': 'group_norm', 'num_groups': 2, 'lazy': false}]",
        "layers[0].features: expected a number, since neither `input` nor an earlier layer "
        "tells it; got nothing"},
    {"'input': 6, 'layers': [{'type': 'group_norm', 'num_groups': 2, 'axis': 0}]",
        "layers[0].axis: expected 1 (features second) or -1 (features last), got 0"},
    {"'input': 6, 'layers': [{'type': 'group_norm', 'num_groups': 2, 'momentum': 0.1}]", NULL},
    {"'input': [3, 4], 'layers': [{'type': 'instance_norm2d'}]",
        "layers[0].type: expected an input of 4 axes before instance_norm2d, got one of 3 "
        "axes"},
    {"'input': [3, 4], 'layers': [{'type': 'instance_norm', 'running_mean_init': 'ones'}]",
        "layers[0].running_mean_init: expected track_running_stats to be true where it is "
        "given, got false"},
    {"'input': [3, 4], 'layers': [{'type': 'instance_norm', 'momentum': 2}]",
        "layers[0].momentum: expected a number in [0, 1] or null, got 2"},
};

static void mistakes_are_named(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        char text[512];
        snprintf(text, sizeof text, "{%s}", mistakes[i].configuration);
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

typedef struct told {
    const char *configuration;
    normd_convention convention;
    const char *layer;
} told;

#define ONES "{'name': 'ones'}"
#define ZEROS "{'name': 'zeros'}"

static void describe_fills_in_every_default(void **state)
{
    (void)state;
    static const told rows[] = {
        {"'input': [4, 6], 'layers': [{'type': 'layer_norm'}]", NORMD_PYTORCH,
            "{'type': 'layer_norm', 'normalized_shape': [6], 'eps': 1e-5, 'elementwise_affine': "
            "true, 'bias': true, 'weight_init': " ONES ", 'bias_init': " ZEROS
            ", 'trainable': true, 'on_nonfinite': 'reject'}"},
        {"'convention': 'keras', 'input': [4, 6], 'layers': [{'type': 'layer_norm', 'axis': [1, "
         "2], 'center': false}]",
            NORMD_KERAS,
            "{'type': 'layer_norm', 'normalized_shape': [4, 6], 'axis': [-2, -1], 'epsilon': 1e-3, "
            "'center': false, 'scale': true, 'gamma_initializer': " ONES
            ", 'trainable': true, 'on_nonfinite': 'reject'}"},
        {"'convention': 'keras', 'input': 6, 'layers': [{'type': 'rms_norm'}]", NORMD_PYTORCH,
            "{'type': 'rms_norm', 'normalized_shape': [6], 'eps': 1e-6, 'elementwise_affine': true,"
            " 'weight_init': " ONES ", 'trainable': true, 'on_nonfinite': 'reject'}"},
        {"'dtype': 'float64', 'input': 6, 'layers': [{'type': 'rms_norm', 'eps': null}]",
            NORMD_KERAS,
            "{'type': 'rms_norm', 'normalized_shape': [6], 'axis': -1, 'epsilon': "
            "2.220446049250313e-16, 'scale': true, 'gamma_initializer': " ONES
            ", 'trainable': true, 'on_nonfinite': 'reject'}"},
        {"'convention': 'keras', 'input': [5, 64], 'layers': [{'type': 'group_norm'}]", NORMD_KERAS,
            "{'type': 'group_norm', 'groups': 32, 'features': 64, 'axis': -1, 'epsilon': 1e-3, "
            "'center': true, 'scale': true, 'gamma_initializer': " ONES
            ", 'beta_initializer': " ZEROS ", 'trainable': true, 'on_nonfinite': 'reject'}"},
        {"'input': [6, 5], 'layers': [{'type': 'group_norm', 'groups': 3, 'scale': false}]",
            NORMD_PYTORCH,
            "{'type': 'group_norm', 'num_groups': 3, 'num_channels': 6, 'axis': 1, 'eps': 1e-5, "
            "'center': true, 'scale': false, 'bias_init': " ZEROS
            ", 'trainable': true, 'on_nonfinite': 'reject'}"},
        {"'input': [6, 5], 'layers': [{'type': 'instance_norm1d'}]", NORMD_KERAS,
            "{'type': 'instance_norm1d', 'features': 6, 'axis': 1, 'epsilon': 1e-5, 'center': "
            "false, 'scale': false, 'track_running_stats': false, 'momentum': 0.9, "
            "'running_variance': 'unbiased', 'on_single_value': 'error', 'trainable': true, "
            "'on_nonfinite': 'reject'}"},
    };
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[512];
        snprintf(text, sizeof text, "{%s}", rows[i].configuration);
        normd_session *session = fixture_session(&f, text);
        normd_snapshot *snapshot = normd_session_snapshot(session);
        json_t *description = normd_snapshot_describe(snapshot, rows[i].convention);
        json_t *layer = json_array_get(json_object_get(description, "layers"), 0);
        json_t *expected = fixture_json(rows[i].layer);
        if (!json_equal(layer, expected)) {
            char *got = json_dumps(layer, 0);
            fail_msg("row %zu: got %s", i, got);
        }
        json_decref(expected);
        json_decref(description);
        normd_snapshot_release(snapshot);
        normd_session_destroy(session);
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(describe_fills_in_every_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
