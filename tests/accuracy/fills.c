// SPDX-License-Identifier: Apache-2.0
#include "tests/accuracy/fills.h"

#include <math.h>
#include <stdlib.h>

typedef const accuracy_channel_source source_of;

/* SplitMix64: [0, 1) in steps of 2^-53. */
static double uniform(accuracy_random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* Box and Muller. */
static double normal(accuracy_random *random)
{
    double radius = sqrt(-2.0 * log(1.0 - uniform(random)));
    return radius * cos(6.283185307179586 * uniform(random));
}

/* Odd channels have their mean below zero. */
static double sign_of(const accuracy_channel_source *source)
{
    return source->channel % 2 == 0 ? 1.0 : -1.0;
}

static void fill_normal(source_of *source, double *values, size_t count, double mean, double sigma)
{
    for (size_t k = 0; k < count; k++) {
        values[k] = sign_of(source) * mean + sigma * normal(source->random);
    }
}

static void fill_constant(source_of *source, double *values, size_t count, double value)
{
    for (size_t k = 0; k < count; k++) {
        values[k] = sign_of(source) * value;
    }
}

#define FILL_NORMAL(name, mean, sigma)                                                             \
    void accuracy_fill_##name(source_of *source, double *values, size_t count)                     \
    {                                                                                              \
        fill_normal(source, values, count, mean, sigma);                                           \
    }
FILL_NORMAL(normal, 0.0, 1.0)
FILL_NORMAL(offset_1e2, 1e2, 1.0)
FILL_NORMAL(offset_1e4, 1e4, 1.0)
FILL_NORMAL(offset_1e6, 1e6, 1.0)
FILL_NORMAL(offset_1e8, 1e8, 1.0)
/* Between two floats, so that these are not all the same. */
FILL_NORMAL(tight, 1e4 + 0x1p-11, 1e-4)
FILL_NORMAL(big, 1e15, 2e14)
FILL_NORMAL(huge, 1e30, 2e29)

#define FILL_CONSTANT(name, value)                                                                 \
    void accuracy_fill_##name(source_of *source, double *values, size_t count)                     \
    {                                                                                              \
        fill_constant(source, values, count, value);                                               \
    }
FILL_CONSTANT(zero, 0.0)
FILL_CONSTANT(tenth, 0.1)
FILL_CONSTANT(constant_huge, 1e30)

void accuracy_fill_uniform(source_of *source, double *values, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        values[k] = uniform(source->random);
    }
}

/* All 2^24 but one, which is next to it among the floats. */
void accuracy_fill_nearly_constant(source_of *source, double *values, size_t count)
{
    fill_constant(source, values, count, 0x1p24);
    values[(count - 1) / 2] += 2.0 * sign_of(source);
}

void accuracy_fill_outlier(source_of *source, double *values, size_t count)
{
    fill_normal(source, values, count, 0.0, 1.0);
    values[(size_t)(uniform(source->random) * (double)count)] = 1e10 * sign_of(source);
}

void accuracy_fill_first_outlier(source_of *source, double *values, size_t count)
{
    fill_normal(source, values, count, 3.0, 1.0);
    values[0] = 1e7 * sign_of(source);
}

void accuracy_fill_denormal(source_of *source, double *values, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        values[k] = source->tiny * floor(0x1p20 * (uniform(source->random) - 0.25));
    }
}

/* Pairs z, -z: the mean is exactly 0. */
void accuracy_fill_alternating(source_of *source, double *values, size_t count)
{
    values[count - 1] = 0.0;
    for (size_t k = 0; k + 1 < count; k += 2) {
        values[k] = normal(source->random);
        values[k + 1] = -values[k];
    }
}

/* The same with two small values at the end, which alone make up the mean. */
void accuracy_fill_nearly_alternating(source_of *source, double *values, size_t count)
{
    accuracy_fill_alternating(source, values, count);
    size_t first = (count - 1) / 2 * 2;
    values[first] = 1e-9 * (double)count;
    values[count - 1] = 1e-9 * (double)count;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

void accuracy_fill_sorted(source_of *source, double *values, size_t count)
{
    fill_normal(source, values, count, 3.0, 1.0);
    qsort(values, count, sizeof *values, compare);
}

void accuracy_fill_relu(source_of *source, double *values, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        values[k] = fmax(normal(source->random), 0.0);
    }
}

void accuracy_fill_wide(source_of *source, double *values, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        double sign = uniform(source->random) < 0.5 ? -1.0 : 1.0;
        double exponent = floor(61.0 * uniform(source->random)) - 30.0;
        values[k] = sign * ldexp(1.0 + uniform(source->random), (int)exponent);
    }
}

/* Exponents so far apart that sums in double round, and all cancels but the values in the middle:
   the mean is what a plain sum loses. */
void accuracy_fill_mirrored(source_of *source, double *values, size_t count)
{
    accuracy_fill_wide(source, values, count);
    for (size_t k = 0; k < count / 2; k++) {
        values[count - 1 - k] = -values[k];
    }
    values[(count - 1) / 2] = 1e-3;
    values[count / 2] = 1e-3;
}

/* x less its mean, over its deviation (1 where it has none). */
static void standardize(const double *x, double *values, size_t count)
{
    double mean = 0.0, square = 0.0;
    for (size_t k = 0; k < count; k++) {
        mean += x[k] / (double)count;
    }
    for (size_t k = 0; k < count; k++) {
        values[k] = x[k] - mean;
        square += values[k] * values[k] / (double)count;
    }
    double deviation = square > 0.0 ? sqrt(square) : 1.0;
    for (size_t k = 0; k < count; k++) {
        values[k] /= deviation;
    }
}

void accuracy_fill_normalized(source_of *source, double *values, size_t count)
{
    fill_normal(source, values, count, 0.0, 1.0);
    standardize(values, values, count);
    for (size_t k = 0; k < count; k++) {
        values[k] += 1e-8;
    }
}

/* What is left of dy in dx is a thousandth. */
void accuracy_fill_correlated(source_of *source, double *values, size_t count)
{
    standardize(source->x, values, count);
    for (size_t k = 0; k < count; k++) {
        values[k] += 1.0 + 1e-3 * normal(source->random);
    }
}

void accuracy_fill_alternating_ones(source_of *source, double *values, size_t count)
{
    (void)source;
    for (size_t k = 0; k < count; k++) {
        values[k] = k % 2 == 0 ? 1.0 : -1.0;
    }
}
