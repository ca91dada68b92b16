// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "tests/unit/lib/optimizers/three_steps.h"

static const normd_parameter parameters[] = {
    {0, "weight", NORMD_ROLE_WEIGHT},
    {0, "bias", NORMD_ROLE_BIAS},
    {1, "weight", NORMD_ROLE_NORM_WEIGHT},
    {1, "bias", NORMD_ROLE_NORM_BIAS},
    {3, "weight", NORMD_ROLE_WEIGHT},
    {3, "bias", NORMD_ROLE_BIAS},
};
enum { PARAMETERS = sizeof parameters / sizeof *parameters };

/* How far each parameter goes with a gradient of 1 and a weight of 1, plain descent. */
static void expect_steps(const char *option, const double expected[PARAMETERS])
{
    normd_optimizer *optimizer = make_optimizer(option, NORMD_PYTORCH);
    size_t set[PARAMETERS];
    for (size_t i = 0; i < PARAMETERS; i++) {
        set[i] = normd_optimizer_place(optimizer, &parameters[i]);
    }
    assert_int_equal(normd_optimizer_check_groups(optimizer, "all", NULL), NORMD_OK);
    static normd_step step;
    normd_step_begin(optimizer, 1, NULL, &step);
    for (size_t i = 0; i < PARAMETERS; i++) {
        const double one = 1;
        double new = 0;
        normd_update update = {
            .dtype = NORMD_F64, .count = 1, .weight = &one, .gradient = &one, .new_weight = &new};
        normd_loops_run(&step.set[set[i]], &update);
        assert_true(1 - new == expected[i]);
    }
    normd_optimizer_destroy(optimizer);
}

static void the_first_group_that_matches_gives_the_options(void **state)
{
    (void)state;
    expect_steps("{\"lr\": 0.5, \"groups\": [{\"match\": \"norm\", \"lr\": 0.25},"
                 "{\"match\": \"bias\", \"lr\": 0.125}]}",
        (const double[]){0.5, 0.125, 0.25, 0.25, 0.5, 0.125});
    expect_steps("{\"lr\": 0.5, \"groups\": [{\"match\": \"3.bias\", \"lr\": 0.25},"
                 "{\"match\": 3, \"lr\": 0.125}, {\"match\": [0, \"beta\"], \"lr\": 1}]}",
        (const double[]){1, 1, 0.5, 1, 0.125, 0.25});
    expect_steps("{\"lr\": 0.5, \"groups\": [{\"match\": [\"gamma\", \"kernel\"], \"lr\": 1}]}",
        (const double[]){1, 0.5, 1, 0.5, 1, 0.5});
}

static void a_group_inherits_what_it_does_not_say(void **state)
{
    (void)state;
    /* Rates of gamma and beta, too, unless the group has a rate. */
    expect_steps("{\"lr\": 0.5, \"weight_lr\": 0.25, \"bias_lr\": 0.125,"
                 "\"groups\": [{\"match\": 1, \"weight_decay\": 1}]}",
        (const double[]){0.5, 0.5, 0.5, 0.25, 0.5, 0.5});
    expect_steps("{\"lr\": 0.5, \"weight_lr\": 0.25, \"bias_lr\": 0.125,"
                 "\"groups\": [{\"match\": 1, \"lr\": 1, \"bias_lr\": 2}]}",
        (const double[]){0.5, 0.5, 1, 2, 0.5, 0.5});
}

static void no_decay_is_for_parameters_of_every_group(void **state)
{
    (void)state;
    expect_steps("{\"lr\": 0.5, \"weight_decay\": 1, \"no_decay\": [\"norm\", \"bias\"]}",
        (const double[]){1, 0.5, 0.5, 0.5, 1, 0.5});
    expect_steps("{\"lr\": 0.5, \"weight_decay\": 1, \"no_decay\": \"bias\","
                 "\"groups\": [{\"match\": 3, \"weight_decay\": 3}]}",
        (const double[]){1, 0.5, 1, 1, 2, 0.5});
}

static void parameters_of_equal_options_share_a_set(void **state)
{
    (void)state;
    normd_optimizer *optimizer = make_optimizer(
        "{\"weight_lr\": 0.5, \"groups\": [{\"match\": 3, \"lr\": 1}]}", NORMD_PYTORCH);
    static const size_t expected[PARAMETERS] = {0, 0, 1, 0, 2, 2};
    for (size_t i = 0; i < PARAMETERS; i++) {
        assert_int_equal(normd_optimizer_place(optimizer, &parameters[i]), expected[i]);
    }
    normd_optimizer_destroy(optimizer);
}

static void groups_are_described_with_every_option(void **state)
{
    (void)state;
    normd_optimizer *optimizer =
        make_optimizer("{\"lr\": 0.5, \"groups\": [{\"match\": [\"norm\", 3], \"momentum\": 0.5}],"
                       "\"no_decay\": \"bias\"}",
            NORMD_PYTORCH);
    json_t *described = normd_optimizer_describe(optimizer, NORMD_PYTORCH);
    json_t *expected =
        json_loads("[{\"match\": [\"norm\", 3], \"lr\": 0.5, \"weight_lr\": 0.5, \"bias_lr\": 0.5,"
                   "\"momentum\": 0.5, \"dampening\": 0.0, \"nesterov\": false,"
                   "\"weight_decay\": 0.0, \"maximize\": false}]",
            0, NULL);
    assert_true(json_equal(json_object_get(described, "groups"), expected));
    assert_string_equal(json_string_value(json_object_get(described, "no_decay")), "bias");
    normd_optimizer *again = NULL;
    assert_int_equal(normd_optimizer_create(described, NORMD_PYTORCH, &again, NULL), NORMD_OK);
    json_t *described_again = normd_optimizer_describe(again, NORMD_PYTORCH);
    assert_true(json_equal(described, described_again));
    json_decref(described);
    json_decref(described_again);
    json_decref(expected);
    normd_optimizer_destroy(optimizer);
    normd_optimizer_destroy(again);
}

static void a_group_without_a_parameter_is_refused(void **state)
{
    (void)state;
    static const char *const options[][2] = {
        {"{\"groups\": [{\"match\": 0}, {\"match\": [2, \"9.weight\"]}]}",
            "optimizer.groups[1].match: expected a parameter that no group before it has, of all; "
            "got [2, \"9.weight\"]"},
        {"{\"groups\": [{\"match\": [\"norm\"]}, {\"match\": \"gamma\"}]}",
            "optimizer.groups[1].match: expected a parameter that no group before it has, of all; "
            "got \"gamma\""},
        {"{\"no_decay\": [2]}", "optimizer.no_decay: expected a parameter, of all; got [2]"},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        normd_optimizer *optimizer = make_optimizer(options[i][0], NORMD_PYTORCH);
        for (size_t j = 0; j < PARAMETERS; j++) {
            normd_optimizer_place(optimizer, &parameters[j]);
        }
        normd_error error;
        assert_int_equal(
            normd_optimizer_check_groups(optimizer, "all", &error), NORMD_BAD_ARGUMENT);
        assert_string_equal(error.message, options[i][1]);
        normd_optimizer_destroy(optimizer);
    }
}

#define ONE_MATCH                                                                                  \
    "expected a role (\"weight\", \"bias\", \"norm\", \"norm_weight\", \"norm_bias\"), the "       \
    "number "                                                                                      \
    "of a layer, a tensor's name (\"0.weight\"), or a list of such, got "

static void wrong_groups_are_refused(void **state)
{
    (void)state;
    expect_refused("{\"groups\": 1}", NORMD_PYTORCH,
        "optimizer.groups: expected a list of at most 16 maps, got 1");
    expect_refused(
        "{\"groups\": [1]}", NORMD_PYTORCH, "optimizer.groups[0]: expected a map, got 1");
    expect_refused("{\"groups\": [{\"lr\": 1}]}", NORMD_PYTORCH,
        "optimizer.groups[0].match: " ONE_MATCH "nothing");
    expect_refused("{\"groups\": [{\"match\": \"norms\"}]}", NORMD_PYTORCH,
        "optimizer.groups[0].match: " ONE_MATCH "\"norms\"");
    expect_refused("{\"groups\": [{\"match\": []}]}", NORMD_PYTORCH,
        "optimizer.groups[0].match: " ONE_MATCH "[]");
    expect_refused("{\"groups\": [{\"match\": -1}]}", NORMD_PYTORCH,
        "optimizer.groups[0].match: " ONE_MATCH "-1");
    expect_refused(
        "{\"no_decay\": [\"0.\"]}", NORMD_PYTORCH, "optimizer.no_decay: " ONE_MATCH "[\"0.\"]");
    expect_refused("{\"groups\": [{\"match\": 0, \"lr\": -1}]}", NORMD_PYTORCH,
        "optimizer.groups[0].lr: expected a number in [0, inf], got -1");
    expect_refused("{\"groups\": [{\"match\": 0, \"clip_grad_norm\": 1}]}", NORMD_PYTORCH,
        "optimizer.groups[0]: expected the keys \"match\", \"lr\", \"weight_lr\", \"bias_lr\", "
        "\"momentum\", \"dampening\", \"nesterov\", \"weight_decay\", \"maximize\", got "
        "\"clip_grad_norm\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_group_that_matches_gives_the_options),
        cmocka_unit_test(a_group_inherits_what_it_does_not_say),
        cmocka_unit_test(no_decay_is_for_parameters_of_every_group),
        cmocka_unit_test(parameters_of_equal_options_share_a_set),
        cmocka_unit_test(groups_are_described_with_every_option),
        cmocka_unit_test(a_group_without_a_parameter_is_refused),
        cmocka_unit_test(wrong_groups_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
