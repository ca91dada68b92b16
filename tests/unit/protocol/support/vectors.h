// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_PROTOCOL_VECTORS_H
#define NORMD_TESTS_PROTOCOL_VECTORS_H

#include <jansson.h>

#include "protocol/call.h"

/* One line of protocol/vectors/vectors.jsonl (see protocol/README.md). */
typedef struct test_vector {
    json_t *row; /* the whole line */
    const char *name;
    const char *direction;
    uint8_t *bytes;
    size_t size;
    const json_t *expect;
    normd_limits limits; /* the vector's, or no limits */
    bool has_limits;
} test_vector;

/* Reads the file that the build names. Ends the test program when it cannot. */
test_vector *test_vectors_read(size_t *count);
void test_vectors_free(test_vector *vectors, size_t count);

/* The bytes that a hexadecimal text stands for, to be freed. */
uint8_t *test_hex(const char *text, size_t *size);

/* Whether a MessagePack value is what the JSON of a vector says. */
bool test_vector_matches(
    const json_t *expected, const msgpack_object *object, normd_message *message);
/* The same of an array or bytes that were decoded already. */
bool test_vector_array_matches(const json_t *expected, const normd_array *array);
bool test_vector_bytes_match(const json_t *expected, const void *data, size_t size);

/* Packs the value that the JSON of a vector says, with the writer's functions. */
void test_vector_pack(msgpack_packer *packer, const json_t *value, normd_keys keys);

#endif
