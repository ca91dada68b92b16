// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <math.h>

#include "lib/init/random.h"

static void expect_words(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t a, uint32_t b,
    uint32_t c, uint32_t d)
{
    normd_random random = {.seed = seed, .stream = stream};
    uint32_t words[4];
    normd_random_words(&random, counter, words);
    assert_int_equal(words[0], a);
    assert_int_equal(words[1], b);
    assert_int_equal(words[2], c);
    assert_int_equal(words[3], d);
}

/* The published known answers of Philox4x32-10; the counter's words are (counter, stream), the low
   word first, the key is the seed. */
static void known_answers_are_met(void **state)
{
    (void)state;
    expect_words(0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
    expect_words(
        UINT64_MAX, UINT64_MAX, UINT64_MAX, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd);
    expect_words(UINT64_C(0x299f31d0a4093822), UINT64_C(0x0370734413198a2e),
        UINT64_C(0x85a308d3243f6a88), 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1);
}

static void uniforms_are_made_of_the_first_two_words(void **state)
{
    (void)state;
    normd_random random = {.seed = 0, .stream = 0};
    double expected = ldexp((double)(UINT64_C(0xe169c58d6627e8d5) >> 11), -53);
    assert_true(normd_random_uniform(&random, 0) == expected);
}

static void normals_are_box_muller_of_the_words(void **state)
{
    (void)state;
    normd_random random = {.seed = 0, .stream = 0};
    double u = ldexp((double)(UINT64_C(0xe169c58d6627e8d5) >> 11) + 1, -53);
    double v = ldexp((double)(UINT64_C(0x9b00dbd8bc57ac4c) >> 11), -53);
    double expected = sqrt(-2 * log(u)) * cos(2 * acos(-1.0) * v);
    /* The angle may differ in its last bit, and so may each operation. */
    assert_true(fabs(normd_random_normal(&random, 0) - expected) <= 8 * 0x1p-53);
}

enum { COUNT = 100000 };

/* Mean and variance of COUNT draws, and the largest size. */
static void moments(double (*draw)(const normd_random *, uint64_t), const normd_random *random,
    double *mean, double *variance, double *least, double *most)
{
    double sum = 0;
    double squares = 0;
    *least = INFINITY;
    *most = -INFINITY;
    for (uint64_t n = 0; n < COUNT; n++) {
        double value = draw(random, n);
        sum += value;
        squares += value * value;
        *least = fmin(*least, value);
        *most = fmax(*most, value);
    }
    *mean = sum / COUNT;
    *variance = squares / COUNT - *mean * *mean;
}

/* Five standard errors: sqrt(var/n) for a mean, sqrt((m4 - var^2)/n) for a variance. For a uniform
   number var = 1/12 and m4 = 1/80; for a normal one 1 and 3. */
static void moments_are_those_of_the_distributions(void **state)
{
    (void)state;
    for (uint64_t stream = 0; stream < 3; stream++) {
        normd_random random = {.seed = 1234567890123, .stream = stream};
        double mean, variance, least, most;
        moments(normd_random_uniform, &random, &mean, &variance, &least, &most);
        assert_true(least >= 0 && most < 1);
        assert_true(fabs(mean - 0.5) < 5 * sqrt(1.0 / 12 / COUNT));
        assert_true(fabs(variance - 1.0 / 12) < 5 * sqrt((1.0 / 80 - 1.0 / 144) / COUNT));
        moments(normd_random_normal, &random, &mean, &variance, &least, &most);
        assert_true(fabs(mean) < 5 * sqrt(1.0 / COUNT));
        assert_true(fabs(variance - 1) < 5 * sqrt(2.0 / COUNT));
        /* P(|x| > 6) is 2e-9, P(|x| > 3.5 in none of 1e5 draws) e^-46. */
        assert_true(least > -6 && most < 6 && most > 3.5 && least < -3.5);
    }
}

static void seeds_and_streams_and_positions_differ(void **state)
{
    (void)state;
    normd_random base = {.seed = 7, .stream = 9};
    normd_random seed = {.seed = 8, .stream = 9};
    normd_random stream = {.seed = 7, .stream = 10};
    double value = normd_random_uniform(&base, 5);
    assert_true(value == normd_random_uniform(&base, 5));
    assert_true(value != normd_random_uniform(&base, 6));
    assert_true(value != normd_random_uniform(&seed, 5));
    assert_true(value != normd_random_uniform(&stream, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers_are_met),
        cmocka_unit_test(uniforms_are_made_of_the_first_two_words),
        cmocka_unit_test(normals_are_box_muller_of_the_words),
        cmocka_unit_test(moments_are_those_of_the_distributions),
        cmocka_unit_test(seeds_and_streams_and_positions_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
