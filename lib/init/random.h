// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_INIT_RANDOM_H
#define NORMD_INIT_RANDOM_H

#include <stdint.h>

/*
 * Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3", 2011). The n-th number of a stream is a function of (seed, stream,
 * n) alone, so that any thread can make any part of it.
 */
typedef struct normd_random {
    uint64_t seed;
    uint64_t stream; /* tells the users of one seed apart: a tensor, a layer and step */
} normd_random;

/* The four 32-bit words at position `counter` of the stream. */
void normd_random_words(const normd_random *random, uint64_t counter, uint32_t words[4]);
/* The n-th uniform number in [0, 1), 53 bits. */
double normd_random_uniform(const normd_random *random, uint64_t n);
/* The n-th standard normal number (Box-Muller over the uniforms of position n). */
double normd_random_normal(const normd_random *random, uint64_t n);

#endif
