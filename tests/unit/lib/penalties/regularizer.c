// SPDX-License-Identifier: Apache-2.0
#include "lib/penalties/regularizer.h"

#include <float.h>
#include <math.h>

#include "tests/unit/lib/session/fixture.h"

static normd_regularizer read(const char *option, normd_error *error)
{
    json_t *map = fixture_json(option);
    normd_options options;
    normd_options_begin(&options, map, NULL, "layers[0]");
    normd_regularizer regularizer = normd_regularizer_read(&options, "r");
    *error = (normd_error){.status = NORMD_OK};
    (void)normd_options_finish(&options, error);
    json_decref(map);
    return regularizer;
}

static void names_maps_and_numbers_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *option;
        double l1, l2;
    } rows[] = {
        {"{}", 0, 0},
        {"{'r': null}", 0, 0},
        {"{'r': 'l1'}", 0.01, 0},
        {"{'r': 'L2'}", 0, 0.01},
        {"{'r': 'l1_l2'}", 0, 0},
        {"{'r': 'L1L2'}", 0, 0},
        {"{'r': 0.25}", 0, 0.25},
        {"{'r': {'name': 'l1', 'l1': 0.5}}", 0.5, 0},
        {"{'r': {'name': 'l1_l2', 'l1': 0.5, 'l2': 2}}", 0.5, 2},
        {"{'r': {'module': 'keras.regularizers', 'class_name': 'L2', 'config': {'l2': 0.125}, "
         "'registered_name': null}}",
            0, 0.125},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        normd_error error;
        normd_regularizer regularizer = read(rows[i].option, &error);
        assert_int_equal(error.status, NORMD_OK);
        assert_true(regularizer.l1 == rows[i].l1 && regularizer.l2 == rows[i].l2);
    }
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *option, *message;
    } rows[] = {
        {"{'r': 'l3'}", "layers[0].r: expected null, a name, or a map with a name and arguments; "
                        "one of l1, l2, l1_l2; got \"l3\""},
        {"{'r': [1]}", "layers[0].r: expected null, a name, or a map with a name and arguments; "
                       "one of l1, l2, l1_l2; got [1]"},
        {"{'r': -1}", "layers[0].r: expected a number in [0, inf], got -1"},
        {"{'r': {'name': 'l1', 'l1': -1}}",
            "layers[0].r.l1: expected a number in [0, inf], got -1"},
        {"{'r': {'name': 'l1', 'l2': 1}}", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        normd_error error;
        read(rows[i].option, &error);
        assert_int_equal(error.status, NORMD_BAD_ARGUMENT);
        if (rows[i].message != NULL) {
            assert_string_equal(error.message, rows[i].message);
        }
    }
}

/* The sums of 1000 values by LANES are off by 125 units of a sum of sizes. The central difference
   of a quadratic has no error but rounding, of the order of eps * value / h; the values stay away
   from 0, where |w| has a corner. */
static void gradients_agree_with_central_differences(void **state)
{
    (void)state;
    enum { COUNT = 1003 };
    static double values[COUNT], gradient[COUNT];
    const normd_regularizer rows[] = {{0.5, 0, "l1"}, {0, 0.25, "l2"}, {0.5, 0.25, "l1_l2"}};
    const double h = 0x1p-10;
    for (size_t i = 0; i < COUNT; i++) {
        values[i] = (i % 2 == 0 ? 1 : -1) * (0.5 + (double)(i % 17));
    }
    for (size_t r = 0; r < 3; r++) {
        for (size_t i = 0; i < COUNT; i++) {
            gradient[i] = 3;
        }
        normd_regularizer_add_gradient(&rows[r], NORMD_F64, values, gradient, COUNT);
        double whole = normd_regularizer_value(&rows[r], NORMD_F64, values, COUNT);
        for (size_t i = 0; i < COUNT; i += 7) {
            double value = values[i];
            values[i] = value + h;
            double above = normd_regularizer_value(&rows[r], NORMD_F64, values, COUNT);
            values[i] = value - h;
            double below = normd_regularizer_value(&rows[r], NORMD_F64, values, COUNT);
            values[i] = value;
            double bound = 250 * DBL_EPSILON * whole / h;
            assert_true(fabs(gradient[i] - 3 - (above - below) / (2 * h)) <= bound);
        }
    }
}

static void the_penalty_of_zero_has_no_slope(void **state)
{
    (void)state;
    const normd_regularizer regularizer = {0.5, 0.25, "l1_l2"};
    float values[3] = {0, -0.0F, 2}, gradient[3] = {1, 1, 1};
    normd_regularizer_add_gradient(&regularizer, NORMD_F32, values, gradient, 3);
    assert_true(gradient[0] == 1 && gradient[1] == 1 && gradient[2] == 2.5F);
    assert_true(normd_regularizer_value(&regularizer, NORMD_F32, values, 3) == 2.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_maps_and_numbers_are_read),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(gradients_agree_with_central_differences),
        cmocka_unit_test(the_penalty_of_zero_has_no_slope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
