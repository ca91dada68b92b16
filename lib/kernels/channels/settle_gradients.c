// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/element.h"

/* Channels whose sums are added up at once. */
enum { BLOCK = 64 };

typedef struct block_sums {
    double dy[BLOCK], dy_x[BLOCK];
} block_sums;

static void add_chunks(
    const normd_gradient_settling *by, size_t from, size_t count, block_sums *block)
{
    for (size_t c = 0; c < count; c++) {
        block->dy[c] = by->sums[from + c].dy;
        block->dy_x[c] = by->sums[from + c].dy_x;
    }
    for (size_t chunk = 1; chunk < by->chunks; chunk++) {
        const normd_gradient_sums *part = by->sums + chunk * by->channels + from;
        for (size_t c = 0; c < count; c++) {
            block->dy[c] += part[c].dy;
            block->dy_x[c] += part[c].dy_x;
        }
    }
}

/* sum(dy (x - mean)) = sum(dy x) - mean sum(dy) */
static void center(const normd_gradient_settling *by, size_t from, size_t count, block_sums *block)
{
    const real *high = by->mean_high, *low = by->mean_low;
    for (size_t c = 0; c < count; c++) {
        double mean = (double)high[from + c] + (double)low[from + c];
        mean = by->centered[from + c] != 0 ? 0 : mean;
        block->dy_x[c] -= mean * block->dy[c];
    }
}

void NORMD_KERNEL(settle_gradients)(
    const normd_gradient_settling *settling, size_t begin, size_t end)
{
    assert(begin <= end && end <= settling->channels);
    const double per_value = 1 / settling->count;
    const double *restrict inverse = settling->inverse_deviation;
    real *restrict mean_dy = settling->mean_dy, *restrict slope = settling->slope;
    real *restrict dgamma = settling->dgamma, *restrict dbeta = settling->dbeta;
    for (size_t from = begin; from < end; from += BLOCK) {
        block_sums block;
        size_t some = end - from < BLOCK ? end - from : BLOCK;
        add_chunks(settling, from, some, &block);
        center(settling, from, some, &block);
        for (size_t c = 0; c < some; c++) {
            double s = inverse[from + c];
            mean_dy[from + c] = (real)(block.dy[c] * per_value);
            slope[from + c] = (real)(block.dy_x[c] * per_value * (s * s));
        }
        for (size_t c = 0; dgamma != NULL && c < some; c++) {
            dgamma[from + c] = (real)(block.dy_x[c] * inverse[from + c]);
        }
        for (size_t c = 0; dbeta != NULL && c < some; c++) {
            dbeta[from + c] = (real)block.dy[c];
        }
    }
}
