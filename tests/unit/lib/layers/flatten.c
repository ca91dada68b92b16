// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <stdio.h>
#include <string.h>

static void expect_flat(
    const fixture *f, const char *layers, normd_shape shape, const normd_shape *expected)
{
    char text[256];
    snprintf(text, sizeof text, "{'layers': [%s], 'optimizer': {'type': 'sgd', 'lr': 1}}", layers);
    normd_session *session = fixture_session(f, text);
    normd_tensor x = fixture_normal(f, NORMD_F32, shape, 1);
    normd_forward_result result;
    normd_tensor y = fixture_forward(f, session, &x.array, NULL, true, &result);
    assert_true(normd_shape_equal(&y.array.shape, expected));
    assert_memory_equal(y.array.data, x.array.data, normd_array_bytes(&x.array));
    normd_tensor dx = fixture_backward(f, session, result.step, true, &y.array);
    assert_true(normd_shape_equal(&dx.array.shape, &shape));
    assert_memory_equal(dx.array.data, x.array.data, normd_array_bytes(&x.array));
    normd_tensor inferred = fixture_infer(f, session, &x.array);
    assert_true(normd_shape_equal(&inferred.array.shape, expected));
    assert_memory_equal(inferred.array.data, x.array.data, normd_array_bytes(&x.array));
    normd_tensor_release(&x);
    normd_tensor_release(&y);
    normd_tensor_release(&dx);
    normd_tensor_release(&inferred);
    normd_session_destroy(session);
}

static void the_axes_from_the_start_become_one(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    expect_flat(
        &f, "{'type': 'flatten'}", (normd_shape){4, {2, 3, 4, 5}}, &(normd_shape){2, {2, 60}});
    expect_flat(&f, "{'type': 'flatten', 'start_dim': 2}", (normd_shape){4, {2, 3, 4, 5}},
        &(normd_shape){3, {2, 3, 20}});
    expect_flat(&f, "{'type': 'flatten'}", (normd_shape){2, {2, 3}}, &(normd_shape){2, {2, 3}});
    fixture_close(&f);
}

/* A layer behind the flatten must not write over what the one before it reads in backward. */
static void what_an_earlier_layer_reads_again_is_not_written_over(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    static const char *const before[] = {"relu", "sigmoid", "tanh", "relu6"};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        char text[256];
        snprintf(text, sizeof text,
            "{'layers': [{'type': '%s'}, {'type': 'flatten'}, {'type': 'dropout'}, "
            "{'type': 'flatten'}, {'type': 'tanh'}], 'dtype': 'float64', "
            "'optimizer': {'type': 'sgd', 'lr': 1}}",
            before[i]);
        fixture_check_gradients(&f, text, (normd_shape){3, {3, 2, 4}}, NULL);
    }
    fixture_close(&f);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    fixture_refused(&f, "{'input': [3, null], 'layers': [{'type': 'flatten', 'start_dim': 4}]}",
        NORMD_BAD_ARGUMENT,
        "layers[0].start_dim: expected an axis of the input, which has the shape (N, 3, ?), got 4");
    fixture_refused(&f, "{'layers': [{'type': 'flatten', 'start_dim': 0}]}", NORMD_BAD_ARGUMENT,
        "layers[0].start_dim: expected an integer in [1, 7], got 0");
    fixture_refused(&f,
        "{'input': [3, null], 'layers': [{'type': 'flatten'}, {'type': 'linear', 'out': 2, 'lazy': "
        "false}]}",
        NORMD_BAD_ARGUMENT,
        "layers[1].in: expected a number, since neither `input` nor an earlier layer tells it; got "
        "nothing");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_axes_from_the_start_become_one),
        cmocka_unit_test(what_an_earlier_layer_reads_again_is_not_written_over),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
