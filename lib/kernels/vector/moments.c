// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "lib/kernels/vector/gather.h"

/* The sums of a block so far, for each channel of a strip. */
typedef struct block_strip {
    alignas(64) double sum[STRIP];
    alignas(64) double error[STRIP];
    alignas(64) double squares[STRIP];
    alignas(64) double pilot[STRIP];
    size_t count;
} block_strip;

/* Sets the pilots to the first row or value that counts; false when there is none. */
static bool find_pilots(const segment_view *view, lane_strip *strip, block_strip *block)
{
    const normd_segment *segment = &view->segment;
    size_t outer = segment->outer_begin;
    while (view->mask != NULL && outer < segment->outer_end && view->mask[outer] == 0) {
        outer++;
    }
    for (size_t c = 0; outer < segment->outer_end && c < view->channels; c++) {
        size_t channel = view->channel_begin + c;
        block->pilot[c] = strip->x[normd_at(view->geometry, outer, channel, segment->inner_begin)];
        for (size_t lane = 0; lane < view->lanes; lane++) {
            strip->pilot[view_lane(view, c, lane)] = block->pilot[c];
        }
    }
    return outer < segment->outer_end;
}

static size_t count_positions(const segment_view *view)
{
    const normd_segment *segment = &view->segment;
    if (view->mask == NULL) {
        return (segment->outer_end - segment->outer_begin) *
               (segment->inner_end - segment->inner_begin);
    }
    size_t count = 0;
    for (size_t o = segment->outer_begin; o < segment->outer_end; o++) {
        count += view->mask[o] != 0;
    }
    return count;
}

/* normd_sums_merge of all lanes, and then with the block. */
static void merge_lanes(const segment_view *view, lane_strip *strip, block_strip *block)
{
    merge_plan plan = view_merge_plan(view);
    for (size_t g = 0; g < plan.groups; g++) {
        double *sum = strip->sum + g * plan.group, *error = strip->error + g * plan.group;
        double *squares = strip->squares + g * plan.group;
        for (size_t half = plan.group / 2; half >= plan.last; half /= 2) {
            for (size_t l = 0; l < half; l++) {
                normd_double_double both = normd_two_sum(sum[l], sum[l + half]);
                sum[l] = both.high;
                error[l] = (error[l] + error[l + half]) + both.low;
                squares[l] += squares[l + half];
            }
        }
    }
    for (size_t c = 0; c < view->channels; c++) {
        size_t lane = view_lane(view, c, 0);
        normd_double_double both = normd_two_sum(block->sum[c], strip->sum[lane]);
        block->sum[c] = both.high;
        block->error[c] = (block->error[c] + strip->error[lane]) + both.low;
        block->squares[c] += strip->squares[lane];
    }
}

static void block_clear(block_strip *block, size_t channels)
{
    block->count = 0;
    for (size_t c = 0; c < channels; c++) {
        block->sum[c] = block->error[c] = block->squares[c] = 0;
    }
}

static void add_segment(const segment_view *view, lane_strip *strip, block_strip *block)
{
    if (block->count > 0 || find_pilots(view, strip, block)) {
        gather(view, strip);
        merge_lanes(view, strip, block);
        block->count += count_positions(view);
    }
}

static void end_block(block_strip *block, size_t channels, normd_moments *moments)
{
    double count = (double)block->count;
    for (size_t c = 0; block->count > 0 && c < channels; c += UNIT) {
        size_t some = channels - c < UNIT ? channels - c : UNIT;
        normd_moments parts[UNIT] = {{0}};
        for (size_t l = 0; l < some; l++) {
            normd_sums sums = {block->sum[c + l], block->error[c + l], block->squares[c + l]};
            parts[l] = normd_sums_moments(&sums, count, block->pilot[c + l]);
        }
        NORMD_KERNEL(merge)(moments + c, parts, some);
    }
    block_clear(block, channels);
}

void NORMD_KERNEL(moments)(const void *x, const normd_geometry *geometry, const normd_tile *tile,
    const uint8_t *mask, normd_moments *moments)
{
    assert(normd_tile_is_valid(geometry, tile));
    if (mask != NULL && geometry->inner > 1) {
        /* Lanes with gaps: the plain kernel gives the same bits. */
        NORMD_REFERENCE_KERNEL(moments)(x, geometry, tile, mask, moments);
        return;
    }
    for (size_t c = tile->channel_begin; c < tile->channel_end; c++) {
        moments[c] = (normd_moments){0};
    }
    lane_strip strip;
    block_strip block;
    strip.x = x;
    for (size_t c = tile->channel_begin; c < tile->channel_end;) {
        segment_view view = view_start(geometry, tile, mask, c);
        block_clear(&block, view.channels);
        while (normd_order_holds(tile, &view.segment)) {
            add_segment(&view, &strip, &block);
            view.segment = normd_order_next(geometry, tile, view.segment);
            if (normd_order_starts_block(&view.segment)) {
                end_block(&block, view.channels, moments + c);
            }
        }
        end_block(&block, view.channels, moments + c);
        c += view.channels;
    }
}
