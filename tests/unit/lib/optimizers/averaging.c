// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "lib/optimizers/averaging.h"

/* Halves and quarters alone, so that every result is exact in both types. */
static void expect_averages(const normd_averaging *averaging, const double expected[3])
{
    static const double weights[3][2] = {{1.0, -4.0}, {3.0, 0.0}, {2.0, 4.0}};
    double wide[2] = {99.0, 99.0};
    float narrow[2] = {99.0F, 99.0F};
    for (int step = 0; step < 3; step++) {
        const float rounded[2] = {(float)weights[step][0], (float)weights[step][1]};
        normd_averaging_update(averaging, step, NORMD_F64, 2, weights[step], wide);
        normd_averaging_update(averaging, step, NORMD_F32, 2, rounded, narrow);
        assert_true(wide[0] == expected[step] && (double)narrow[0] == expected[step]);
    }
    assert_true(wide[1] == (double)narrow[1] && wide[1] != expected[2]);
}

static void an_exponential_average_begins_as_a_copy(void **state)
{
    (void)state;
    static const double slow[3] = {1.0, 1.5, 1.625};
    static const double quick[3] = {1.0, 2.5, 2.125};
    for (int keras = 0; keras < 2; keras++) {
        normd_averaging averaging = {
            .type = NORMD_AVERAGING_EMA, .keras = keras, .decay = 0.75, .start = 1, .every = 1};
        expect_averages(&averaging, slow);
        averaging.decay = 0.25;
        expect_averages(&averaging, quick);
    }
}

static void an_equal_average_is_the_mean(void **state)
{
    (void)state;
    static const double mean[3] = {1.0, 2.0, 2.0};
    normd_averaging averaging = {.type = NORMD_AVERAGING_SWA, .start = 1, .every = 1};
    expect_averages(&averaging, mean);
}

static void start_and_every_choose_the_steps(void **state)
{
    (void)state;
    normd_averaging averaging = {.type = NORMD_AVERAGING_SWA, .start = 4, .every = 3};
    uint64_t count = 0;
    for (uint64_t step = 1; step <= 20; step++) {
        bool due = step >= 4 && (step - 4) % 3 == 0;
        assert_int_equal(normd_averaging_is_due(&averaging, step), due);
        assert_false(normd_averaging_overwrites(&averaging, step));
        count += due;
        assert_int_equal(normd_averaging_count(&averaging, step), count);
    }
    averaging.overwrite_every = 5;
    assert_false(normd_averaging_overwrites(&averaging, 4));
    assert_true(normd_averaging_overwrites(&averaging, 5));
    averaging.type = NORMD_AVERAGING_NONE;
    assert_false(normd_averaging_is_due(&averaging, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exponential_average_begins_as_a_copy),
        cmocka_unit_test(an_equal_average_is_the_mean),
        cmocka_unit_test(start_and_every_choose_the_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
