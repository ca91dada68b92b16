// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <string.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_on_one_batch_drives_the_loss_to_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
