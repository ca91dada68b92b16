// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_UNIT_LIB_OPTIMIZERS_THREE_STEPS_H
#define NORMD_TESTS_UNIT_LIB_OPTIMIZERS_THREE_STEPS_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/optimizers/optimizer.h"
#include "lib/optimizers/step.h"

/* Three parameters and the gradients of three steps, for which the frameworks' results are noted
   in the tests. */
static const double start[3] = {0.5, -1.25, 2.0};
static const double gradients[3][3] = {{0.1, -0.2, 0.3}, {0.4, 0.25, -0.5}, {-0.05, 1.5, 0.0}};

static inline normd_optimizer *make_optimizer(const char *option, normd_convention convention)
{
    json_t *json = json_loads(option, JSON_DECODE_ANY, NULL);
    assert_non_null(json);
    normd_optimizer *optimizer;
    normd_error error = {.status = NORMD_OK};
    if (normd_optimizer_create(json, convention, &optimizer, &error) != NORMD_OK) {
        fail_msg("%s", error.message);
    }
    json_decref(json);
    return optimizer;
}

/* One step of one piece of a parameter. `scalars`: the optimizer's. */
static inline void run_step(normd_optimizer *optimizer, normd_parameter_role role, uint64_t number,
    double *scalars, const normd_update *update)
{
    normd_parameter parameter = {.name = "weight", .role = role};
    size_t set = normd_optimizer_place(optimizer, &parameter);
    static normd_step step;
    normd_step_begin(optimizer, number, scalars, &step);
    normd_loops_run(&step.set[set], update);
}

static inline void initial_scalars(
    const normd_optimizer *optimizer, double scalars[NORMD_OPTIMIZER_MAX_SCALARS])
{
    for (size_t i = 0; i < normd_optimizer_scalars(optimizer); i++) {
        scalars[i] = normd_optimizer_scalar(optimizer, i)->initial;
    }
}

/* The initial values of the rule's slots, three each. */
static inline void initial_slot(normd_optimizer *optimizer, size_t number, double values[3])
{
    normd_parameter parameter = {.name = "weight", .role = NORMD_ROLE_WEIGHT};
    size_t set = normd_optimizer_place(optimizer, &parameter);
    values[0] = values[1] = values[2] = 0.0;
    for (size_t i = 0; i < normd_optimizer_slots(optimizer); i++) {
        if (normd_optimizer_slot(optimizer, i)->number == number) {
            values[0] = values[1] = values[2] = normd_optimizer_initial(optimizer, set, i);
        }
    }
}

static inline void take_three_steps_f64(normd_optimizer *optimizer, double weight[3])
{
    double slots[3][3];
    double scalars[NORMD_OPTIMIZER_MAX_SCALARS];
    initial_scalars(optimizer, scalars);
    for (size_t i = 0; i < 3; i++) {
        weight[i] = start[i];
        initial_slot(optimizer, i, slots[i]);
    }
    for (uint64_t step = 1; step <= 3; step++) {
        double old[3] = {weight[0], weight[1], weight[2]};
        normd_update update = {.dtype = NORMD_F64,
            .count = 3,
            .weight = old,
            .gradient = gradients[step - 1],
            .slot = {slots[0], slots[1], slots[2]},
            .new_weight = weight};
        run_step(optimizer, NORMD_ROLE_WEIGHT, step, scalars, &update);
    }
}

static inline void take_three_steps_f32(normd_optimizer *optimizer, float weight[3])
{
    float slots[3][3];
    double scalars[NORMD_OPTIMIZER_MAX_SCALARS];
    initial_scalars(optimizer, scalars);
    for (size_t i = 0; i < 3; i++) {
        double wide[3];
        weight[i] = (float)start[i];
        initial_slot(optimizer, i, wide);
        slots[i][0] = slots[i][1] = slots[i][2] = (float)wide[0];
    }
    for (uint64_t step = 1; step <= 3; step++) {
        const double *wide = gradients[step - 1];
        float gradient[3] = {(float)wide[0], (float)wide[1], (float)wide[2]};
        float old[3] = {weight[0], weight[1], weight[2]};
        normd_update update = {.dtype = NORMD_F32,
            .count = 3,
            .weight = old,
            .gradient = gradient,
            .slot = {slots[0], slots[1], slots[2]},
            .new_weight = weight};
        run_step(optimizer, NORMD_ROLE_WEIGHT, step, scalars, &update);
    }
}

/* A step rounds each of at most ten operations, on values up to 2, and the steps add up: below
   3 * 10 * 2 units in the last place of 1. */
static inline void expect_three_steps(
    const char *option, normd_convention convention, double a, double b, double c)
{
    const double expected[3] = {a, b, c};
    normd_optimizer *optimizer = make_optimizer(option, convention);
    double wide[3];
    float narrow[3];
    take_three_steps_f64(optimizer, wide);
    take_three_steps_f32(optimizer, narrow);
    for (int i = 0; i < 3; i++) {
        assert_true(fabs(wide[i] - expected[i]) <= 60 * 0x1p-53);
        assert_true(fabs((double)narrow[i] - expected[i]) <= 60 * 0x1p-24);
    }
    normd_optimizer_destroy(optimizer);
}

/* Checks the message of an option that is refused. */
static inline void expect_refused(
    const char *option, normd_convention convention, const char *message)
{
    json_t *json = json_loads(option, JSON_DECODE_ANY, NULL);
    assert_non_null(json);
    normd_optimizer *optimizer = NULL;
    normd_error error = {.status = NORMD_OK};
    assert_int_equal(
        normd_optimizer_create(json, convention, &optimizer, &error), NORMD_BAD_ARGUMENT);
    assert_null(optimizer);
    assert_string_equal(error.message, message);
    json_decref(json);
}

/* Checks that an unknown option is refused with the known ones. */
static inline void expect_unknown(const char *option, normd_convention convention, const char *key)
{
    json_t *json = json_loads(option, JSON_DECODE_ANY, NULL);
    assert_non_null(json);
    normd_optimizer *optimizer = NULL;
    normd_error error = {.status = NORMD_OK};
    char end[64];
    snprintf(end, sizeof end, ", got \"%s\"", key);
    assert_int_equal(
        normd_optimizer_create(json, convention, &optimizer, &error), NORMD_BAD_ARGUMENT);
    static const char begin[] = "optimizer: expected the keys \"type\", ";
    assert_memory_equal(error.message, begin, sizeof begin - 1);
    assert_string_equal(error.message + strlen(error.message) - strlen(end), end);
    json_decref(json);
}

/* What every optimizer's description ends with when nothing is asked for. */
#define PYTORCH_REST                                                                               \
    "\"accumulate_steps\": 1, \"clip_grad_value\": null, \"clip_grad_norm_each\": null,"           \
    "\"clip_grad_norm\": null, \"groups\": [], \"no_decay\": [], \"averaging\": null,"             \
    "\"schedule\": null}"
#define KERAS_REST                                                                                 \
    "\"gradient_accumulation_steps\": null, \"clipvalue\": null, \"clipnorm\": null,"              \
    "\"global_clipnorm\": null, \"groups\": [], \"no_decay\": [], \"use_ema\": false,"             \
    "\"ema_momentum\": 0.99, \"ema_overwrite_frequency\": null, \"schedule\": null}"

/* Checks the description, and that what is described makes the same optimizer. */
static inline void expect_description(
    const char *option, normd_convention convention, const char *text)
{
    normd_optimizer *optimizer = make_optimizer(option, convention);
    json_t *described = normd_optimizer_describe(optimizer, convention);
    json_t *expected = json_loads(text, 0, NULL);
    assert_non_null(expected);
    if (!json_equal(described, expected)) {
        fail_msg("described as %s", json_dumps(described, 0));
    }
    char *again_text = json_dumps(described, 0);
    normd_optimizer *again = make_optimizer(again_text, convention);
    json_t *described_again = normd_optimizer_describe(again, convention);
    assert_true(json_equal(described, described_again));
    json_decref(described);
    json_decref(described_again);
    json_decref(expected);
    free(again_text);
    normd_optimizer_destroy(optimizer);
    normd_optimizer_destroy(again);
}

#endif
