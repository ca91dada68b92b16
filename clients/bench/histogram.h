// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_BENCH_HISTOGRAM_H
#define NORMD_CLIENTS_BENCH_HISTOGRAM_H

#include <stdint.h>

/*
 * Counts of values on a logarithmic scale. Below 128 each value has a bucket of its own; above,
 * each power of two is cut into 128 equal buckets, so that a quantile is off by less than 1/128 of
 * itself. 58 KiB whatever comes; recording is a few instructions.
 */
enum {
    NORMD_HISTOGRAM_BITS = 7,
    NORMD_HISTOGRAM_BUCKETS = (64 - NORMD_HISTOGRAM_BITS + 1) << NORMD_HISTOGRAM_BITS,
};

/* All zero is an empty one. */
typedef struct normd_histogram {
    uint64_t count, max;
    uint64_t bucket[NORMD_HISTOGRAM_BUCKETS];
} normd_histogram;

void normd_histogram_record(normd_histogram *histogram, uint64_t value);
/* Adds all of `other`. */
void normd_histogram_merge(normd_histogram *histogram, const normd_histogram *other);
/* The value that a share `q` in [0, 1] of the values does not exceed: the upper end of its bucket,
   at most the greatest value recorded. 0 when empty. */
uint64_t normd_histogram_quantile(const normd_histogram *histogram, double q);

#endif
