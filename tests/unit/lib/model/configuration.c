// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

static void mistakes_are_named(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    fixture_refused(
        &f, "{}", NORMD_BAD_ARGUMENT, "layers: expected a list of 1 to 1024 maps, got nothing");
    fixture_refused(&f, "{'layers': []}", NORMD_BAD_ARGUMENT,
        "layers: expected a list of 1 to 1024 maps, got []");
    fixture_refused(&f, "{'layers': [{'features': 3}]}", NORMD_BAD_ARGUMENT,
        "layers[0].type: expected the kind of the layer, got nothing");
    fixture_refused(&f, "{'layers': [{'type': 'batch_norm', 'lazy': false}]}", NORMD_BAD_ARGUMENT,
        "layers[0].features: expected a number, since neither `input` nor an earlier layer tells "
        "it; got nothing");
    fixture_refused(&f, "{'layers': [{'type': 'linear', 'out': 3, 'lazy': false}]}",
        NORMD_BAD_ARGUMENT,
        "layers[0].in: expected a number, since neither `input` nor an earlier layer tells it; got "
        "nothing");
    fixture_refused(&f, "{'layers': [{'type': 'linear', 'in': 3}]}", NORMD_BAD_ARGUMENT,
        "layers[0].out: expected the number of outputs, got nothing");
    fixture_refused(&f, "{'input': 5, 'layers': [{'type': 'linear', 'in': 3, 'out': 2}]}",
        NORMD_BAD_ARGUMENT, "layers[0].in: expected 5, what comes before, got 3");
    fixture_refused(&f,
        "{'layers': [{'type': 'linear', 'in': 3, 'out': 2}, {'type': 'batch_norm', 'features': "
        "3}]}",
        NORMD_BAD_ARGUMENT, "layers[1].features: expected 2, what comes before, got 3");
    fixture_refused(&f,
        "{'input': [3, 4, 5], 'layers': [{'type': 'batch_norm'}, {'type': 'linear', 'in': 3, "
        "'out': "
        "1}]}",
        NORMD_BAD_ARGUMENT, "layers[1].in: expected 5, what comes before, got 3");
    fixture_refused(&f,
        "{'input': [3, 4], 'layers': [{'type': 'batch_norm'}, {'type': 'relu'}], 'loss': {'type': "
        "'cross_entropy', 'weight': [1, 2, 3, 4]}}",
        NORMD_BAD_ARGUMENT, "loss.weight: expected 3 values, got 4");
    fixture_refused(&f, "{'input': 2.0, 'layers': [{'type': 'relu'}]}", NORMD_BAD_ARGUMENT,
        "input: expected a number of features, or a list of 1 to 7 extents of x without the batch "
        "axis (numbers from 1, or null), got 2.0");
    fixture_refused(&f, "{'layers': [{'type': 'linear', 'in': 2000000, 'out': 2000000}]}",
        NORMD_TOO_LARGE,
        "layers[0]: expected no more than 2147483648 parameters and statistics in a session, got "
        "more");
    fixture_close(&f);
}

static void what_cannot_be_read_is_refused(void **state)
{
    (void)state;
    const char *configurations[] = {
        "{'layers': [{'type': 'relu'}], 'speed': 3}",
        "{'layers': [{'type': 'relu', 'speed': 3}]}",
        "{'layers': [{'type': 'attention'}]}",
        "{'layers': [3]}",
        "{'layers': {}}",
        "{'layers': [{'type': 'relu'}], 'loss': 'hinge'}",
        "{'layers': [{'type': 'relu'}], 'loss': {'type': 'mse', 'a': 1}}",
        "{'layers': [{'type': 'relu'}], 'loss': {}}",
        "{'layers': [{'type': 'relu'}], 'loss': 3}",
        "{'layers': [{'type': 'relu'}], 'optimizer': 'guess'}",
        "{'layers': [{'type': 'relu'}], 'dtype': 'float16'}",
        "{'layers': [{'type': 'relu'}], 'convention': 'caffe'}",
        "{'layers': [{'type': 'relu'}], 'seed': -1}",
        "{'layers': [{'type': 'relu'}], 'input': 0}",
        "{'layers': [{'type': 'relu'}], 'input': []}",
        "{'layers': [{'type': 'relu'}], 'input': [1, 'a']}",
        "{'layers': [{'type': 'relu'}], 'input': [1, 2, 3, 4, 5, 6, 7, 8]}",
    };
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < sizeof configurations / sizeof *configurations; i++) {
        json_t *json = fixture_json(configurations[i]);
        normd_session *session = NULL;
        normd_error error = {.status = NORMD_OK};
        assert_int_equal(
            normd_session_create(&f.engine, json, NULL, &session, &error), NORMD_BAD_ARGUMENT);
        assert_int_equal(error.status, NORMD_BAD_ARGUMENT);
        assert_null(session);
        json_decref(json);
    }
    fixture_close(&f);
}

static void features_flow_from_layer_to_layer(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f,
        "{'layers': [{'type': 'batch_norm', 'features': 6}, {'type': 'relu'}, {'type': 'linear', "
        "'out': 4}, {'type': 'batch_norm'}]}");
    normd_snapshot *snapshot = normd_session_snapshot(session);
    json_t *description = normd_snapshot_describe(snapshot, NORMD_PYTORCH);
    json_t *layers = json_object_get(description, "layers");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(layers, 2), "in")), 6);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(layers, 3), "features")), 4);
    assert_true(json_is_null(json_object_get(description, "input")));
    assert_int_equal(normd_snapshot_stats_count(snapshot), 2);
    normd_layer_stats stats;
    normd_snapshot_stats(snapshot, 1, NORMD_PYTORCH, &stats);
    assert_string_equal(stats.name, "3");
    json_decref(description);
    normd_snapshot_release(snapshot);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void parameters_are_counted_as_each_framework_does(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f,
        "{'layers': [{'type': 'linear', 'in': 3, 'out': 5}, {'type': 'batch_norm'}, {'type': "
        "'batch_norm', 'trainable': false}]}");
    normd_snapshot *snapshot = normd_session_snapshot(session);
    json_t *description = normd_snapshot_describe(snapshot, NORMD_PYTORCH);
    json_t *expected = fixture_json("{'pytorch': {'trainable': 30, 'buffers': 22}, "
                                    "'keras': {'trainable': 30, 'non_trainable': 30}}");
    assert_true(json_equal(json_object_get(description, "parameters"), expected));
    json_decref(expected);
    json_decref(description);
    normd_snapshot_release(snapshot);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void the_description_makes_the_same_session(void **state)
{
    (void)state;
    const char *configurations[] = {
        "{'input': [3, null], 'layers': [{'type': 'batch_norm', 'scale': false}], 'seed': 5}",
        "{'convention': 'keras', 'dtype': 'float64', 'layers': [{'type': 'linear', 'in': 4, "
        "'units': 3}, {'type': 'batch_norm', 'momentum': null}, {'type': 'relu'}], "
        "'loss': 'mse', 'optimizer': 'adam', 'seed': 11}",
    };
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < 2; i++) {
        normd_session *session = fixture_session(&f, configurations[i]);
        normd_snapshot *snapshot = normd_session_snapshot(session);
        json_t *description =
            normd_snapshot_describe(snapshot, normd_snapshot_convention(snapshot));
        json_object_del(description, "version");
        json_object_del(description, "steps");
        json_object_del(description, "rates");
        json_object_del(description, "parameters");
        normd_session *again = NULL;
        normd_error error;
        if (normd_session_create(&f.engine, description, NULL, &again, &error) != NORMD_OK) {
            fail_msg("%s", error.message);
        }
        assert_true(normd_session_same_configuration(session, again));
        assert_true(fixture_same_state(session, again));
        json_object_set_new(description, "seed", json_integer(6));
        normd_session *other = NULL;
        assert_int_equal(
            normd_session_create(&f.engine, description, NULL, &other, &error), NORMD_OK);
        assert_false(normd_session_same_configuration(session, other));
        json_decref(description);
        normd_snapshot_release(snapshot);
        normd_session_destroy(session);
        normd_session_destroy(again);
        normd_session_destroy(other);
    }
    fixture_close(&f);
}

static void an_x_must_fit_the_input(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session =
        fixture_session(&f, "{'input': [3, null, 4], 'layers': [{'type': 'batch_norm'}]}");
    normd_snapshot *snapshot = normd_session_snapshot(session);
    assert_int_equal(normd_snapshot_cost(snapshot, &(normd_shape){4, {2, 3, 9, 4}}), 2 * 3 * 9 * 4);
    assert_true(normd_snapshot_cost(snapshot, &(normd_shape){4, {2, 3, 9, 5}}) == UINT64_MAX);
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){4, {2, 3, 9, 5}}, 1);
    normd_tensor y;
    normd_error error;
    assert_int_equal(normd_snapshot_infer(snapshot, &x, &y, &error), NORMD_BAD_SHAPE);
    assert_string_equal(error.message, "x: expected (N, 3, ?, 4), got (2, 3, 9, 5)");
    assert_null(x.buffer);
    normd_snapshot_release(snapshot);
    normd_session_destroy(session);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(what_cannot_be_read_is_refused),
        cmocka_unit_test(features_flow_from_layer_to_layer),
        cmocka_unit_test(parameters_are_counted_as_each_framework_does),
        cmocka_unit_test(the_description_makes_the_same_session),
        cmocka_unit_test(an_x_must_fit_the_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
