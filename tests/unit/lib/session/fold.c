// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <math.h>
#include <string.h>

static const char classifier[] =
    "{'layers': [{'type': 'linear', 'in': 6, 'out': 8, 'bias': false}, {'type': 'batch_norm'},"
    " {'type': 'relu'}, {'type': 'batch_norm', 'scale': false},"
    " {'type': 'linear', 'out': 4}, {'type': 'batch_norm', 'center': false}],"
    " 'loss': 'cross_entropy', 'optimizer': {'type': 'adam'}, 'dtype': '%s'}";

static normd_session *made(const fixture *f, const char *dtype)
{
    char text[512];
    snprintf(text, sizeof text, classifier, dtype);
    normd_session *session = fixture_session(f, text);
    for (uint64_t step = 1; step < 6; step++) {
        normd_tensor x = fixture_normal(f, NORMD_F32, (normd_shape){2, {12, 6}}, step);
        normd_tensor labels = fixture_labels(f, 12, 4, step);
        fixture_train(session, &x.array, &labels.array);
        normd_tensor_release(&x);
        normd_tensor_release(&labels);
    }
    return session;
}

static normd_session *fold_of(const fixture *f, normd_session *session)
{
    normd_snapshot *snapshot = normd_session_snapshot(session);
    normd_session *folded;
    normd_error error;
    assert_int_equal(normd_snapshot_fold(&f->engine, snapshot, &folded, &error), NORMD_OK);
    normd_snapshot_release(snapshot);
    return folded;
}

/* What follows a linear layer is folded, what follows a relu stays. Both sessions round each of a
   few dozen operations on numbers near 1; 64 units are far more than their errors add up to. */
static void inference_is_the_same_but_for_rounding(void **state)
{
    (void)state;
    static const struct {
        const char *dtype;
        double unit;
    } rows[] = {{"float32", 0x1p-24}, {"float64", 0x1p-53}};
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t r = 0; r < 2; r++) {
        normd_session *session = made(&f, rows[r].dtype);
        normd_session *folded = fold_of(&f, session);
        normd_tensor x = fixture_normal(&f, NORMD_F64, (normd_shape){2, {50, 6}}, 99);
        normd_tensor a = fixture_infer(&f, session, &x.array);
        normd_tensor b = fixture_infer(&f, folded, &x.array);
        assert_true(normd_shape_equal(&a.array.shape, &b.array.shape));
        for (size_t i = 0; i < 50 * 4; i++) {
            double want = fixture_at(&a.array, i);
            double bound = 64 * rows[r].unit * fmax(1.0, fabs(want));
            assert_true(fabs(fixture_at(&b.array, i) - want) <= bound);
        }
        normd_buffer *file = fixture_export(folded);
        assert_int_equal(fixture_exported(file, "0.bias").shape.dim[0], 8);
        assert_int_equal(fixture_exported(file, "2.running_var").shape.dim[0], 8);
        assert_int_equal(fixture_exported(file, "3.weight").shape.dim[0], 4);
        normd_session *again;
        normd_error error;
        assert_int_equal(
            normd_session_create_from(&f.engine, file->data, file->size, &again, &error), NORMD_OK);
        assert_true(fixture_same_state(again, folded));
        normd_session_destroy(again);
        normd_buffer_release(file);
        normd_tensor_release(&x);
        normd_tensor_release(&a);
        normd_tensor_release(&b);
        normd_session_destroy(folded);
        normd_session_destroy(session);
    }
    fixture_close(&f);
}

/* gamma 3, mean 5, var 7, eps 9, beta 11: s = 3 / 4. */
static void the_numbers_are_those_of_the_formula(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f,
        "{'layers': [{'type': 'linear', 'in': 2, 'out': 1, 'weight_init': 2, 'bias_init': 1},"
        " {'type': 'batch_norm', 'weight_init': 3, 'running_mean_init': 5, 'running_var_init': 7,"
        " 'eps': 9, 'bias_init': 11}]}");
    normd_session *folded = fold_of(&f, session);
    normd_buffer *file = fixture_export(folded);
    normd_array weight = fixture_exported(file, "0.weight");
    normd_array bias = fixture_exported(file, "0.bias");
    assert_true(fixture_at(&weight, 0) == 1.5);
    assert_true(fixture_at(&weight, 1) == 1.5);
    assert_true(fixture_at(&bias, 0) == (1.0 - 5.0) * 0.75 + 11.0);
    normd_buffer_release(file);
    normd_session_destroy(folded);
    normd_session_destroy(session);
    fixture_close(&f);
}

/* The folded weight is a product that neither was meant for. */
static void regularizers_and_constraints_of_the_folded_layer_are_dropped(void **state)
{
    (void)state;
    static const char *const names[2][4] = {
        {"weight_regularizer", "weight_constraint", "bias_regularizer", "bias_constraint"},
        {"kernel_regularizer", "kernel_constraint", "bias_regularizer", "bias_constraint"},
    };
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < 2; i++) {
        char text[512];
        snprintf(text, sizeof text,
            "{'convention': '%s', 'layers': [{'type': 'linear', 'in': 2, 'out': 1, '%s': 'l1',"
            " '%s': 'non_neg', '%s': 'l2', '%s': 'non_neg'}, {'type': 'batch_norm'},"
            " {'type': 'linear', 'out': 1, '%s': 'l1'}]}",
            i == 0 ? "pytorch" : "keras", names[i][0], names[i][1], names[i][2], names[i][3],
            names[i][0]);
        normd_session *session = fixture_session(&f, text);
        normd_session *folded = fold_of(&f, session);
        json_t *configuration = normd_session_configuration(folded);
        const json_t *layers = json_object_get(configuration, "layers");
        for (size_t k = 0; k < 4; k++) {
            assert_null(json_object_get(json_array_get(layers, 0), names[i][k]));
        }
        assert_non_null(json_object_get(json_array_get(layers, 1), names[i][0]));
        json_decref(configuration);
        normd_session_destroy(folded);
        normd_session_destroy(session);
    }
    fixture_close(&f);
}

static void where_nothing_can_be_folded_the_reason_is_told(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{'layers': [{'type': 'linear', 'in': 2, 'out': 1}]}",
            "fold: expected a session with a batch_norm, got one without"},
        {"{'layers': [{'type': 'batch_norm', 'features': 2}]}",
            "fold: expected a batch_norm with running statistics directly behind a linear or "
            "conv2d; layers[0] is the first layer"},
        {"{'layers': [{'type': 'linear', 'in': 2, 'out': 1}, {'type': 'relu'}, "
         "{'type': 'batch_norm'}]}",
            "fold: expected a batch_norm with running statistics directly behind a linear or "
            "conv2d; layers[2] stands behind relu"},
        {"{'layers': [{'type': 'linear', 'in': 2, 'out': 1}, "
         "{'type': 'batch_norm', 'track_running_stats': false}]}",
            "fold: expected a batch_norm with running statistics directly behind a linear or "
            "conv2d; layers[1] has track_running_stats false"},
        {"{'layers': [{'type': 'linear', 'out': 3}, {'type': 'batch_norm'}], 'input': [3, 4]}",
            "fold: expected a batch_norm over the outputs of the linear before it, the last axis; "
            "layers[1] has its features on another"},
        {"{'layers': [{'type': 'conv2d', 'in': 1, 'out': 2, 'kernel_size': 1}, "
         "{'type': 'batch_norm', 'axis': 2}], 'input': [1, 3, 3]}",
            "fold: expected a batch_norm over the channels of the conv2d before it; layers[1] has "
            "its features on axis 2"},
    };
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        normd_session *session = fixture_session(&f, rows[i][0]);
        normd_snapshot *snapshot = normd_session_snapshot(session);
        normd_session *folded;
        normd_error error;
        assert_int_equal(
            normd_snapshot_fold(&f.engine, snapshot, &folded, &error), NORMD_BAD_ARGUMENT);
        assert_null(folded);
        assert_string_equal(error.message, rows[i][1]);
        normd_snapshot_release(snapshot);
        normd_session_destroy(session);
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inference_is_the_same_but_for_rounding),
        cmocka_unit_test(the_numbers_are_those_of_the_formula),
        cmocka_unit_test(regularizers_and_constraints_of_the_folded_layer_are_dropped),
        cmocka_unit_test(where_nothing_can_be_folded_the_reason_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
