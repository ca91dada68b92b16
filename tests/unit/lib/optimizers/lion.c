// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "tests/unit/lib/optimizers/three_steps.h"

/* Results of keras.optimizers.Lion in float64. */
static void the_keras_form_gives_keras_numbers(void **state)
{
    (void)state;
    expect_three_steps("\"lion\"", NORMD_KERAS, 0.499, -1.251, 2.001);
    expect_three_steps("{\"type\": \"lion\", \"learning_rate\": 0.1, \"beta_1\": 0.5, \"beta_2\": "
                       "0.75, \"weight_decay\": 0.25}",
        NORMD_KERAS, 0.17086718749999988, -1.26101171875, 1.9561562499999998);
}

/* The authors' form for PyTorch differs by the default rate alone. */
static void the_pytorch_form_is_the_same(void **state)
{
    (void)state;
    expect_three_steps(
        "{\"type\": \"lion\", \"lr\": 0.1, \"betas\": [0.5, 0.75], \"weight_decay\": 0.25}",
        NORMD_PYTORCH, 0.17086718749999988, -1.26101171875, 1.9561562499999998);
    expect_description("\"lion\"", NORMD_PYTORCH,
        "{\"type\": \"lion\", \"lr\": 0.0001, \"weight_lr\": 0.0001, \"bias_lr\": 0.0001, "
        "\"betas\": [0.9, 0.99], \"weight_decay\": 0.0," PYTORCH_REST);
}

static void nothing_moves_where_gradient_and_average_are_zero(void **state)
{
    (void)state;
    normd_optimizer *optimizer = make_optimizer("\"lion\"", NORMD_KERAS);
    const float weight[2] = {1, 1};
    const float gradient[2] = {0, NAN};
    float average[2] = {0, 0};
    float new[2] = {0, 0};
    normd_update update = {.dtype = NORMD_F32,
        .count = 2,
        .weight = weight,
        .gradient = gradient,
        .slot = {average},
        .new_weight = new};
    run_step(optimizer, NORMD_ROLE_WEIGHT, 1, NULL, &update);
    assert_true(new[0] == 1 && isnan(new[1]));
    normd_optimizer_destroy(optimizer);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    expect_refused("{\"type\": \"lion\", \"beta_1\": 0}", NORMD_KERAS,
        "optimizer.beta_1: expected a first beta above 0, got 0");
    expect_refused("{\"type\": \"lion\", \"betas\": [0, 0.5]}", NORMD_PYTORCH,
        "optimizer.betas: expected a first beta above 0, got 0");
    expect_unknown("{\"type\": \"lion\", \"eps\": 1}", NORMD_PYTORCH, "eps");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_keras_form_gives_keras_numbers),
        cmocka_unit_test(the_pytorch_form_is_the_same),
        cmocka_unit_test(nothing_moves_where_gradient_and_average_are_zero),
        cmocka_unit_test(wrong_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
