// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/protocol/support/random.h"

#include <string.h>

uint64_t test_random_next(test_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t test_random_below(test_random *random, uint64_t bound)
{
    return test_random_next(random) % bound;
}

static void put(msgpack_sbuffer *bytes, const void *data, size_t size)
{
    msgpack_sbuffer_write(bytes, data, size);
}

static void put_uint(msgpack_sbuffer *bytes, uint8_t lead, uint64_t value, size_t size)
{
    uint8_t header[9] = {lead};
    for (size_t i = 0; i < size; i++) {
        header[1 + i] = (uint8_t)(value >> 8 * (size - 1 - i));
    }
    put(bytes, header, 1 + size);
}

/* A header of a family: its short form (when it has one and the length fits) or a longer one. */
static void put_header(
    test_random *random, msgpack_sbuffer *bytes, const uint8_t leads[4], uint64_t length)
{
    static const uint64_t short_most[4] = {15, UINT8_MAX, UINT16_MAX, UINT32_MAX};
    size_t form = test_random_below(random, 4);
    while (leads[form] == 0 || length > short_most[form]) {
        form = (form + 1) % 4;
    }
    if (form == 0) {
        put_uint(bytes, (uint8_t)(leads[0] | length), 0, 0);
    } else {
        put_uint(bytes, leads[form], length, (size_t)1 << (form - 1));
    }
}

static void put_scalar(test_random *random, msgpack_sbuffer *bytes)
{
    static const uint8_t simple[] = {0xc0, 0xc2, 0xc3, 0x00, 0x7f, 0xe0, 0xff};
    static const uint8_t wide[] = {0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3};
    static const size_t width[] = {4, 8, 1, 2, 4, 8, 1, 2, 4, 8};
    size_t pick = test_random_below(random, sizeof simple + sizeof wide);
    if (pick < sizeof simple) {
        put(bytes, &simple[pick], 1);
    } else {
        pick -= sizeof simple;
        put_uint(bytes, wide[pick], test_random_next(random), width[pick]);
    }
}

static void put_bytes(test_random *random, msgpack_sbuffer *bytes)
{
    static const uint8_t str[4] = {0xa0, 0xd9, 0xda, 0xdb};
    static const uint8_t bin[4] = {0, 0xc4, 0xc5, 0xc6};
    size_t length = test_random_below(random, test_random_below(random, 8) == 0 ? 400 : 20);
    put_header(random, bytes, test_random_below(random, 2) == 0 ? str : bin, length);
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = (uint8_t)test_random_next(random);
        put(bytes, &byte, 1);
    }
}

void test_random_value(test_random *random, uint32_t depth, msgpack_sbuffer *bytes)
{
    static const uint8_t array[4] = {0x90, 0, 0xdc, 0xdd};
    static const uint8_t map[4] = {0x80, 0, 0xde, 0xdf};
    uint64_t pick = test_random_below(random, depth > 0 ? 10 : 6);
    if (pick < 4) {
        put_scalar(random, bytes);
    } else if (pick < 6) {
        put_bytes(random, bytes);
    } else {
        bool is_map = pick >= 8;
        uint64_t count = test_random_below(random, 6);
        put_header(random, bytes, is_map ? map : array, count);
        for (uint64_t i = 0; i < (is_map ? 2 * count : count); i++) {
            test_random_value(random, depth - 1, bytes);
        }
    }
}

void test_random_mutate(test_random *random, msgpack_sbuffer *bytes)
{
    for (uint64_t times = 1 + test_random_below(random, 3); times > 0 && bytes->size > 1; times--) {
        size_t at = test_random_below(random, bytes->size);
        switch (test_random_below(random, 4)) {
        case 0: /* another byte */
            bytes->data[at] = (char)test_random_next(random);
            break;
        case 1: /* one bit */
            bytes->data[at] = (char)(bytes->data[at] ^ 1 << test_random_below(random, 8));
            break;
        case 2: /* one byte less */
            memmove(bytes->data + at, bytes->data + at + 1, bytes->size - at - 1);
            bytes->size--;
            break;
        default: /* the end is missing */
            bytes->size = at + 1;
            break;
        }
    }
}
