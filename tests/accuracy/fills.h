// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_ACCURACY_FILLS_H
#define NORMD_TESTS_ACCURACY_FILLS_H

#include "tests/accuracy/data.h"

/* What x is filled with: (name, function, whether large shapes take it, too). */
#define ACCURACY_X_MAP(X)                                                                          \
    X("normal", accuracy_fill_normal, true)                                                        \
    X("uniform", accuracy_fill_uniform, false)                                                     \
    X("offset 1e2", accuracy_fill_offset_1e2, true)                                                \
    X("offset 1e4", accuracy_fill_offset_1e4, true)                                                \
    X("offset 1e6", accuracy_fill_offset_1e6, false)                                               \
    X("offset 1e8", accuracy_fill_offset_1e8, true)                                                \
    X("deviation 1e-4 at 1e4", accuracy_fill_tight, true)                                          \
    X("nearly constant", accuracy_fill_nearly_constant, true)                                      \
    X("one outlier of 1e10", accuracy_fill_outlier, true)                                          \
    X("first row an outlier", accuracy_fill_first_outlier, true)                                   \
    X("constant 0", accuracy_fill_zero, false)                                                     \
    X("constant 0.1", accuracy_fill_tenth, false)                                                  \
    X("constant 1e30", accuracy_fill_constant_huge, false)                                         \
    X("denormal", accuracy_fill_denormal, false)                                                   \
    X("alternating", accuracy_fill_alternating, true)                                              \
    X("mean/rms 1e-9", accuracy_fill_nearly_alternating, true)                                     \
    X("sorted", accuracy_fill_sorted, true)                                                        \
    X("after ReLU", accuracy_fill_relu, false)                                                     \
    X("exponents -30..30", accuracy_fill_wide, true)                                               \
    X("exponents, mirrored", accuracy_fill_mirrored, true)                                         \
    X("around 1e15", accuracy_fill_big, false)                                                     \
    X("around 1e30", accuracy_fill_huge, false)                                                    \
    X("normalized", accuracy_fill_normalized, false)

/* What dy is filled with. */
#define ACCURACY_DY_MAP(X)                                                                         \
    X("normal", accuracy_fill_normal, true)                                                        \
    X("mean 1e4", accuracy_fill_offset_1e4, true)                                                  \
    X("one outlier of 1e10", accuracy_fill_outlier, true)                                          \
    X("correlated", accuracy_fill_correlated, true)                                                \
    X("alternating", accuracy_fill_alternating_ones, true)

#define ACCURACY_DECLARE(name, fill, large)                                                        \
    void fill(const accuracy_channel_source *source, double *values, size_t count);
ACCURACY_X_MAP(ACCURACY_DECLARE)
void accuracy_fill_correlated(const accuracy_channel_source *source, double *values, size_t count);
void accuracy_fill_alternating_ones(
    const accuracy_channel_source *source, double *values, size_t count);
#undef ACCURACY_DECLARE

#endif
