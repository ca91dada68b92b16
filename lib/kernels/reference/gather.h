// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_REFERENCE_GATHER_H
#define NORMD_KERNELS_REFERENCE_GATHER_H

#include "lib/kernels/element.h"

/* Up to three sums that are gathered side by side; what they are is up to the operation. */
typedef struct quantities {
    double of[3];
} quantities;

/* An operation: how the value at (outer, inner) of a channel is added to a lane, and how lanes are
   merged. */
typedef struct gathering {
    void (*add)(const struct gathering *self, quantities *lane, size_t outer, size_t inner);
    void (*merge)(quantities *total, const quantities *part);
    const normd_geometry *geometry;
    size_t channel;
} gathering;

static inline void quantities_add(quantities *total, const quantities *part)
{
    for (int q = 0; q < 3; q++) {
        total->of[q] += part->of[q];
    }
}

static inline quantities segment_part(
    const gathering *self, const normd_segment *segment, size_t inner_begin, size_t inner_end)
{
    quantities lanes[NORMD_ROW_LANES] = {{{0}}};
    for (size_t o = segment->outer_begin; o < segment->outer_end; o++) {
        for (size_t i = inner_begin; i < inner_end; i++) {
            self->add(self, &lanes[normd_order_lane(self->geometry, segment, o, i)], o, i);
        }
    }
    for (size_t half = normd_order_lanes(self->geometry) / 2; half > 0; half /= 2) {
        for (size_t l = 0; l < half; l++) {
            self->merge(&lanes[l], &lanes[l + half]);
        }
    }
    return lanes[0];
}

/* The sums of the channel in the tile, in the order of lib/kernels/order.h. */
static inline quantities gather(const gathering *self, const normd_tile *tile)
{
    quantities parts[NORMD_RUN_LANES] = {{{0}}};
    size_t count = normd_order_parts(self->geometry);
    normd_segment segment = normd_order_first(self->geometry, tile);
    while (normd_order_holds(tile, &segment)) {
        for (size_t p = 0; p < count; p++) {
            bool rows = normd_order_is_rows(self->geometry);
            quantities sums = segment_part(
                self, &segment, rows ? p : segment.inner_begin, rows ? p + 1 : segment.inner_end);
            self->merge(&parts[p], &sums);
        }
        segment = normd_order_next(self->geometry, tile, segment);
    }
    for (size_t p = 1; p < count; p++) {
        self->merge(&parts[0], &parts[p]);
    }
    return parts[0];
}

#endif
