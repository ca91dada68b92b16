// SPDX-License-Identifier: Apache-2.0
/*
 * The rows of softmax.c in one element type. Included there once for each type, with REAL the type
 * and OF(name) the name of a function for it; therefore no guard.
 *
 * Every sum is in double, so that a float result is within a few roundings however many values a
 * row has. The largest exponent is 0 and its exponential 1: nothing overflows, and the sum is at
 * least 1. NaN anywhere in a row makes the row NaN: a comparison with it is false, and the sum
 * takes it up. y may be x, and dx may be dy or y: an element is read for the last time before it is
 * written.
 */
static REAL OF(largest)(const REAL *x, const softmax_loop *loop)
{
    REAL most = x[0];
    for (size_t c = 1; c < loop->classes; c++) {
        REAL value = x[c * loop->stride];
        most = value > most ? value : most;
    }
    return most;
}

static void OF(softmax_tile)(void *argument, size_t tile)
{
    const softmax_loop *loop = argument;
    const size_t step = loop->stride;
    for (size_t row = tile * loop->rows_of_tile; row < tile_end(loop, tile); row++) {
        const REAL *x = (const REAL *)loop->from + place_of(loop, row);
        REAL *y = (REAL *)loop->to + place_of(loop, row);
        const double most = (double)OF(largest)(x, loop);
        double sum = 0.0;
        for (size_t c = 0; c < loop->classes; c++) {
            double value = exp((double)x[c * step] - most);
            sum += value;
            y[c * step] = (REAL)value;
        }
        for (size_t c = 0; c < loop->classes; c++) {
            y[c * step] = (REAL)((double)y[c * step] / sum);
        }
    }
}

static void OF(softmax_slope)(void *argument, size_t tile)
{
    const softmax_loop *loop = argument;
    const size_t step = loop->stride;
    for (size_t row = tile * loop->rows_of_tile; row < tile_end(loop, tile); row++) {
        const REAL *y = (const REAL *)loop->from + place_of(loop, row);
        const REAL *dy = (const REAL *)loop->dy + place_of(loop, row);
        REAL *dx = (REAL *)loop->to + place_of(loop, row);
        double sum = 0.0;
        for (size_t c = 0; c < loop->classes; c++) {
            sum += (double)dy[c * step] * (double)y[c * step];
        }
        for (size_t c = 0; c < loop->classes; c++) {
            dx[c * step] = (REAL)((double)y[c * step] * ((double)dy[c * step] - sum));
        }
    }
}

static void OF(log_softmax_tile)(void *argument, size_t tile)
{
    const softmax_loop *loop = argument;
    const size_t step = loop->stride;
    for (size_t row = tile * loop->rows_of_tile; row < tile_end(loop, tile); row++) {
        const REAL *x = (const REAL *)loop->from + place_of(loop, row);
        REAL *y = (REAL *)loop->to + place_of(loop, row);
        const double most = (double)OF(largest)(x, loop);
        double sum = 0.0;
        for (size_t c = 0; c < loop->classes; c++) {
            sum += exp((double)x[c * step] - most);
        }
        const double log_sum = log(sum);
        for (size_t c = 0; c < loop->classes; c++) {
            y[c * step] = (REAL)((double)x[c * step] - most - log_sum);
        }
    }
}

static void OF(log_softmax_slope)(void *argument, size_t tile)
{
    const softmax_loop *loop = argument;
    const size_t step = loop->stride;
    for (size_t row = tile * loop->rows_of_tile; row < tile_end(loop, tile); row++) {
        const REAL *y = (const REAL *)loop->from + place_of(loop, row);
        const REAL *dy = (const REAL *)loop->dy + place_of(loop, row);
        REAL *dx = (REAL *)loop->to + place_of(loop, row);
        double sum = 0.0;
        for (size_t c = 0; c < loop->classes; c++) {
            sum += (double)dy[c * step];
        }
        for (size_t c = 0; c < loop->classes; c++) {
            dx[c * step] = (REAL)((double)dy[c * step] - exp((double)y[c * step]) * sum);
        }
    }
}
