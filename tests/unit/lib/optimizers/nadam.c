// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "tests/unit/lib/optimizers/three_steps.h"

/* Results of torch.optim.NAdam in float64. */
static void the_pytorch_form_gives_pytorchs_numbers(void **state)
{
    (void)state;
    expect_three_steps(
        "\"nadam\"", NORMD_PYTORCH, 0.49592804769628795, -1.2516548319572913, 1.9996723397567897);
    expect_three_steps(
        "{\"type\": \"nadam\", \"lr\": 0.1, \"betas\": [0.5, 0.75], \"eps\": 0.125, "
        "\"weight_decay\": 0.25, \"momentum_decay\": 0.5, \"decoupled_weight_decay\": true}",
        NORMD_PYTORCH, 0.3343284650853676, -1.2704940685841886, 1.8610663819661992);
}

/* Results of keras.optimizers.Nadam in float64. */
static void the_keras_form_gives_keras_numbers(void **state)
{
    (void)state;
    expect_three_steps(
        "\"nadam\"", NORMD_KERAS, 0.49795603907900454, -1.2507390865777412, 1.9998101563527975);
    expect_three_steps("{\"type\": \"nadam\", \"learning_rate\": 0.1, \"beta_1\": 0.5, \"beta_2\": "
                       "0.75, \"epsilon\": 0.125, \"weight_decay\": 0.25}",
        NORMD_KERAS, 0.3333533433501106, -1.2695673279716417, 1.8608730511252545);
}

static void defaults_are_those_of_the_convention(void **state)
{
    (void)state;
    expect_description("\"nadam\"", NORMD_PYTORCH,
        "{\"type\": \"nadam\", \"lr\": 0.002, \"weight_lr\": 0.002, \"bias_lr\": 0.002, \"betas\": "
        "[0.9, 0.999], \"eps\": 1e-8, \"weight_decay\": 0.0, \"momentum_decay\": 0.004, "
        "\"decoupled_weight_decay\": false, \"maximize\": false," PYTORCH_REST);
    expect_description("\"nadam\"", NORMD_KERAS,
        "{\"type\": \"nadam\", \"learning_rate\": 0.001, \"weight_lr\": 0.001, \"bias_lr\": 0.001, "
        "\"beta_1\": 0.9, \"beta_2\": 0.999, \"epsilon\": 1e-7, \"weight_decay\": 0.0," KERAS_REST);
}

static void each_group_has_its_product(void **state)
{
    (void)state;
    normd_optimizer *optimizer = make_optimizer(
        "{\"type\": \"nadam\", \"groups\": [{\"match\": \"bias\", \"betas\": [0.5, 0.9]}]}",
        NORMD_PYTORCH);
    assert_int_equal(normd_optimizer_scalars(optimizer), 2);
    assert_string_equal(normd_optimizer_scalar(optimizer, 0)->name, "mu_product");
    assert_string_equal(normd_optimizer_scalar(optimizer, 1)->name, "mu_product.1");
    double scalars[2] = {1.0, 1.0};
    static normd_step step;
    normd_step_begin(optimizer, 1, scalars, &step);
    /* beta1 (1 - 0.96^0.004 / 2) */
    assert_true(fabs(scalars[0] - 0.9 * (1 - 0.5 * pow(0.96, 0.004))) < 1e-16);
    assert_true(fabs(scalars[1] - 0.5 * (1 - 0.5 * pow(0.96, 0.004))) < 1e-16);
    normd_optimizer_destroy(optimizer);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    expect_unknown("{\"type\": \"nadam\", \"amsgrad\": true}", NORMD_PYTORCH, "amsgrad");
    expect_unknown("{\"type\": \"nadam\", \"momentum_decay\": 0.5}", NORMD_KERAS, "momentum_decay");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pytorch_form_gives_pytorchs_numbers),
        cmocka_unit_test(the_keras_form_gives_keras_numbers),
        cmocka_unit_test(defaults_are_those_of_the_convention),
        cmocka_unit_test(each_group_has_its_product),
        cmocka_unit_test(wrong_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
