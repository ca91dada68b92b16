// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <math.h>

static const char classifier[] =
    "{'layers': [{'type': 'linear', 'in': 16, 'out': 24}, {'type': 'batch_norm'}, {'type': 'relu'},"
    " {'type': 'linear', 'out': 5}], 'loss': 'cross_entropy', 'dtype': 'float64',"
    " 'optimizer': {'type': 'adam', 'lr': 0.01}}";

static void training_on_one_batch_drives_the_loss_to_nothing(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 2, NULL);
    normd_session *session = fixture_session(&f, classifier);
    normd_tensor x = fixture_normal(&f, NORMD_F64, (normd_shape){2, {32, 16}}, 1);
    normd_tensor labels = fixture_labels(&f, 32, 5, 2);
    double first = fixture_train(session, &x.array, &labels.array).loss;
    normd_train_result last = {0};
    for (uint64_t step = 2; step <= 200; step++) {
        last = fixture_train(session, &x.array, &labels.array);
        assert_int_equal(last.steps, step);
        assert_int_equal(last.version, step);
    }
    /* The model has more parameters than the batch has bits: it can learn it by heart. */
    assert_true(last.loss < first / 20);
    assert_true(last.has_accuracy);
    assert_true(last.accuracy == 1.0);
    normd_tensor_release(&x);
    normd_tensor_release(&labels);
    normd_session_destroy(session);
    fixture_close(&f);
}

/* A model and batches that go through every way of cutting: several ranges and chunks of batch
   norm, several blocks of products, several tiles of the optimizer. */
static const char wide[] =
    "{'layers': [{'type': 'linear', 'in': 40, 'out': 520}, {'type': 'batch_norm'}, {'type': "
    "'relu'}, {'type': 'linear', 'out': 70}, {'type': 'batch_norm'}, {'type': 'linear', 'out': 7}],"
    " 'loss': 'cross_entropy', 'optimizer': {'type': 'adam', 'lr': 0.01}}";

static normd_session *trained(fixture *f, const char *configuration, size_t rows, size_t columns)
{
    normd_session *session = fixture_session(f, configuration);
    for (uint64_t step = 0; step < 3; step++) {
        normd_shape shape = {2, {rows, columns}};
        normd_tensor x = fixture_normal(f, NORMD_F32, shape, 10 + step);
        normd_tensor labels = fixture_labels(f, rows, 7, 20 + step);
        fixture_train(session, &x.array, &labels.array);
        normd_tensor_release(&x);
        normd_tensor_release(&labels);
    }
    return session;
}

static void every_number_of_threads_gives_the_same_bits(void **state)
{
    (void)state;
    const int threads[] = {1, 2, 3, 8};
    fixture alone;
    fixture_open(&alone, 0, NULL);
    normd_session *expected = trained(&alone, wide, 700, 40);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        fixture f;
        fixture_open(&f, threads[i], NULL);
        normd_session *session = trained(&f, wide, 700, 40);
        assert_true(fixture_same_state(expected, session));
        normd_session_destroy(session);
        fixture_close(&f);
    }
    normd_session_destroy(expected);
    fixture_close(&alone);
}

static void every_instruction_set_gives_the_same_bits(void **state)
{
    (void)state;
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    fixture reference;
    fixture_open(&reference, 0, "reference");
    normd_session *expected = trained(&reference, wide, 150, 40);
    for (size_t row = 0; row < rows; row++) {
        if (!table[row].supported()) {
            continue;
        }
        fixture f;
        fixture_open(&f, 0, table[row].name);
        normd_session *session = trained(&f, wide, 150, 40);
        assert_true(fixture_same_state(expected, session));
        normd_session_destroy(session);
        fixture_close(&f);
    }
    normd_session_destroy(expected);
    fixture_close(&reference);
}

typedef struct refusal {
    normd_shape shape;
    size_t bad; /* index of a value of x to be replaced, or SIZE_MAX */
    double value;
    normd_shape target_shape;
    int64_t label; /* of row 1 */
    normd_status status;
    const char *message;
} refusal;

static void a_refused_batch_leaves_the_session_bit_for_bit(void **state)
{
    (void)state;
    const refusal refusals[] = {
        {{2, {4, 15}}, SIZE_MAX, 0, {1, {4}}, 0, NORMD_BAD_SHAPE,
            "x: expected (N, ..., 16), got (4, 15)"},
        {{3, {4, 16, 2}}, SIZE_MAX, 0, {1, {4}}, 0, NORMD_BAD_SHAPE,
            "x: expected (N, ..., 16), got (4, 16, 2)"},
        {{2, {0, 16}}, SIZE_MAX, 0, {1, {0}}, 0, NORMD_BAD_SHAPE,
            "x: expected a batch with values, got (0, 16)"},
        {{2, {1, 16}}, SIZE_MAX, 0, {1, {1}}, 0, NORMD_BAD_SHAPE,
            "layers[1]'s input: expected more than 1 value per channel for batch statistics, got "
            "(1, 24)"},
        {{2, {4, 16}}, 17, NAN, {1, {4}}, 0, NORMD_NOT_FINITE,
            "x: expected finite values, got NaN or infinity"},
        {{2, {4, 16}}, 17, -INFINITY, {1, {4}}, 0, NORMD_NOT_FINITE,
            "x: expected finite values, got NaN or infinity"},
        {{2, {4, 16}}, SIZE_MAX, 0, {1, {3}}, 0, NORMD_BAD_SHAPE,
            "target: expected integer labels, shape (4,), or float probabilities, shape (4, 5); "
            "got int64 (3,)"},
        {{2, {4, 16}}, SIZE_MAX, 0, {1, {4}}, 5, NORMD_BAD_ARGUMENT,
            "target: expected labels in 0 to 4, got 5 in row 1"},
        {{2, {4, 16}}, SIZE_MAX, 0, {1, {4}}, -1, NORMD_BAD_ARGUMENT,
            "target: expected labels in 0 to 4, got -1 in row 1"},
    };
    fixture f;
    fixture_open(&f, 2, NULL);
    normd_session *session = fixture_session(&f, classifier);
    normd_session *untouched = fixture_session(&f, classifier);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const refusal *r = &refusals[i];
        normd_tensor x = fixture_normal(&f, NORMD_F64, r->shape, 1);
        if (r->bad != SIZE_MAX) {
            fixture_put(&x.array, r->bad, r->value);
        }
        normd_tensor labels = fixture_labels(&f, r->target_shape.dim[0], 5, 2);
        if (r->target_shape.dim[0] > 1) {
            ((int64_t *)labels.array.data)[1] = r->label;
        }
        normd_train_result result;
        normd_error error;
        assert_int_equal(
            normd_session_train(session,
                &(normd_train_batch){.x = &x.array, .target = &labels.array}, &result, &error),
            r->status);
        assert_string_equal(error.message, r->message);
        assert_int_equal(result.version, 0);
        assert_true(fixture_same_state(session, untouched));
        normd_tensor_release(&x);
        normd_tensor_release(&labels);
    }
    normd_session_destroy(session);
    normd_session_destroy(untouched);
    fixture_close(&f);
}

static void a_step_to_infinity_is_refused(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    const char *configuration = "{'layers': [{'type': 'linear', 'in': 1, 'out': 1}], 'loss': 'mse',"
                                " 'optimizer': {'type': 'sgd', 'lr': 1e30}}";
    normd_session *session = fixture_session(&f, configuration);
    normd_session *untouched = fixture_session(&f, configuration);
    float x[2] = {1e6F, 2e6F};
    float target[2] = {1e12F, 0};
    normd_array x_array = {.dtype = NORMD_F32, .shape = {2, {2, 1}}, .data = x};
    normd_array t_array = {.dtype = NORMD_F32, .shape = {2, {2, 1}}, .data = target};
    normd_train_result result;
    normd_error error;
    assert_int_equal(normd_session_train(session,
                         &(normd_train_batch){.x = &x_array, .target = &t_array}, &result, &error),
        NORMD_NOT_FINITE);
    assert_string_equal(error.message,
        "optimizer: expected a step to finite parameters, got NaN or infinity in them");
    /* A gradient of 2e36 * x overflows float32. */
    target[0] = 3e38F;
    assert_int_equal(normd_session_train(session,
                         &(normd_train_batch){.x = &x_array, .target = &t_array}, &result, &error),
        NORMD_NOT_FINITE);
    assert_string_equal(error.message,
        "x: expected one that leads to finite gradients, got NaN or infinity in them");
    assert_true(fixture_same_state(session, untouched));
    normd_session_destroy(session);
    normd_session_destroy(untouched);
    fixture_close(&f);
}

static void integers_are_no_batch(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, classifier);
    normd_tensor x = fixture_labels(&f, 32, 9, 1);
    normd_tensor labels = fixture_labels(&f, 2, 5, 2);
    x.array.shape = (normd_shape){2, {2, 16}};
    normd_train_result result;
    normd_error error;
    assert_int_equal(
        normd_session_train(
            session, &(normd_train_batch){.x = &x.array, .target = &labels.array}, &result, &error),
        NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message, "x: expected float16, float32 or float64 values, got int64");
    normd_tensor_release(&x);
    normd_tensor_release(&labels);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void other_float_types_are_converted(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *wide_x = fixture_session(&f, classifier);
    normd_session *narrow_x = fixture_session(&f, classifier);
    normd_tensor narrow = fixture_normal(&f, NORMD_F32, (normd_shape){2, {8, 16}}, 1);
    normd_tensor x = fixture_normal(&f, NORMD_F64, (normd_shape){2, {8, 16}}, 1);
    normd_tensor labels = fixture_labels(&f, 8, 5, 2);
    for (size_t i = 0; i < 8 * 16; i++) {
        fixture_put(&x.array, i, fixture_at(&narrow.array, i));
    }
    fixture_train(wide_x, &x.array, &labels.array);
    fixture_train(narrow_x, &narrow.array, &labels.array);
    assert_true(fixture_same_state(wide_x, narrow_x));
    normd_tensor_release(&narrow);
    normd_tensor_release(&x);
    normd_tensor_release(&labels);
    normd_session_destroy(wide_x);
    normd_session_destroy(narrow_x);
    fixture_close(&f);
}

static void without_a_loss_there_is_no_training(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session =
        fixture_session(&f, "{'layers': [{'type': 'batch_norm', 'features': 2}]}");
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {4, 2}}, 1);
    normd_train_result result;
    normd_error error;
    assert_int_equal(normd_session_train(session,
                         &(normd_train_batch){.x = &x.array, .target = &x.array}, &result, &error),
        NORMD_BAD_ARGUMENT);
    normd_snapshot *snapshot = normd_session_snapshot(session);
    assert_int_equal(normd_snapshot_evaluate(snapshot,
                         &(normd_train_batch){.x = &x.array, .target = &x.array}, &result, &error),
        NORMD_BAD_ARGUMENT);
    normd_snapshot_release(snapshot);
    normd_tensor_release(&x);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void nan_passes_where_the_user_wants_it(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f,
        "{'layers': [{'type': 'batch_norm', 'features': 2, 'on_nonfinite': 'propagate'}], "
        "'loss': 'mse'}");
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {4, 2}}, 1);
    fixture_put(&x.array, 3, NAN);
    assert_true(isnan(fixture_train(session, &x.array, &x.array).loss));
    normd_buffer *file = fixture_export(session);
    normd_array mean = fixture_exported(file, "0.running_mean");
    assert_true(isfinite(fixture_at(&mean, 0)));
    assert_true(isnan(fixture_at(&mean, 1)));
    normd_buffer_release(file);
    normd_tensor_release(&x);
    normd_session_destroy(session);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_on_one_batch_drives_the_loss_to_nothing),
        cmocka_unit_test(every_number_of_threads_gives_the_same_bits),
        cmocka_unit_test(every_instruction_set_gives_the_same_bits),
        cmocka_unit_test(a_refused_batch_leaves_the_session_bit_for_bit),
        cmocka_unit_test(a_step_to_infinity_is_refused),
        cmocka_unit_test(integers_are_no_batch),
        cmocka_unit_test(other_float_types_are_converted),
        cmocka_unit_test(without_a_loss_there_is_no_training),
        cmocka_unit_test(nan_passes_where_the_user_wants_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
