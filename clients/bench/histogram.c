// SPDX-License-Identifier: Apache-2.0
#include "clients/bench/histogram.h"

#include <math.h>
#include <stddef.h>

enum { PARTS = 1 << NORMD_HISTOGRAM_BITS };

/* How far values of this size are shifted so that 8 significant bits remain. */
static unsigned shift_of(uint64_t value)
{
    unsigned bits = 64u - (unsigned)__builtin_clzll(value | 1);
    return bits > NORMD_HISTOGRAM_BITS + 1 ? bits - NORMD_HISTOGRAM_BITS - 1 : 0;
}

static size_t index_of(uint64_t value)
{
    unsigned shift = shift_of(value);
    return ((size_t)shift << NORMD_HISTOGRAM_BITS) + (size_t)(value >> shift);
}

/* The greatest value of a bucket. */
static uint64_t upper_end(size_t index)
{
    if (index < 2 * PARTS) {
        return index;
    }
    unsigned shift = (unsigned)(index >> NORMD_HISTOGRAM_BITS) - 1;
    uint64_t top = PARTS + (index & (PARTS - 1));
    return ((top + 1) << shift) - 1;
}

void normd_histogram_record(normd_histogram *histogram, uint64_t value)
{
    histogram->bucket[index_of(value)]++;
    histogram->count++;
    histogram->max = value > histogram->max ? value : histogram->max;
}

void normd_histogram_merge(normd_histogram *histogram, const normd_histogram *other)
{
    for (size_t k = 0; k < NORMD_HISTOGRAM_BUCKETS; k++) {
        histogram->bucket[k] += other->bucket[k];
    }
    histogram->count += other->count;
    histogram->max = other->max > histogram->max ? other->max : histogram->max;
}

uint64_t normd_histogram_quantile(const normd_histogram *histogram, double q)
{
    uint64_t rank = (uint64_t)ceil(q * (double)histogram->count);
    rank = rank < 1 ? 1 : rank;
    uint64_t seen = 0;
    for (size_t k = 0; k < NORMD_HISTOGRAM_BUCKETS; k++) {
        seen += histogram->bucket[k];
        if (seen >= rank) {
            uint64_t end = upper_end(k);
            return end < histogram->max ? end : histogram->max;
        }
    }
    return histogram->max;
}
