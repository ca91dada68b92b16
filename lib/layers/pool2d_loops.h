// SPDX-License-Identifier: Apache-2.0
/*
 * The loops of pool2d_pass.c in one element type. Included there once for each type, with REAL the
 * type and OF(name) the name of a function for it; therefore no guard.
 */

/* The element of the channel at `x` that holds the window's largest value: the first of equal ones,
   and NaN before all. */
static size_t OF(largest)(const REAL *x, const normd_images *images, const window_part *part)
{
    size_t best = part->begin[0] * images->step[0] + part->begin[1] * images->step[1];
    for (size_t row = part->begin[0]; row < part->end[0]; row++) {
        for (size_t column = part->begin[1]; column < part->end[1]; column++) {
            size_t at = row * images->step[0] + column * images->step[1];
            if (x[at] > x[best] || x[at] != x[at]) {
                best = at;
            }
        }
    }
    return best;
}

static void OF(max_forward)(const pool_loop *loop, const pool_place *place, const window_part *part)
{
    const REAL *x = (const REAL *)loop->x + place->x;
    ((REAL *)loop->y)[place->y] = x[OF(largest)(x, &loop->from, part)];
}

static void OF(max_backward)(
    const pool_loop *loop, const pool_place *place, const window_part *part)
{
    const REAL *x = (const REAL *)loop->x + place->x;
    REAL *dx = (REAL *)loop->dx + place->x;
    dx[OF(largest)(x, &loop->from, part)] += ((const REAL *)loop->dy)[place->y];
}

static void OF(avg_forward)(const pool_loop *loop, const pool_place *place, const window_part *part)
{
    const REAL *x = (const REAL *)loop->x + place->x;
    double sum = 0.0;
    for (size_t row = part->begin[0]; row < part->end[0]; row++) {
        for (size_t column = part->begin[1]; column < part->end[1]; column++) {
            sum += (double)x[row * loop->from.step[0] + column * loop->from.step[1]];
        }
    }
    ((REAL *)loop->y)[place->y] = (REAL)(sum / part->count);
}

static void OF(avg_backward)(
    const pool_loop *loop, const pool_place *place, const window_part *part)
{
    REAL *dx = (REAL *)loop->dx + place->x;
    REAL share = ((const REAL *)loop->dy)[place->y] / (REAL)part->count;
    for (size_t row = part->begin[0]; row < part->end[0]; row++) {
        for (size_t column = part->begin[1]; column < part->end[1]; column++) {
            dx[row * loop->from.step[0] + column * loop->from.step[1]] += share;
        }
    }
}

static void OF(clear)(const pool_loop *loop, size_t image, size_t begin, size_t end)
{
    const normd_images *images = &loop->from;
    REAL *dx = (REAL *)loop->dx + image * images->image_step;
    size_t pixels = images->extent[0] * images->extent[1];
    if (images->channel_step != 1) {
        memset(dx + begin * pixels, 0, (end - begin) * pixels * sizeof *dx);
        return;
    }
    for (size_t pixel = 0; pixel < pixels; pixel++) {
        memset(dx + pixel * images->channels + begin, 0, (end - begin) * sizeof *dx);
    }
}

#define TILE(name, clears)                                                                         \
    static void OF(name##_tile)(void *argument, size_t tile)                                       \
    {                                                                                              \
        const pool_loop *loop = argument;                                                          \
        size_t begin = tile % loop->blocks * loop->block;                                          \
        size_t left = loop->from.channels - begin;                                                 \
        size_t end = begin + (left < loop->block ? left : loop->block);                            \
        size_t image = tile / loop->blocks;                                                        \
        if (clears) {                                                                              \
            OF(clear)(loop, image, begin, end);                                                    \
        }                                                                                          \
        walk(loop, image, begin, end, OF(name));                                                   \
    }

TILE(max_forward, false)
TILE(max_backward, true)
TILE(avg_forward, false)
TILE(avg_backward, true)

#undef TILE
