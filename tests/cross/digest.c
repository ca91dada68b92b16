// SPDX-License-Identifier: Apache-2.0
#include "tests/cross/digest.h"

#include <inttypes.h>
#include <stdio.h>

/* One to one in `bits` for a given state, so a single value that differs always shows. */
void digest_add(digest *to, uint64_t bits)
{
    uint64_t state = to->hash ^ bits;
    to->hash = random_bits(&state);
}

void digest_add_bytes(digest *to, const void *bytes, size_t count)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < count; i++) {
        digest_add(to, at[i]);
    }
}

void digest_add_values(digest *to, storage type, const void *values, size_t count)
{
    const double nan = NAN;
    for (size_t i = 0; i < count; i++) {
        double value = value_get(type, values, i);
        uint64_t bits;
        memcpy(&bits, isnan(value) ? &nan : &value, sizeof bits);
        digest_add(to, bits);
    }
}

void digest_print(
    const digest_case *of, const char *description, const char *result, const digest *of_result)
{
    printf("%d: %s: %s %016" PRIx64 "\n", of->number, description, result, of_result->hash);
}
