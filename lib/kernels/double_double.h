// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_DOUBLE_DOUBLE_H
#define NORMD_KERNELS_DOUBLE_DOUBLE_H

/*
 * Numbers of twice the precision of double, as an unevaluated sum high + low (Dekker 1971), and the
 * error-free operations that they rest on. None of this may be contracted or reassociated; the
 * build sets -ffp-contract=off and never -ffast-math.
 */
typedef struct normd_double_double {
    double high, low;
} normd_double_double;

/* a + b exactly (Knuth). */
static inline normd_double_double normd_two_sum(double a, double b)
{
    double sum = a + b;
    double b_in_sum = sum - a;
    return (normd_double_double){sum, (a - (sum - b_in_sum)) + (b - b_in_sum)};
}

/* a + b exactly where |a| >= |b| or a = 0 (Dekker). */
static inline normd_double_double normd_quick_two_sum(double a, double b)
{
    double sum = a + b;
    return (normd_double_double){sum, b - (sum - a)};
}

/* a = high + low with at most 26 significant bits each (Veltkamp). Overflows from 2^996 on. */
static inline normd_double_double normd_split(double a)
{
    double shifted = 134217729.0 * a; /* 2^27 + 1 */
    double high = shifted - (shifted - a);
    return (normd_double_double){high, a - high};
}

/* a * b exactly (Dekker), unless the product or its error is out of the range of double. */
static inline normd_double_double normd_two_product(double a, double b)
{
    normd_double_double x = normd_split(a), y = normd_split(b);
    double product = a * b;
    double error = ((x.high * y.high - product) + x.high * y.low + x.low * y.high) + x.low * y.low;
    return (normd_double_double){product, error};
}

/* a / n to twice the precision. */
static inline normd_double_double normd_double_double_divide(normd_double_double a, double n)
{
    double quotient = a.high / n;
    normd_double_double product = normd_two_product(quotient, n);
    double rest = ((a.high - product.high) - product.low) + a.low;
    return normd_quick_two_sum(quotient, rest / n);
}

/* a + b to twice the precision of the larger of the two. */
static inline normd_double_double normd_double_double_add(
    normd_double_double a, normd_double_double b)
{
    normd_double_double sum = normd_two_sum(a.high, b.high);
    return normd_quick_two_sum(sum.high, sum.low + (a.low + b.low));
}

#endif
