// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <math.h>
#include <string.h>

#include "lib/init/matrix.h"

enum { MOST = 150 * 150 };
static double values[MOST];
static const normd_random random_numbers = {.seed = 42, .stream = 3};

/* The dot product of the vectors i and j: rows, or of a tall matrix columns. */
static double product(size_t rows, size_t columns, size_t i, size_t j)
{
    size_t length = rows > columns ? rows : columns;
    double sum = 0;
    for (size_t k = 0; k < length; k++) {
        size_t a = rows > columns ? k * columns + i : i * columns + k;
        size_t b = rows > columns ? k * columns + j : j * columns + k;
        sum += values[a] * values[b];
    }
    return sum;
}

static void orthogonal_vectors_are_so_to_rounding(void **state)
{
    (void)state;
    static const size_t extents[][2] = {
        {1, 1}, {5, 5}, {3, 7}, {7, 3}, {33, 40}, {150, 150}, {1, 9}, {9, 1}, {128, 64}};
    for (size_t e = 0; e < sizeof extents / sizeof *extents; e++) {
        size_t rows = extents[e][0], columns = extents[e][1];
        assert_true(
            normd_matrix_orthogonal(3.0, &random_numbers, NORMD_F64, rows, columns, values));
        size_t count = rows < columns ? rows : columns;
        /* A dot product of n numbers whose squares add up to 9: off by n u 9 at most, and so is
           what the last round of Gram-Schmidt leaves. */
        double bound = 2 * 9 * 0x1p-53 * (double)(rows + columns + 8);
        for (size_t i = 0; i < count; i++) {
            for (size_t j = 0; j < count; j++) {
                double wanted = i == j ? 9.0 : 0.0;
                assert_true(fabs(product(rows, columns, i, j) - wanted) <= bound);
            }
        }
    }
}

/* The Q of a QR decomposition whose R has a positive diagonal is unique: its first vector is the
   first vector of random numbers, scaled. */
static void the_first_vector_is_the_first_random_one(void **state)
{
    (void)state;
    enum { ROWS = 4, COLUMNS = 6 };
    assert_true(normd_matrix_orthogonal(1.0, &random_numbers, NORMD_F64, ROWS, COLUMNS, values));
    double norm = 0;
    for (size_t n = 0; n < COLUMNS; n++) {
        double value = normd_random_normal(&random_numbers, n);
        norm += value * value;
    }
    for (size_t n = 0; n < COLUMNS; n++) {
        double wanted = normd_random_normal(&random_numbers, n) / sqrt(norm);
        assert_true(fabs(values[n] - wanted) <= 8 * 0x1p-53);
    }
}

/* Over many matrices the mean of an element is 0 and of its square 1/n: of 2000 matrices of 4 by 4,
   five standard errors are 5 sqrt(1/4 / 2000) = 0.056 and, with the fourth moment 3/(n(n+2)) =
   1/8, 5 sqrt((1/8 - 1/16) / 2000) = 0.028. */
static void matrices_have_no_direction_that_they_prefer(void **state)
{
    (void)state;
    enum { N = 4, MATRICES = 2000 };
    double sum[N * N] = {0}, squares[N * N] = {0};
    for (size_t m = 0; m < MATRICES; m++) {
        normd_random random = {.seed = m};
        assert_true(normd_matrix_orthogonal(1.0, &random, NORMD_F64, N, N, values));
        for (size_t n = 0; n < N * N; n++) {
            sum[n] += values[n];
            squares[n] += values[n] * values[n];
        }
    }
    for (size_t n = 0; n < N * N; n++) {
        assert_true(fabs(sum[n] / MATRICES) < 0.056);
        assert_true(fabs(squares[n] / MATRICES - 1.0 / N) < 0.028);
    }
}

static void floats_are_the_doubles_rounded(void **state)
{
    (void)state;
    static float narrow[20 * 30];
    assert_true(normd_matrix_orthogonal(0.5, &random_numbers, NORMD_F64, 20, 30, values));
    assert_true(normd_matrix_orthogonal(0.5, &random_numbers, NORMD_F32, 20, 30, narrow));
    for (size_t n = 0; n < 600; n++) {
        assert_true(narrow[n] == (float)values[n]);
    }
}

static void an_identity_has_its_gain_on_the_diagonal(void **state)
{
    (void)state;
    memset(values, 0x55, sizeof values);
    normd_matrix_identity(2.5, NORMD_F64, 3, 5, values);
    for (size_t n = 0; n < 15; n++) {
        assert_true(values[n] == (n / 5 == n % 5 ? 2.5 : 0.0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orthogonal_vectors_are_so_to_rounding),
        cmocka_unit_test(the_first_vector_is_the_first_random_one),
        cmocka_unit_test(matrices_have_no_direction_that_they_prefer),
        cmocka_unit_test(floats_are_the_doubles_rounded),
        cmocka_unit_test(an_identity_has_its_gain_on_the_diagonal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
