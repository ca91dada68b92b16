// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_PROTOCOL_RANDOM_H
#define NORMD_TESTS_PROTOCOL_RANDOM_H

#include <msgpack.h>
#include <stdint.h>

/* The same sequence in every run, so that a failure can be looked at again. */
typedef struct test_random {
    uint64_t state;
} test_random;

uint64_t test_random_next(test_random *random);
/* Uniform enough in [0, bound). */
uint64_t test_random_below(test_random *random, uint64_t bound);

/* Appends one MessagePack value without ext, nested at most `depth` deep, with headers that are not
   always the shortest. */
void test_random_value(test_random *random, uint32_t depth, msgpack_sbuffer *bytes);

/* Changes, cuts out or doubles a few bytes. */
void test_random_mutate(test_random *random, msgpack_sbuffer *bytes);

#endif
