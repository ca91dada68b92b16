// SPDX-License-Identifier: Apache-2.0
#include "lib/init/random.h"

#include <math.h>

enum { ROUNDS = 10 };

void normd_random_words(const normd_random *random, uint64_t counter, uint32_t words[4])
{
    const uint64_t multiplier_0 = 0xd2511f53u;
    const uint64_t multiplier_1 = 0xcd9e8d57u;
    const uint32_t weyl_0 = 0x9e3779b9u; /* golden ratio */
    const uint32_t weyl_1 = 0xbb67ae85u; /* sqrt(3) - 1 */
    uint32_t key_0 = (uint32_t)random->seed;
    uint32_t key_1 = (uint32_t)(random->seed >> 32);
    uint32_t x0 = (uint32_t)counter;
    uint32_t x1 = (uint32_t)(counter >> 32);
    uint32_t x2 = (uint32_t)random->stream;
    uint32_t x3 = (uint32_t)(random->stream >> 32);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t product_0 = multiplier_0 * x0;
        uint64_t product_1 = multiplier_1 * x2;
        x0 = (uint32_t)(product_1 >> 32) ^ x1 ^ key_0;
        x1 = (uint32_t)product_1;
        x2 = (uint32_t)(product_0 >> 32) ^ x3 ^ key_1;
        x3 = (uint32_t)product_0;
        key_0 += weyl_0;
        key_1 += weyl_1;
    }
    words[0] = x0;
    words[1] = x1;
    words[2] = x2;
    words[3] = x3;
}

/* 53 bits of two words. */
static uint64_t bits_53(uint32_t low, uint32_t high)
{
    return ((uint64_t)high << 32 | low) >> 11;
}

double normd_random_uniform(const normd_random *random, uint64_t n)
{
    uint32_t words[4];
    normd_random_words(random, n, words);
    return (double)bits_53(words[0], words[1]) * 0x1p-53;
}

double normd_random_normal(const normd_random *random, uint64_t n)
{
    uint32_t words[4];
    normd_random_words(random, n, words);
    /* In (0, 1], so that the logarithm is finite. */
    double radius_uniform = (double)(bits_53(words[0], words[1]) + 1) * 0x1p-53;
    double angle_uniform = (double)bits_53(words[2], words[3]) * 0x1p-53;
    const double two_pi = 0x1.921fb54442d18p+2;
    return sqrt(-2.0 * log(radius_uniform)) * cos(two_pi * angle_uniform);
}
