// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/sample_norm_rows.h"

enum { LANES = 8 }; /* of each sum: independent additions, merged at the end */

typedef struct lanes {
    double dy[LANES], dy_x[LANES];
} lanes;

static normd_gradient_sums merge(const lanes *from)
{
    lanes by = *from;
    for (size_t half = LANES / 2; half > 0; half /= 2) {
        for (size_t lane = 0; lane < half; lane++) {
            by.dy[lane] += by.dy[lane + half];
            by.dy_x[lane] += by.dy_x[lane + half];
        }
    }
    return (normd_gradient_sums){by.dy[0], by.dy_x[0]};
}

/* The element-wise loops compute in the type, the sums in double: products of two floats are exact
   there. */
#define ROW_OPERATIONS(suffix, type)                                                               \
    static void normalize_##suffix(const normd_row *row)                                           \
    {                                                                                              \
        const type *x = row->x, *gamma = row->gamma, *beta = row->beta;                            \
        type *y = row->to;                                                                         \
        const type high = (type)row->high, low = (type)row->low, scale = (type)row->scale;         \
        for (size_t i = 0; i < row->count; i++) {                                                  \
            y[i] = ((x[i] - high) - low) * scale * gamma[i] + beta[i];                             \
        }                                                                                          \
    }                                                                                              \
    static normd_gradient_sums sums_##suffix(const normd_row *row)                                 \
    {                                                                                              \
        const type *x = row->x, *dy = row->dy, *gamma = row->gamma;                                \
        const double high = row->high, low = row->low;                                             \
        lanes by = {{0}, {0}};                                                                     \
        for (size_t from = 0; from < row->count; from += LANES) {                                  \
            size_t some = row->count - from < LANES ? row->count - from : LANES;                   \
            for (size_t lane = 0; lane < some; lane++) {                                           \
                size_t i = from + lane;                                                            \
                double gradient = (double)dy[i] * (double)gamma[i];                                \
                by.dy[lane] += gradient;                                                           \
                by.dy_x[lane] += gradient * (((double)x[i] - high) - low);                         \
            }                                                                                      \
        }                                                                                          \
        return merge(&by);                                                                         \
    }                                                                                              \
    static void add_gradients_##suffix(                                                            \
        const normd_row *row, double inverse, double *restrict dbeta, double *restrict dgamma)     \
    {                                                                                              \
        const type *x = row->x, *dy = row->dy;                                                     \
        const double high = row->high, low = row->low;                                             \
        for (size_t i = 0; i < row->count; i++) {                                                  \
            dbeta[i] += (double)dy[i];                                                             \
            dgamma[i] += (double)dy[i] * ((((double)x[i] - high) - low) * inverse);                \
        }                                                                                          \
    }                                                                                              \
    static void backward_##suffix(const normd_row *row)                                            \
    {                                                                                              \
        const type *x = row->x, *dy = row->dy, *gamma = row->gamma;                                \
        type *dx = row->to;                                                                        \
        const type high = (type)row->high, low = (type)row->low, scale = (type)row->scale;         \
        const type mean_dy = (type)row->mean_dy, slope = (type)row->slope;                         \
        for (size_t i = 0; i < row->count; i++) {                                                  \
            type centered = (x[i] - high) - low;                                                   \
            dx[i] = ((dy[i] * gamma[i] - mean_dy) - centered * slope) * scale;                     \
        }                                                                                          \
    }

ROW_OPERATIONS(f32, float)
ROW_OPERATIONS(f64, double)

const normd_row_operations *normd_row_operations_of(normd_dtype dtype)
{
    static const normd_row_operations f32 = {
        normalize_f32, sums_f32, add_gradients_f32, backward_f32};
    static const normd_row_operations f64 = {
        normalize_f64, sums_f64, add_gradients_f64, backward_f64};
    return dtype == NORMD_F32 ? &f32 : &f64;
}
