// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <math.h>

static const char model[] =
    "{'layers': [{'type': 'linear', 'in': 4, 'out': 6}, {'type': 'batch_norm'}, {'type': 'relu'}, "
    "{'type': 'linear', 'out': 3}], 'loss': 'cross_entropy', 'dtype': 'float64'}";

static void evaluation_is_the_loss_of_inference(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, model);
    normd_session *untouched = fixture_session(&f, model);
    normd_tensor x = fixture_normal(&f, NORMD_F64, (normd_shape){2, {9, 4}}, 1);
    normd_tensor labels = fixture_labels(&f, 9, 3, 2);
    normd_tensor y = fixture_infer(&f, session, &x.array);
    double sum = 0.0;
    size_t hits = 0;
    for (size_t row = 0; row < 9; row++) {
        double total = 0.0;
        size_t best = 0;
        for (size_t c = 0; c < 3; c++) {
            total += exp(fixture_at(&y.array, row * 3 + c));
            best =
                fixture_at(&y.array, row * 3 + c) > fixture_at(&y.array, row * 3 + best) ? c : best;
        }
        size_t label = (size_t)((int64_t *)labels.array.data)[row];
        sum += log(total) - fixture_at(&y.array, row * 3 + label);
        hits += best == label;
    }
    normd_snapshot *snapshot = normd_session_snapshot(session);
    normd_train_result result;
    normd_error error;
    assert_int_equal(
        normd_snapshot_evaluate(snapshot,
            &(normd_train_batch){.x = &x.array, .target = &labels.array}, &result, &error),
        NORMD_OK);
    /* Nine rows of numbers of order one, a few roundings each. */
    assert_true(fabs(result.loss - sum / 9) <= 1e-14);
    assert_true(result.accuracy == (double)hits / 9);
    assert_int_equal(result.version, 0);
    assert_true(fixture_same_state(session, untouched));
    x.array.shape.dim[0] = 0;
    labels.array.shape.dim[0] = 0;
    assert_int_equal(
        normd_snapshot_evaluate(snapshot,
            &(normd_train_batch){.x = &x.array, .target = &labels.array}, &result, &error),
        NORMD_BAD_SHAPE);
    assert_string_equal(error.message, "x: expected a batch with values, got (0, 4)");
    normd_snapshot_release(snapshot);
    normd_tensor_release(&x);
    normd_tensor_release(&y);
    normd_tensor_release(&labels);
    normd_session_destroy(session);
    normd_session_destroy(untouched);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evaluation_is_the_loss_of_inference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
