// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <stdio.h>

#include "tests/unit/lib/optimizers/three_steps.h"

/* Results of torch.optim.Adam in float64. */
static void the_pytorch_form_gives_pytorchs_numbers(void **state)
{
    (void)state;
    expect_three_steps(
        "\"adam\"", NORMD_PYTORCH, 0.4975139194483331, -1.249813733011559, 1.9995204848863566);
    expect_three_steps("{\"type\": \"adam\", \"lr\": 0.1, \"betas\": [0.5, 0.75], \"eps\": 0.125,"
                       "\"weight_decay\": 0.25}",
        NORMD_PYTORCH, 0.3126872337782648, -1.1897890389612074, 1.814575652294243);
}

/* Results of keras.optimizers.Adam in float64. */
static void the_keras_form_gives_keras_numbers(void **state)
{
    (void)state;
    expect_three_steps(
        "\"adam\"", NORMD_KERAS, 0.4975139622813495, -1.2498137458373448, 1.9995204925839984);
    expect_three_steps("{\"type\": \"adam\", \"learning_rate\": 0.1, \"beta_1\": 0.5,"
                       "\"beta_2\": 0.75, \"epsilon\": 0.125, \"weight_decay\": 0.25}",
        NORMD_KERAS, 0.3525628016851967, -1.216794691053316, 1.8594688724496506);
}

/* With a constant gradient g both corrected averages are g and g^2 at every step, so that each step
   is lr g / (|g| + eps) long, up to rounding: the corrections lose a relative 2^-53/0.001 at first,
   and a hundred steps of 1e-3 add up. */
static void a_constant_gradient_gives_equal_steps(void **state)
{
    (void)state;
    normd_optimizer *optimizer = make_optimizer("\"adam\"", NORMD_PYTORCH);
    double weight = 1;
    double gradient = 0.5;
    double average = 0;
    double square = 0;
    for (uint64_t step = 1; step <= 100; step++) {
        double old = weight;
        normd_update update = {.dtype = NORMD_F64,
            .count = 1,
            .weight = &old,
            .gradient = &gradient,
            .slot = {&average, &square},
            .new_weight = &weight};
        run_step(optimizer, NORMD_ROLE_WEIGHT, step, NULL, &update);
        double expected = 1 - 1e-3 * 0.5 / (0.5 + 1e-8) * (double)step;
        assert_true(fabs(weight - expected) <= 0.1 * 1000 * 0x1p-53 + 100 * 0x1p-53);
    }
    normd_optimizer_destroy(optimizer);
}

static void the_slots_are_named_as_in_a_state_dict(void **state)
{
    (void)state;
    normd_optimizer *optimizer = make_optimizer("\"adam\"", NORMD_KERAS);
    assert_int_equal(normd_optimizer_slots(optimizer), 2);
    assert_string_equal(normd_optimizer_slot(optimizer, 0)->name, "exp_avg");
    assert_string_equal(normd_optimizer_slot(optimizer, 1)->name, "exp_avg_sq");
    normd_optimizer_destroy(optimizer);
}

static void defaults_are_those_of_the_convention(void **state)
{
    (void)state;
    expect_description("\"adam\"", NORMD_PYTORCH,
        "{\"type\": \"adam\", \"lr\": 0.001, \"weight_lr\": 0.001, \"bias_lr\": 0.001,"
        "\"betas\": [0.9, 0.999], \"eps\": 1e-8, \"amsgrad\": false, \"weight_decay\": 0.0,"
        "\"decoupled_weight_decay\": false, \"maximize\": false," PYTORCH_REST);
    expect_description("{\"type\": \"adam\", \"beta_2\": 0.5, \"weight_lr\": 0}", NORMD_KERAS,
        "{\"type\": \"adam\", \"learning_rate\": 0.001, \"weight_lr\": 0.0, \"bias_lr\": 0.001,"
        "\"beta_1\": 0.9, \"beta_2\": 0.5, \"epsilon\": 1e-7, \"amsgrad\": false,"
        "\"weight_decay\": 0.0," KERAS_REST);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    static const char *const betas[][2] = {{"[0.9, 1]", "[0.9, 1]"}, {"[-0.1, 0.9]", "[-0.1, 0.9]"},
        {"[0.9]", "[0.9]"}, {"0.9", "0.9"}, {"[0.9, \"x\"]", "[0.9, \"x\"]"},
        {"[1, 2, 3, 4]", "[1, 2, 3, ...]"}};
    for (size_t i = 0; i < sizeof betas / sizeof *betas; i++) {
        char option[80];
        char message[120];
        snprintf(option, sizeof option, "{\"type\": \"adam\", \"betas\": %s}", betas[i][0]);
        snprintf(message, sizeof message,
            "optimizer.betas: expected a list of two numbers in [0, 1), got %s", betas[i][1]);
        expect_refused(option, NORMD_PYTORCH, message);
    }
    expect_refused("{\"type\": \"adam\", \"beta_1\": 1}", NORMD_KERAS,
        "optimizer.beta_1: expected a number below 1, got 1");
    expect_refused("{\"type\": \"adam\", \"eps\": -1}", NORMD_PYTORCH,
        "optimizer.eps: expected a number in [0, inf], got -1");
    expect_refused("{\"type\": \"adam\", \"eps\": 1, \"epsilon\": 1}", NORMD_KERAS,
        "optimizer.eps: expected one name of this option, got \"epsilon\" as well");
    expect_refused("{\"type\": \"adam\", \"betas\": [0, 0], \"beta_1\": 0}", NORMD_KERAS,
        "optimizer.betas: expected either betas, or beta_1 and beta_2, got both");
    expect_unknown("{\"type\": \"adam\", \"momentum\": 0.9}", NORMD_PYTORCH, "momentum");
    expect_unknown("{\"type\": \"adam\", \"maximize\": true}", NORMD_KERAS, "maximize");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pytorch_form_gives_pytorchs_numbers),
        cmocka_unit_test(the_keras_form_gives_keras_numbers),
        cmocka_unit_test(a_constant_gradient_gives_equal_steps),
        cmocka_unit_test(the_slots_are_named_as_in_a_state_dict),
        cmocka_unit_test(defaults_are_those_of_the_convention),
        cmocka_unit_test(wrong_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
