// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "tests/unit/lib/optimizers/three_steps.h"

/* Results of torch.optim.Adagrad in float64. */
static void the_pytorch_form_gives_pytorchs_numbers(void **state)
{
    (void)state;
    expect_three_steps(
        "\"adagrad\"", NORMD_PYTORCH, 0.48150243354146743, -1.2575884085959357, 1.9985749292589883);
    expect_three_steps(
        "{\"type\": \"adagrad\", \"lr\": 0.1, \"lr_decay\": 0.5, \"initial_accumulator_value\": "
        "0.25, \"eps\": 0.125, \"weight_decay\": 0.25}",
        NORMD_PYTORCH, 0.4241413007719953, -1.224751171436923, 1.9059590848813728);
}

/* Results of keras.optimizers.Adagrad in float64. */
static void the_keras_form_gives_keras_numbers(void **state)
{
    (void)state;
    expect_three_steps(
        "\"adagrad\"", NORMD_KERAS, 0.4990244711870562, -1.2509788593911508, 2.0000655312552937);
    expect_three_steps(
        "{\"type\": \"adagrad\", \"learning_rate\": 0.1, \"initial_accumulator_value\": 0.25, "
        "\"epsilon\": 0.125, \"weight_decay\": 0.25}",
        NORMD_KERAS, 0.4020380861851318, -1.2551610833145233, 1.8695497844937834);
}

static void defaults_are_those_of_the_convention(void **state)
{
    (void)state;
    expect_description("\"adagrad\"", NORMD_PYTORCH,
        "{\"type\": \"adagrad\", \"lr\": 0.01, \"weight_lr\": 0.01, \"bias_lr\": 0.01, "
        "\"lr_decay\": 0.0, \"initial_accumulator_value\": 0.0, \"eps\": 1e-10, \"weight_decay\": "
        "0.0, \"maximize\": false," PYTORCH_REST);
    expect_description("\"adagrad\"", NORMD_KERAS,
        "{\"type\": \"adagrad\", \"learning_rate\": 0.001, \"weight_lr\": 0.001, \"bias_lr\": "
        "0.001, \"initial_accumulator_value\": 0.1, \"epsilon\": 1e-7, \"weight_decay\": "
        "0.0," KERAS_REST);
}

static void slots_are_those_that_the_options_need(void **state)
{
    (void)state;
    {
        normd_optimizer *optimizer = make_optimizer("\"adagrad\"", NORMD_PYTORCH);
        assert_int_equal(normd_optimizer_slots(optimizer), 1);
        assert_string_equal(normd_optimizer_slot(optimizer, 0)->name, "sum");
        normd_optimizer_destroy(optimizer);
    }
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    expect_unknown("{\"type\": \"adagrad\", \"lr_decay\": 0.5}", NORMD_KERAS, "lr_decay");
    expect_refused("{\"type\": \"adagrad\", \"initial_accumulator_value\": -1}", NORMD_PYTORCH,
        "optimizer.initial_accumulator_value: expected a number in [0, inf], got -1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pytorch_form_gives_pytorchs_numbers),
        cmocka_unit_test(the_keras_form_gives_keras_numbers),
        cmocka_unit_test(defaults_are_those_of_the_convention),
        cmocka_unit_test(slots_are_those_that_the_options_need),
        cmocka_unit_test(wrong_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
