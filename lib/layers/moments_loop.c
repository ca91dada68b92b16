// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/moments_loop.h"

static void sum(normd_batch_norm_loop *base, const normd_tile *tile, size_t chunk)
{
    const normd_moments_loop *loop = (normd_moments_loop *)base;
    const normd_geometry *geometry = &base->tiling->geometry;
    base->compute->kernels->sums(
        loop->x, geometry, tile, loop->mask, loop->sums + chunk * geometry->channels);
}

static void settle_moments(normd_moments_loop *loop, size_t begin, size_t end)
{
    if (!loop->base.compute->kernels->settle(&loop->settling, begin, end)) {
        atomic_store_explicit(&loop->broken, true, memory_order_relaxed);
    }
}

/* All terms are positive: no digits are lost, whatever they are. */
static void moments_about_zero(normd_moments_loop *loop, size_t begin, size_t end)
{
    const normd_channel_moments *moments = loop->settling.moments;
    size_t channels = loop->base.tiling->geometry.channels;
    for (size_t c = begin; c < end; c++) {
        double square = loop->sums[c].square;
        for (size_t chunk = 1; chunk < loop->base.tiling->chunks; chunk++) {
            square += loop->sums[chunk * channels + c].square;
        }
        moments->mean[c] = 0;
        moments->mean_low[c] = 0;
        moments->m2[c] = square;
        moments->uncertain[c] = 0;
    }
}

/* Where the sums have too few digits left, the second ones are about the mean, which they do tell:
   rounded to the type, so that a column of equal values has differences of exactly 0. */
static bool settle(normd_batch_norm_loop *base, size_t begin, size_t end)
{
    normd_moments_loop *loop = (normd_moments_loop *)base;
    const normd_settling *settling = &loop->settling;
    bool uncertain = false;
    if (loop->about_zero) {
        moments_about_zero(loop, begin, end);
    } else {
        uncertain = base->compute->kernels->moments(loop->sums, base->tiling->chunks,
            base->tiling->geometry.channels, settling->count, loop->additions, begin, end,
            settling->moments);
    }
    if (!uncertain) {
        settle_moments(loop, begin, end);
        return true;
    }
    for (size_t c = begin; c < end; c++) {
        normd_value_store(base->compute->dtype, settling->mean_high, c, settling->moments->mean[c]);
    }
    return false;
}

static void sum_again(normd_batch_norm_loop *base, const normd_tile *tile, size_t chunk)
{
    const normd_moments_loop *loop = (normd_moments_loop *)base;
    const normd_geometry *geometry = &base->tiling->geometry;
    base->compute->kernels->centered_sums(loop->x, geometry, tile, loop->mask,
        loop->settling.mean_high, loop->settling.moments->uncertain,
        loop->centered_sums + chunk * geometry->channels);
}

static void settle_again(normd_batch_norm_loop *base, size_t begin, size_t end)
{
    normd_moments_loop *loop = (normd_moments_loop *)base;
    base->compute->kernels->centered_moments(loop->centered_sums, base->tiling->chunks,
        base->tiling->geometry.channels, loop->settling.count, loop->settling.mean_high, begin, end,
        loop->settling.moments);
    settle_moments(loop, begin, end);
}

void normd_moments_loop_begin(normd_moments_loop *loop, const normd_compute *compute,
    const normd_tiling *tiling, uint8_t *unsettled)
{
    loop->base = (normd_batch_norm_loop){
        .compute = compute,
        .tiling = tiling,
        .unsettled = unsettled,
        .sum = sum,
        .settle = settle,
        .sum_again = sum_again,
        .settle_again = settle_again,
    };
    loop->additions = normd_tiling_additions(tiling);
    atomic_init(&loop->broken, false);
}
