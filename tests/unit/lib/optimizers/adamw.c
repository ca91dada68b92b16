// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "tests/unit/lib/optimizers/three_steps.h"

/* Results of torch.optim.AdamW in float64. */
static void the_pytorch_form_gives_pytorchs_numbers(void **state)
{
    (void)state;
    expect_three_steps(
        "\"adamw\"", NORMD_PYTORCH, 0.49749894844199527, -1.2497762517591344, 1.9994605025506422);
    expect_three_steps("{\"type\": \"adamw\", \"lr\": 0.1, \"betas\": [0.5, 0.75], \"eps\": 0.125, "
                       "\"weight_decay\": 0.25, \"amsgrad\": true}",
        NORMD_PYTORCH, 0.32846974492404063, -1.2074407308340287, 1.8480886953424716);
}

/* Results of keras.optimizers.AdamW in float64. */
static void the_keras_form_gives_keras_numbers(void **state)
{
    (void)state;
    expect_three_steps(
        "\"adamw\"", NORMD_KERAS, 0.4975079738425593, -1.2497987532462798, 1.9994964995056597);
    expect_three_steps("{\"type\": \"adamw\", \"learning_rate\": 0.1, \"beta_1\": 0.5, \"beta_2\": "
                       "0.75, \"epsilon\": 0.125, \"weight_decay\": 0.25, \"amsgrad\": true}",
        NORMD_KERAS, 0.35451003936907355, -1.216794691053316, 1.8575566077544492);
}

static void defaults_are_those_of_the_convention(void **state)
{
    (void)state;
    expect_description("\"adamw\"", NORMD_PYTORCH,
        "{\"type\": \"adamw\", \"lr\": 0.001, \"weight_lr\": 0.001, \"bias_lr\": 0.001, \"betas\": "
        "[0.9, 0.999], \"eps\": 1e-8, \"amsgrad\": false, \"weight_decay\": 0.01, \"maximize\": "
        "false," PYTORCH_REST);
    expect_description("\"adamw\"", NORMD_KERAS,
        "{\"type\": \"adamw\", \"learning_rate\": 0.001, \"weight_lr\": 0.001, \"bias_lr\": 0.001, "
        "\"beta_1\": 0.9, \"beta_2\": 0.999, \"epsilon\": 1e-7, \"amsgrad\": false, "
        "\"weight_decay\": 0.004," KERAS_REST);
}

static void slots_are_those_that_the_options_need(void **state)
{
    (void)state;
    {
        normd_optimizer *optimizer =
            make_optimizer("{\"type\": \"adamw\", \"amsgrad\": true}", NORMD_PYTORCH);
        assert_int_equal(normd_optimizer_slots(optimizer), 3);
        assert_string_equal(normd_optimizer_slot(optimizer, 0)->name, "exp_avg");
        assert_string_equal(normd_optimizer_slot(optimizer, 1)->name, "exp_avg_sq");
        assert_string_equal(normd_optimizer_slot(optimizer, 2)->name, "max_exp_avg_sq");
        normd_optimizer_destroy(optimizer);
    }
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    expect_unknown("{\"type\": \"adamw\", \"decoupled_weight_decay\": false}", NORMD_PYTORCH,
        "decoupled_weight_decay");
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
