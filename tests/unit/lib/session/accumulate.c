// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <string.h>

static const char layers[] =
    "{'layers': [{'type': 'linear', 'in': 6, 'out': 8}, {'type': 'batch_norm'}, {'type': 'relu'},"
    " {'type': 'linear', 'out': 4}], 'loss': 'cross_entropy', 'dtype': '%s', 'optimizer': %s}";

static normd_session *make(const fixture *f, const char *dtype, const char *optimizer)
{
    char text[512];
    snprintf(text, sizeof text, layers, dtype, optimizer);
    return fixture_session(f, text);
}

/* Forward and backward with random numbers for x and dy. */
static void go_back(const fixture *f, normd_session *session, uint64_t stream, bool apply)
{
    normd_tensor x = fixture_normal(f, NORMD_F32, (normd_shape){2, {12, 6}}, stream);
    normd_tensor dy = fixture_normal(f, NORMD_F32, (normd_shape){2, {12, 4}}, stream + 100);
    normd_forward_result result;
    normd_tensor y = fixture_forward(f, session, &x.array, NULL, true, &result);
    normd_tensor dx = fixture_backward(f, session, result.step, apply, &dy.array);
    normd_tensor_release(&x);
    normd_tensor_release(&y);
    normd_tensor_release(&dy);
    normd_tensor_release(&dx);
}

static void expect_same_values(normd_session *a, normd_session *b, const char *name)
{
    normd_buffer *of_a = fixture_export(a);
    normd_buffer *of_b = fixture_export(b);
    normd_array values_a = fixture_exported(of_a, name);
    normd_array values_b = fixture_exported(of_b, name);
    assert_memory_equal(values_a.data, values_b.data, normd_array_bytes(&values_a));
    normd_buffer_release(of_a);
    normd_buffer_release(of_b);
}

/* Twice the rate on half the sum: both scale by powers of two, so the bits are the same. */
static void the_mean_of_the_gradients_makes_one_step(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    for (int wide = 0; wide < 2; wide++) {
        const char *dtype = wide ? "float64" : "float32";
        normd_session *waits = make(&f, dtype, "{'type': 'sgd', 'lr': 0.5, 'accumulate_steps': 2}");
        normd_session *sums = make(&f, dtype, "{'type': 'sgd', 'lr': 0.25}");
        for (uint64_t stream = 0; stream < 6; stream += 2) {
            go_back(&f, waits, stream, true);
            go_back(&f, waits, stream + 1, true);
            go_back(&f, sums, stream, false);
            go_back(&f, sums, stream + 1, true);
            expect_same_values(waits, sums, "0.weight");
            expect_same_values(waits, sums, "1.bias");
            expect_same_values(waits, sums, "1.running_var");
        }
        normd_session_destroy(waits);
        normd_session_destroy(sums);
    }
    fixture_close(&f);
}

static void batches_that_wait_change_no_parameter_and_count_no_step(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *fresh = make(&f, "float32", "{'type': 'adam', 'accumulate_steps': 3}");
    normd_session *session = make(&f, "float32", "{'type': 'adam', 'accumulate_steps': 3}");
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {12, 6}}, 1);
    normd_tensor labels = fixture_labels(&f, 12, 4, 1);
    for (uint64_t batch = 1; batch <= 7; batch++) {
        normd_train_result result = fixture_train(session, &x.array, &labels.array);
        assert_int_equal(result.version, batch);
        assert_int_equal(result.steps, batch / 3);
        normd_buffer *file = fixture_export(session);
        normd_array waiting = fixture_exported(file, "optimizer.accumulated_batches");
        double count;
        memcpy(&count, waiting.data, sizeof count);
        assert_true(waiting.shape.rank == 0 && count == (double)(batch % 3));
        normd_buffer_release(file);
        if (batch == 2) {
            expect_same_values(fresh, session, "3.weight");
            expect_same_values(fresh, session, "optimizer.3.weight.exp_avg");
        }
    }
    normd_tensor_release(&x);
    normd_tensor_release(&labels);
    normd_session_destroy(fresh);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void a_file_carries_the_batches_that_wait(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 2, NULL);
    normd_session *session = make(&f, "float32", "{'type': 'adam', 'accumulate_steps': 4}");
    fixture_train_some(&f, session, 1, 6);
    normd_buffer *file = fixture_export(session);
    normd_session *again = NULL;
    normd_error error;
    assert_int_equal(
        normd_session_create_from(&f.engine, file->data, file->size, &again, &error), NORMD_OK);
    assert_true(fixture_same_state(session, again));
    fixture_train_some(&f, session, 7, 3);
    fixture_train_some(&f, again, 7, 3);
    assert_true(fixture_same_state(session, again));
    normd_buffer_release(file);
    normd_session_destroy(session);
    normd_session_destroy(again);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mean_of_the_gradients_makes_one_step),
        cmocka_unit_test(batches_that_wait_change_no_parameter_and_count_no_step),
        cmocka_unit_test(a_file_carries_the_batches_that_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
