// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "lib/init/random.h"
#include "tests/unit/lib/optimizers/three_steps.h"

static const char *const forms[] = {
    "\"sgd\"",
    "{\"lr\": 0.1, \"momentum\": 0.9, \"weight_decay\": 0.1}",
    "{\"lr\": 0.1, \"momentum\": 0.9, \"nesterov\": true}",
    "{\"type\": \"adam\", \"weight_decay\": 0.1}",
    "{\"type\": \"adamw\", \"amsgrad\": true}",
    "{\"type\": \"rmsprop\"}",
    "{\"type\": \"rmsprop\", \"momentum\": 0.5}",
    "{\"type\": \"rmsprop\", \"centered\": true}",
    "{\"type\": \"rmsprop\", \"centered\": true, \"momentum\": 0.5}",
    "{\"type\": \"adagrad\"}",
    "{\"type\": \"nadam\"}",
    "{\"type\": \"lion\"}",
};
enum { FORM_COUNT = sizeof forms / sizeof *forms, COUNT = 1500, STEPS = 3, SLOTS = 3 };

/* All numbers of some steps of one parameter; the bytes hold floats or doubles. */
typedef struct parameter_state {
    normd_dtype dtype;
    _Alignas(8) unsigned char weight[2][COUNT * 8]; /* old and new */
    _Alignas(8) unsigned char gradient[COUNT * 8];
    _Alignas(8) unsigned char slot[SLOTS][COUNT * 8];
} parameter_state;

static void fill_normal(const parameter_state *training, unsigned char *bytes, uint64_t stream)
{
    normd_random random = {.seed = 11, .stream = stream};
    for (size_t i = 0; i < COUNT; i++) {
        double value = normd_random_normal(&random, i);
        if (training->dtype == NORMD_F32) {
            ((float *)(void *)bytes)[i] = (float)value;
        } else {
            ((double *)(void *)bytes)[i] = value;
        }
    }
}

/* One step with the parameter cut into pieces. */
static void step_in_pieces(parameter_state *training, const normd_coefficients *coefficients,
    size_t piece, const unsigned char *old, unsigned char *new)
{
    size_t size = normd_dtype_size(training->dtype);
    for (size_t begin = 0; begin < COUNT; begin += piece) {
        size_t at = begin * size;
        normd_update update = {.dtype = training->dtype,
            .count = COUNT - begin < piece ? COUNT - begin : piece,
            .weight = old + at,
            .gradient = training->gradient + at,
            .slot = {training->slot[0] + at, training->slot[1] + at, training->slot[2] + at},
            .new_weight = new + at};
        normd_loops_run(coefficients, &update);
    }
}

/* Returns the new weights. */
static const unsigned char *train_in_pieces(
    parameter_state *training, normd_optimizer *optimizer, size_t piece)
{
    static normd_step step;
    double scalars[NORMD_OPTIMIZER_MAX_SCALARS];
    initial_scalars(optimizer, scalars);
    normd_parameter parameter = {.name = "weight", .role = NORMD_ROLE_WEIGHT};
    size_t set = normd_optimizer_place(optimizer, &parameter);
    unsigned char *old = training->weight[0];
    unsigned char *new = training->weight[1];
    memset(training->slot, 0, sizeof training->slot);
    fill_normal(training, old, 0);
    for (uint64_t number = 1; number <= STEPS; number++) {
        fill_normal(training, training->gradient, number);
        normd_step_begin(optimizer, number, scalars, &step);
        step_in_pieces(training, &step.set[set], piece, old, new);
        unsigned char *swap = old;
        old = new;
        new = swap;
    }
    return old;
}

static void any_split_of_a_parameter_gives_the_same_bits(void **state)
{
    (void)state;
    static parameter_state whole;
    static parameter_state cut;
    static const size_t pieces[] = {1, 7, 512, 513, 1000};
    for (size_t form = 0; form < FORM_COUNT * 2 * 2; form++) {
        whole.dtype = cut.dtype = form % 2 == 0 ? NORMD_F32 : NORMD_F64;
        normd_convention convention = form / 2 % 2 == 0 ? NORMD_PYTORCH : NORMD_KERAS;
        normd_optimizer *optimizer = make_optimizer(forms[form / 4], convention);
        const unsigned char *expected = train_in_pieces(&whole, optimizer, COUNT);
        for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
            const unsigned char *got = train_in_pieces(&cut, optimizer, pieces[i]);
            assert_memory_equal(got, expected, COUNT * normd_dtype_size(whole.dtype));
            assert_memory_equal(cut.slot, whole.slot, sizeof cut.slot);
        }
        normd_optimizer_destroy(optimizer);
    }
}

static void each_role_has_its_rate(void **state)
{
    (void)state;
    normd_optimizer *optimizer =
        make_optimizer("{\"lr\": 0.5, \"weight_lr\": 0.25, \"bias_lr\": 0.125}", NORMD_PYTORCH);
    const struct {
        normd_parameter_role role;
        double expected;
    } rates[] = {{NORMD_ROLE_WEIGHT, 0.5}, {NORMD_ROLE_BIAS, 0.5}, {NORMD_ROLE_NORM_WEIGHT, 0.75},
        {NORMD_ROLE_NORM_BIAS, 0.875}};
    for (size_t i = 0; i < 4; i++) {
        const double weight = 1;
        const double gradient = 1;
        double new = 0;
        normd_update update = {.dtype = NORMD_F64,
            .count = 1,
            .weight = &weight,
            .gradient = &gradient,
            .new_weight = &new};
        run_step(optimizer, rates[i].role, 1, NULL, &update);
        assert_true(new == rates[i].expected);
    }
    normd_optimizer_destroy(optimizer);
}

static void nothing_and_an_empty_map_are_sgd(void **state)
{
    (void)state;
    normd_optimizer *optimizer;
    assert_int_equal(normd_optimizer_create(NULL, NORMD_KERAS, &optimizer, NULL), NORMD_OK);
    json_t *description = normd_optimizer_describe(optimizer, NORMD_KERAS);
    assert_string_equal(json_string_value(json_object_get(description, "type")), "sgd");
    assert_true(json_real_value(json_object_get(description, "learning_rate")) == 0.01);
    json_decref(description);
    normd_optimizer_destroy(optimizer);
    normd_optimizer_destroy(NULL);
}

static void other_types_and_rates_are_refused(void **state)
{
    (void)state;
    const char *types =
        "optimizer.type: expected one of \"sgd\", \"adam\", \"adamw\", \"rmsprop\", "
        "\"adagrad\", \"nadam\", \"lion\", got \"ftrl\"";
    expect_refused("\"ftrl\"", NORMD_PYTORCH, types);
    expect_refused("{\"type\": \"ftrl\"}", NORMD_KERAS, types);
    expect_refused("[1]", NORMD_KERAS, "optimizer: expected a map, got [1]");
    expect_refused(
        "{\"lr\": -1}", NORMD_PYTORCH, "optimizer.lr: expected a number in [0, inf], got -1");
    expect_refused("{\"learning_rate\": \"x\"}", NORMD_KERAS,
        "optimizer.learning_rate: expected a number in [0, inf], got \"x\"");
    expect_refused("{\"weight_lr\": null}", NORMD_KERAS,
        "optimizer.weight_lr: expected a number in [0, inf], got null");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_split_of_a_parameter_gives_the_same_bits),
        cmocka_unit_test(each_role_has_its_rate),
        cmocka_unit_test(nothing_and_an_empty_map_are_sgd),
        cmocka_unit_test(other_types_and_rates_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
