// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "tests/unit/lib/optimizers/three_steps.h"

/* Results of torch.optim.SGD in float64. */
static void the_pytorch_forms_give_pytorchs_numbers(void **state)
{
    (void)state;
    expect_three_steps("\"sgd\"", NORMD_PYTORCH, 0.49955, -1.25155, 2.0002);
    expect_three_steps("{\"lr\": 0.1, \"weight_decay\": 0.25}", NORMD_PYTORCH, 0.4199234375,
        -1.31393671875, 1.87395);
    expect_three_steps("{\"lr\": 0.1, \"momentum\": 0.5}", NORMD_PYTORCH, 0.4275, -1.4025, 2.0225);
    expect_three_steps(
        "{\"lr\": 0.1, \"momentum\": 0.5, \"dampening\": 0.25, \"weight_decay\": 0.25}",
        NORMD_PYTORCH, 0.39793349609375, -1.245296435546875, 1.826971875);
    expect_three_steps(
        "{\"lr\": 0.1, \"momentum\": 0.5, \"nesterov\": true, \"weight_decay\": 0.25}",
        NORMD_PYTORCH, 0.3605462890625, -1.32806376953125, 1.78533125);
}

/* Results of keras.optimizers.SGD in float64. */
static void the_keras_forms_give_keras_numbers(void **state)
{
    (void)state;
    expect_three_steps("\"sgd\"", NORMD_KERAS, 0.4955, -1.2655, 2.002);
    expect_three_steps("{\"learning_rate\": 0.1, \"weight_decay\": 0.25}", NORMD_KERAS,
        0.4199234375, -1.31393671875, 1.87395);
    expect_three_steps("{\"lr\": 0.1, \"momentum\": 0.5, \"weight_decay\": null}", NORMD_KERAS,
        0.4275, -1.4025, 2.0225);
    expect_three_steps("{\"lr\": 0.1, \"momentum\": 0.5, \"weight_decay\": 0.25}", NORMD_KERAS,
        0.3925484375, -1.31168671875, 1.876825);
    expect_three_steps(
        "{\"lr\": 0.1, \"momentum\": 0.5, \"nesterov\": true, \"weight_decay\": 0.25}", NORMD_KERAS,
        0.3844828125, -1.39049296875, 1.885503125);
    /* Keras takes Nesterov without momentum as plain descent. */
    expect_three_steps("{\"nesterov\": true}", NORMD_KERAS, 0.4955, -1.2655, 2.002);
}

static void the_first_buffer_is_the_gradient_whatever_stood_there(void **state)
{
    (void)state;
    normd_optimizer *optimizer =
        make_optimizer("{\"lr\": 1, \"momentum\": 0.5, \"dampening\": 0.75}", NORMD_PYTORCH);
    double weight = 1;
    double gradient = 0.25;
    double buffer = 100;
    double next = 0;
    normd_update update = {.dtype = NORMD_F64,
        .count = 1,
        .weight = &weight,
        .gradient = &gradient,
        .slot = {&buffer},
        .new_weight = &next};
    run_step(optimizer, NORMD_ROLE_WEIGHT, 1, NULL, &update);
    assert_true(buffer == 0.25 && next == 0.75);
    weight = next;
    run_step(optimizer, NORMD_ROLE_WEIGHT, 2, NULL, &update);
    assert_true(buffer == 0.1875 && next == 0.5625);
    normd_optimizer_destroy(optimizer);
}

static void a_slot_is_there_only_with_momentum(void **state)
{
    (void)state;
    normd_optimizer *plain = make_optimizer("\"sgd\"", NORMD_PYTORCH);
    assert_int_equal(normd_optimizer_slots(plain), 0);
    normd_optimizer_destroy(plain);
    normd_optimizer *heavy = make_optimizer("{\"momentum\": 0.9}", NORMD_KERAS);
    assert_int_equal(normd_optimizer_slots(heavy), 1);
    assert_string_equal(normd_optimizer_slot(heavy, 0)->name, "momentum_buffer");
    normd_optimizer_destroy(heavy);
}

static void defaults_are_those_of_the_convention(void **state)
{
    (void)state;
    expect_description("\"sgd\"", NORMD_PYTORCH,
        "{\"type\": \"sgd\", \"lr\": 0.001, \"weight_lr\": 0.001, \"bias_lr\": 0.001,"
        "\"momentum\": 0.0, \"dampening\": 0.0, \"nesterov\": false, \"weight_decay\": 0.0,"
        "\"maximize\": false," PYTORCH_REST);
    expect_description("{\"learning_rate\": 1, \"bias_lr\": 0.5, \"momentum\": 1}", NORMD_KERAS,
        "{\"type\": \"sgd\", \"learning_rate\": 1.0, \"weight_lr\": 1.0, \"bias_lr\": 0.5,"
        "\"momentum\": 1.0, \"nesterov\": false, \"weight_decay\": 0.0," KERAS_REST);
    expect_description("{}", NORMD_KERAS,
        "{\"type\": \"sgd\", \"learning_rate\": 0.01, \"weight_lr\": 0.01, \"bias_lr\": 0.01,"
        "\"momentum\": 0.0, \"nesterov\": false, \"weight_decay\": 0.0," KERAS_REST);
}

static void what_the_frameworks_refuse_is_refused(void **state)
{
    (void)state;
    expect_refused("{\"nesterov\": true}", NORMD_PYTORCH,
        "optimizer.nesterov: expected a momentum above 0 and a dampening of 0 beside true, got 0 "
        "and 0");
    expect_refused("{\"nesterov\": true, \"momentum\": 0.9, \"dampening\": 0.1}", NORMD_PYTORCH,
        "optimizer.nesterov: expected a momentum above 0 and a dampening of 0 beside true, got 0.9 "
        "and 0.1");
    expect_refused("{\"momentum\": -1}", NORMD_PYTORCH,
        "optimizer.momentum: expected a number in [0, inf], got -1");
    expect_refused("{\"momentum\": 1.5}", NORMD_KERAS,
        "optimizer.momentum: expected a number in [0, 1], got 1.5");
    expect_unknown("{\"dampening\": 0.5}", NORMD_KERAS, "dampening");
    expect_refused("{\"lr\": 0.5, \"learning_rate\": 0.5}", NORMD_PYTORCH,
        "optimizer.learning_rate: expected one name of this option, got \"lr\" as well");
    expect_refused("{\"weight_decay\": null}", NORMD_PYTORCH,
        "optimizer.weight_decay: expected a number in [0, inf], got null");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pytorch_forms_give_pytorchs_numbers),
        cmocka_unit_test(the_keras_forms_give_keras_numbers),
        cmocka_unit_test(the_first_buffer_is_the_gradient_whatever_stood_there),
        cmocka_unit_test(a_slot_is_there_only_with_momentum),
        cmocka_unit_test(defaults_are_those_of_the_convention),
        cmocka_unit_test(what_the_frameworks_refuse_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
