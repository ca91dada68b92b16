// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <math.h>
#include <string.h>

#include "lib/init/distribution.h"

enum { COUNT = 50000 };
static double values[COUNT];
static const normd_random random_numbers = {.seed = 42, .stream = 3};

static void fill(normd_distribution_kind kind, double a, double b)
{
    normd_distribution distribution = {kind, a, b, -2, 2};
    normd_distribution_fill(&distribution, &random_numbers, NORMD_F64, COUNT, values, NULL);
}

static void a_constant_fills_every_value(void **state)
{
    (void)state;
    fill(NORMD_CONSTANT, 0.25, 9);
    for (size_t n = 0; n < COUNT; n++) {
        assert_true(values[n] == 0.25);
    }
}

static void uniform_and_normal_are_scaled_and_moved(void **state)
{
    (void)state;
    fill(NORMD_UNIFORM, -2, 6);
    for (size_t n = 0; n < COUNT; n++) {
        assert_true(values[n] == -2 + 8 * normd_random_uniform(&random_numbers, n));
    }
    fill(NORMD_NORMAL, 3, 0.5);
    for (size_t n = 0; n < COUNT; n++) {
        assert_true(values[n] == 3 + 0.5 * normd_random_normal(&random_numbers, n));
    }
}

/* A standard normal cut at +-2 has variance 1 - 4 phi(2)/(2 Phi(2) - 1) = 0.77374 (deviation
   0.87963); its fourth moment is below 1.5, so five standard errors of the variance are below
   5 sqrt((1.5 - 0.6)/n) = 0.0213. */
static void truncated_normals_stay_within_two_deviations(void **state)
{
    (void)state;
    fill(NORMD_TRUNCATED_NORMAL, 0, 1);
    double squares = 0;
    double most = 0;
    size_t redrawn = 0;
    for (size_t n = 0; n < COUNT; n++) {
        double first = normd_random_normal(&random_numbers, n);
        if (fabs(first) <= 2) {
            assert_true(values[n] == first);
        } else {
            assert_true(values[n] != first);
            redrawn++;
        }
        squares += values[n] * values[n];
        most = fmax(most, fabs(values[n]));
    }
    assert_true(most <= 2 && most > 1.99);
    assert_true(fabs(squares / COUNT - 0.87962566103423978 * 0.87962566103423978) < 0.0213);
    /* P(|x| > 2) = 0.0455; five standard errors are 0.0047. */
    assert_true(fabs((double)redrawn / COUNT - 0.0455) < 0.0047);
}

static void values_depend_on_their_position_alone(void **state)
{
    (void)state;
    fill(NORMD_TRUNCATED_NORMAL, 0, 1);
    double fewer[1000];
    normd_distribution distribution = {NORMD_TRUNCATED_NORMAL, 0, 1, -2, 2};
    normd_distribution_fill(&distribution, &random_numbers, NORMD_F64, 1000, fewer, NULL);
    assert_memory_equal(values, fewer, sizeof fewer);
}

static void values_do_not_depend_on_the_number_of_threads(void **state)
{
    (void)state;
    static double others[COUNT];
    normd_pool *pool = normd_pool_create(3);
    assert_non_null(pool);
    for (int kind = NORMD_CONSTANT; kind <= NORMD_TRUNCATED_NORMAL; kind++) {
        normd_distribution distribution = {(normd_distribution_kind)kind, -1, 1, -2, 2};
        fill(distribution.kind, -1, 1);
        memset(others, 0, sizeof others);
        normd_distribution_fill(&distribution, &random_numbers, NORMD_F64, COUNT, others, pool);
        assert_memory_equal(values, others, sizeof values);
    }
    normd_pool_destroy(pool);
}

static void floats_are_the_doubles_rounded(void **state)
{
    (void)state;
    float narrow[1000];
    normd_distribution distribution = {NORMD_NORMAL, 0, 1, 0, 0};
    fill(NORMD_NORMAL, 0, 1);
    normd_distribution_fill(&distribution, &random_numbers, NORMD_F32, 1000, narrow, NULL);
    for (size_t n = 0; n < 1000; n++) {
        assert_true(narrow[n] == (float)values[n]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_constant_fills_every_value),
        cmocka_unit_test(uniform_and_normal_are_scaled_and_moved),
        cmocka_unit_test(truncated_normals_stay_within_two_deviations),
        cmocka_unit_test(values_depend_on_their_position_alone),
        cmocka_unit_test(values_do_not_depend_on_the_number_of_threads),
        cmocka_unit_test(floats_are_the_doubles_rounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
