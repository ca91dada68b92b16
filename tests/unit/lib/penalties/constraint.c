// SPDX-License-Identifier: Apache-2.0
#include "lib/penalties/constraint.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "tests/unit/lib/session/fixture.h"

static const uint8_t transposed[2] = {1, 0};

static normd_constraint read(
    const char *option, const normd_shape *shape, const uint8_t *axes, normd_error *error)
{
    char text[256];
    snprintf(text, sizeof text, "{'c': %s}", option);
    json_t *map = fixture_json(text);
    normd_options options;
    normd_options_begin(&options, map, NULL, "layers[0]");
    normd_constraint constraint = normd_constraint_read(&options, "c", shape, axes);
    *error = (normd_error){.status = NORMD_OK};
    (void)normd_options_finish(&options, error);
    json_decref(map);
    return constraint;
}

/* A product with a factor that is off by four roundings. */
static void expect(const char *option, normd_shape shape, const uint8_t *axes, const double *before,
    const double *after)
{
    normd_error error;
    normd_constraint constraint = read(option, &shape, axes, &error);
    assert_int_equal(error.status, NORMD_OK);
    size_t count;
    assert_true(normd_shape_elements(&shape, &count));
    double doubles[16];
    float floats[16];
    for (size_t i = 0; i < count; i++) {
        doubles[i] = before[i];
        floats[i] = (float)before[i];
    }
    for (size_t group = 0; group < constraint.groups; group++) {
        normd_constraint_apply(&constraint, NORMD_F64, doubles, group, group + 1);
    }
    normd_constraint_apply(&constraint, NORMD_F32, floats, 0, constraint.groups);
    for (size_t i = 0; i < count; i++) {
        assert_true(fabs(doubles[i] - after[i]) <= 4 * DBL_EPSILON * fabs(after[i]));
        assert_true(fabs((double)floats[i] - after[i]) <= (double)FLT_EPSILON * fabs(after[i]));
    }
}

static void norms_go_over_the_axes_of_keras_array(void **state)
{
    (void)state;
    /* Rows (3, 4) and (6, 8): norms 5 and 10; columns (3, 6) and (4, 8). */
    const double w[4] = {3, 4, 6, 8};
    const normd_shape matrix = {2, {2, 2}};
    const double e = 1e-7, n0 = sqrt(45), n1 = sqrt(80), all = sqrt(125);
    expect("'unit_norm'", matrix, transposed, w,
        (double[]){3 / (5 + e), 4 / (5 + e), 6 / (10 + e), 8 / (10 + e)});
    expect("{'name': 'unit_norm', 'axis': 1}", matrix, transposed, w,
        (double[]){3 / (n0 + e), 4 / (n1 + e), 6 / (n0 + e), 8 / (n1 + e)});
    expect("'unit_norm'", matrix, NULL, w,
        (double[]){3 / (n0 + e), 4 / (n1 + e), 6 / (n0 + e), 8 / (n1 + e)});
    expect("{'name': 'UnitNorm', 'axis': [0, -1]}", matrix, NULL, w,
        (double[]){3 / (all + e), 4 / (all + e), 6 / (all + e), 8 / (all + e)});
    /* The middle one of three axes: values 2 apart. */
    const double cube[8] = {3, 0, 4, 1, 6, 0, 8, 2};
    expect("{'name': 'max_norm', 'max_value': 5, 'axis': 1}", (normd_shape){3, {2, 2, 2}}, NULL,
        cube,
        (double[]){3 * (5 / (5 + e)), 0, 4 * (5 / (5 + e)), 1 / (1 + e), 6 * (5 / (10 + e)), 0,
            8 * (5 / (10 + e)), 2 * (2 / (2 + e))});
}

static void each_constraint_is_keras_formula(void **state)
{
    (void)state;
    const normd_shape vector = {1, {3}};
    const double w[3] = {3, -4, 0}, e = 1e-7;
    expect("'non_neg'", vector, NULL, w, (double[]){3, 0, 0});
    expect("'max_norm'", vector, NULL, w, (double[]){3 * (2 / (5 + e)), -4 * (2 / (5 + e)), 0});
    expect("{'name': 'min_max_norm', 'min_value': 7, 'max_value': 9, 'rate': 0.5}", vector, NULL, w,
        (double[]){3 * (6 / (5 + e)), -4 * (6 / (5 + e)), 0});
    expect("{'class_name': 'MinMaxNorm', 'config': {'axis': 0}}", vector, NULL, w,
        (double[]){3 / (5 + e), -4 / (5 + e), 0});
    expect("'unit_norm'", vector, NULL, (double[]){0, 0, 0}, (double[]){0, 0, 0});
}

static void mistakes_are_named(void **state)
{
    (void)state;
    const normd_shape vector = {1, {3}};
    static const struct {
        const char *option, *message;
    } rows[] = {
        {"'max'", "layers[0].c: expected null, a name, or a map with a name and arguments; one of "
                  "max_norm, non_neg, unit_norm, min_max_norm; got \"max\""},
        {"{'name': 'unit_norm', 'axis': 1}",
            "layers[0].c.axis: expected an axis from -1 to 0, or a list of some, got 1"},
        {"{'name': 'unit_norm', 'axis': []}",
            "layers[0].c.axis: expected an axis from -1 to 0, or a list of some, got []"},
        {"{'name': 'min_max_norm', 'min_value': 2}",
            "layers[0].c.max_value: expected a number from min_value, 2, on, got 1"},
        {"{'name': 'min_max_norm', 'rate': 2}",
            "layers[0].c.rate: expected a number in [0, 1], got 2"},
        {"{'name': 'non_neg', 'axis': 0}", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        normd_error error;
        read(rows[i].option, &vector, NULL, &error);
        assert_int_equal(error.status, NORMD_BAD_ARGUMENT);
        if (rows[i].message != NULL) {
            assert_string_equal(error.message, rows[i].message);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norms_go_over_the_axes_of_keras_array),
        cmocka_unit_test(each_constraint_is_keras_formula),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
