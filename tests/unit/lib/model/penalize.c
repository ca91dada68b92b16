// SPDX-License-Identifier: Apache-2.0
#include "lib/model/penalize.h"

#include <math.h>

#include "tests/unit/lib/session/fixture.h"

static const char large[] =
    "{'convention': 'keras', 'layers': [{'type': 'linear', 'in': 300, 'out': 200, "
    "'kernel_regularizer': {'name': 'l1_l2', 'l1': 1e-3, 'l2': 1e-3}, 'kernel_constraint': "
    "{'name': 'max_norm', 'max_value': 0.5}}, {'type': 'batch_norm', 'gamma_constraint': "
    "'unit_norm'}, {'type': 'linear', 'out': 4, 'kernel_constraint': {'name': 'unit_norm', "
    "'axis': 1}}], 'loss': 'cross_entropy', 'optimizer': {'type': 'adam', 'lr': 0.01}}";

static normd_session *train(fixture *f, double *loss)
{
    normd_session *session = fixture_session(f, large);
    for (uint64_t step = 0; step < 3; step++) {
        normd_tensor x = fixture_normal(f, NORMD_F32, (normd_shape){2, {64, 300}}, 10 + step);
        normd_tensor labels = fixture_labels(f, 64, 4, 20 + step);
        *loss = fixture_train(session, &x.array, &labels.array).loss;
        normd_tensor_release(&x);
        normd_tensor_release(&labels);
    }
    return session;
}

static void bits_are_the_same_for_any_number_of_threads(void **state)
{
    (void)state;
    fixture one, three;
    double loss[2];
    fixture_open(&one, 0, NULL);
    fixture_open(&three, 3, NULL);
    normd_session *a = train(&one, &loss[0]), *b = train(&three, &loss[1]);
    assert_true(fixture_same_state(a, b));
    assert_true(loss[0] == loss[1]);
    normd_session_destroy(a);
    normd_session_destroy(b);
    fixture_close(&one);
    fixture_close(&three);
}

static void new_weights_keep_to_their_norms(void **state)
{
    (void)state;
    fixture f;
    double loss;
    fixture_open(&f, 2, NULL);
    normd_session *session = train(&f, &loss);
    normd_buffer *file = fixture_export(session);
    normd_array weight = fixture_exported(file, "0.weight");
    for (size_t row = 0; row < 200; row++) {
        double sum = 0;
        for (size_t i = 0; i < 300; i++) {
            sum += fixture_at(&weight, row * 300 + i) * fixture_at(&weight, row * 300 + i);
        }
        /* 300 values, each rounded to float32. */
        assert_true(sqrt(sum) <= 0.5 * (1 + 1e-6));
    }
    normd_buffer_release(file);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void frozen_parameters_have_no_penalty(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{'layers': [{'type': 'linear', 'in': 2, 'out': 1, 'bias': false, 'weight_init': 3, "
        "'weight_regularizer': 0.5}], 'loss': 'mse'}",
        "{'layers': [{'type': 'linear', 'in': 2, 'out': 1, 'bias': false, 'weight_init': 3, "
        "'weight_regularizer': 0.5, 'trainable': false}], 'loss': 'mse'}",
    };
    const double expected[2] = {36 + 9, 36};
    float values[2] = {1, 1}, zero = 0;
    const normd_array x = {.dtype = NORMD_F32, .shape = {2, {1, 2}}, .data = values};
    const normd_array target = {.dtype = NORMD_F32, .shape = {2, {1, 1}}, .data = &zero};
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < 2; i++) {
        normd_session *session = fixture_session(&f, texts[i]);
        assert_true(fixture_train(session, &x, &target).loss == expected[i]);
        normd_session_destroy(session);
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_are_the_same_for_any_number_of_threads),
        cmocka_unit_test(new_weights_keep_to_their_norms),
        cmocka_unit_test(frozen_parameters_have_no_penalty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
