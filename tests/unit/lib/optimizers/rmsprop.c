// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "tests/unit/lib/optimizers/three_steps.h"

/* Results of torch.optim.RMSprop in float64. */
static void the_pytorch_form_gives_pytorchs_numbers(void **state)
{
    (void)state;
    expect_three_steps(
        "\"rmsprop\"", NORMD_PYTORCH, 0.31505918014365797, -1.3260664671348168, 1.985863028683019);
    expect_three_steps("{\"type\": \"rmsprop\", \"lr\": 0.1, \"alpha\": 0.75, \"eps\": 0.125, "
                       "\"momentum\": 0.5, \"centered\": true, \"weight_decay\": 0.25}",
        NORMD_PYTORCH, 0.09913311975210956, -1.1494251136532754, 1.6151748043607443);
}

/* Results of keras.optimizers.RMSprop in float64. */
static void the_keras_form_gives_keras_numbers(void **state)
{
    (void)state;
    expect_three_steps(
        "\"rmsprop\"", NORMD_KERAS, 0.49416309404328757, -1.2524584752603989, 1.9995859843061177);
    expect_three_steps(
        "{\"type\": \"rmsprop\", \"learning_rate\": 0.1, \"rho\": 0.75, \"epsilon\": 0.125, "
        "\"momentum\": 0.5, \"centered\": true, \"weight_decay\": 0.25}",
        NORMD_KERAS, 0.2779480895999427, -1.3641317007333282, 1.8843201452985863);
}

static void defaults_are_those_of_the_convention(void **state)
{
    (void)state;
    expect_description("\"rmsprop\"", NORMD_PYTORCH,
        "{\"type\": \"rmsprop\", \"lr\": 0.01, \"weight_lr\": 0.01, \"bias_lr\": 0.01, \"alpha\": "
        "0.99, \"eps\": 1e-8, \"momentum\": 0.0, \"centered\": false, \"weight_decay\": 0.0, "
        "\"maximize\": false," PYTORCH_REST);
    expect_description("\"rmsprop\"", NORMD_KERAS,
        "{\"type\": \"rmsprop\", \"learning_rate\": 0.001, \"weight_lr\": 0.001, \"bias_lr\": "
        "0.001, \"rho\": 0.9, \"epsilon\": 1e-7, \"momentum\": 0.0, \"centered\": false, "
        "\"weight_decay\": 0.0," KERAS_REST);
}

static void slots_are_those_that_the_options_need(void **state)
{
    (void)state;
    {
        normd_optimizer *optimizer = make_optimizer("\"rmsprop\"", NORMD_PYTORCH);
        assert_int_equal(normd_optimizer_slots(optimizer), 1);
        assert_string_equal(normd_optimizer_slot(optimizer, 0)->name, "square_avg");
        normd_optimizer_destroy(optimizer);
    }
    {
        normd_optimizer *optimizer =
            make_optimizer("{\"type\": \"rmsprop\", \"centered\": true}", NORMD_KERAS);
        assert_int_equal(normd_optimizer_slots(optimizer), 2);
        assert_string_equal(normd_optimizer_slot(optimizer, 0)->name, "square_avg");
        assert_string_equal(normd_optimizer_slot(optimizer, 1)->name, "grad_avg");
        normd_optimizer_destroy(optimizer);
    }
    {
        normd_optimizer *optimizer = make_optimizer(
            "{\"type\": \"rmsprop\", \"groups\": [{\"match\": 0, \"momentum\": 0.5}]}",
            NORMD_PYTORCH);
        assert_int_equal(normd_optimizer_slots(optimizer), 2);
        assert_string_equal(normd_optimizer_slot(optimizer, 0)->name, "square_avg");
        assert_string_equal(normd_optimizer_slot(optimizer, 1)->name, "momentum_buffer");
        normd_optimizer_destroy(optimizer);
    }
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    expect_refused("{\"type\": \"rmsprop\", \"alpha\": 1.5}", NORMD_PYTORCH,
        "optimizer.alpha: expected a number in [0, 1], got 1.5");
    expect_refused("{\"type\": \"rmsprop\", \"rho\": 0.5, \"alpha\": 0.5}", NORMD_KERAS,
        "optimizer.alpha: expected one name of this option, got \"rho\" as well");
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
