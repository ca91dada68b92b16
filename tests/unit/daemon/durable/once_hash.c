// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/durable/once_hash.h"

static uint64_t hash_of(const char *body, const char *first, const char *second)
{
    const normd_once_piece pieces[2] = {
        {first, first != NULL ? strlen(first) : 0}, {second, second != NULL ? strlen(second) : 0}};
    size_t count = first == NULL ? 0 : second == NULL ? 1 : 2;
    return normd_once_hash(body, strlen(body), pieces, count);
}

static void the_same_bytes_have_the_same_hash(void **state)
{
    (void)state;
    char first[] = "payload";
    assert_true(hash_of("body", first, "rest") == hash_of("body", "payload", "rest"));
    assert_true(hash_of("", NULL, NULL) == hash_of("", NULL, NULL));
}

/* It is kept in files, so it must stay what it is: XXH3 of 64 bits of no bytes and of "a", as
   xxHash's own documentation and tools give them. */
static void without_payloads_it_is_xxh3(void **state)
{
    (void)state;
    assert_true(hash_of("", NULL, NULL) == UINT64_C(0x2d06800538d394c2));
    assert_true(hash_of("a", NULL, NULL) == UINT64_C(0xe6c632b61e964e1f));
}

static void where_the_pieces_are_cut_matters(void **state)
{
    (void)state;
    static const char *const rows[][3] = {{"ab", NULL, NULL}, {"a", "b", NULL}, {"", "ab", NULL},
        {"ab", "", NULL}, {"ab", "", ""}, {"a", "", "b"}, {"a", "b", ""}, {"", "a", "b"},
        {"", "b", "a"}, {"b", "a", NULL}};
    enum { ROWS = sizeof rows / sizeof *rows };
    uint64_t hashes[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        hashes[i] = hash_of(rows[i][0], rows[i][1], rows[i][2]);
        for (size_t k = 0; k < i; k++) {
            assert_true(hashes[i] != hashes[k]);
        }
    }
}

static void every_byte_of_a_large_payload_matters(void **state)
{
    (void)state;
    enum { SIZE = 100000 };
    unsigned char *bytes = calloc(SIZE, 1);
    const normd_once_piece piece = {bytes, SIZE};
    uint64_t before = normd_once_hash("b", 1, &piece, 1);
    for (size_t i = 0; i < SIZE; i += 997) {
        bytes[i] = 1;
        assert_true(normd_once_hash("b", 1, &piece, 1) != before);
        bytes[i] = 0;
    }
    assert_true(normd_once_hash("b", 1, &piece, 1) == before);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_bytes_have_the_same_hash),
        cmocka_unit_test(without_payloads_it_is_xxh3),
        cmocka_unit_test(where_the_pieces_are_cut_matters),
        cmocka_unit_test(every_byte_of_a_large_payload_matters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
