// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <stdio.h>
#include <string.h>

/* The weight takes three tiles of the optimizer, the last one in part. */
static const char layers[] =
    "{'layers': [{'type': 'linear', 'in': 200, 'out': 200}, {'type': 'batch_norm'},"
    " {'type': 'linear', 'out': 4}], 'loss': 'cross_entropy', 'dtype': '%s', 'optimizer': %s}";

static normd_session *trained(const fixture *f, const char *dtype, const char *optimizer)
{
    char text[512];
    snprintf(text, sizeof text, layers, dtype, optimizer);
    normd_session *session = fixture_session(f, text);
    for (uint64_t step = 1; step <= 3; step++) {
        normd_tensor x = fixture_normal(f, NORMD_F32, (normd_shape){2, {12, 200}}, step);
        normd_tensor labels = fixture_labels(f, 12, 4, step);
        fixture_train(session, &x.array, &labels.array);
        normd_tensor_release(&x);
        normd_tensor_release(&labels);
    }
    return session;
}

static void the_bits_are_the_same_for_any_number_of_threads(void **state)
{
    (void)state;
    static const char *const optimizers[] = {
        "{'type': 'adam', 'clip_grad_norm': 0.01}",
        "{'type': 'sgd', 'momentum': 0.9, 'clip_grad_norm_each': 0.01}",
        "{'type': 'rmsprop', 'clip_grad_value': 0.001, 'accumulate_steps': 2}",
        "{'type': 'nadam', 'groups': [{'match': 0, 'weight_decay': 0.1}], 'clip_grad_norm': 0.1}",
    };
    fixture alone;
    fixture together;
    fixture_open(&alone, 0, NULL);
    fixture_open(&together, 3, NULL);
    for (size_t i = 0; i < 2 * sizeof optimizers / sizeof *optimizers; i++) {
        const char *dtype = i % 2 == 0 ? "float32" : "float64";
        normd_session *a = trained(&alone, dtype, optimizers[i / 2]);
        normd_session *b = trained(&together, dtype, optimizers[i / 2]);
        assert_true(fixture_same_state(a, b));
        normd_session_destroy(a);
        normd_session_destroy(b);
    }
    fixture_close(&alone);
    fixture_close(&together);
}

/* A limit far above every gradient changes nothing, one far below changes every weight. */
static void only_what_is_above_the_limit_is_clipped(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    static const char *const names[] = {"clip_grad_value", "clip_grad_norm", "clip_grad_norm_each"};
    normd_session *free_one = trained(&f, "float32", "{'type': 'sgd', 'lr': 1}");
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {4, 200}}, 9);
    normd_tensor expected = fixture_infer(&f, free_one, &x.array);
    for (size_t i = 0; i < 6; i++) {
        char optimizer[100];
        bool clips = i % 2 == 0;
        snprintf(optimizer, sizeof optimizer, "{'type': 'sgd', 'lr': 1, '%s': %s}", names[i / 2],
            clips ? "1e-4" : "1e4");
        normd_session *session = trained(&f, "float32", optimizer);
        normd_tensor y = fixture_infer(&f, session, &x.array);
        bool same = memcmp(y.array.data, expected.array.data, normd_array_bytes(&y.array)) == 0;
        assert_true(same != clips);
        normd_tensor_release(&y);
        normd_session_destroy(session);
    }
    normd_tensor_release(&x);
    normd_tensor_release(&expected);
    normd_session_destroy(free_one);
    fixture_close(&f);
}

static void a_group_without_a_parameter_is_refused_with_what_there_is(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    fixture_refused(&f,
        "{'layers': [{'type': 'linear', 'in': 2, 'out': 3}, {'type': 'batch_norm'}],"
        "'optimizer': {'groups': [{'match': 2}]}}",
        NORMD_BAD_ARGUMENT,
        "optimizer.groups[0].match: expected a parameter that no group before it has, of the "
        "parameters 0.weight (weight), 0.bias (bias), 1.weight (norm_weight), 1.bias (norm_bias); "
        "got 2");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bits_are_the_same_for_any_number_of_threads),
        cmocka_unit_test(only_what_is_above_the_limit_is_clipped),
        cmocka_unit_test(a_group_without_a_parameter_is_refused_with_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
