// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/daemon/durable/support.h"
#include "tests/unit/protocol/support/random.h"

typedef struct value {
    unsigned char *bytes;
    size_t size;
} value;

static value encode(normd_ledger *ledger)
{
    void *bytes;
    normd_error error;
    value v;
    assert_int_equal(normd_ledger_encode(ledger, "c", 1, &bytes, &v.size, &error), NORMD_OK);
    v.bytes = bytes;
    return v;
}

/* Of a client with rows that failed, an answer without a result, and one under way. */
static value example(uint64_t last)
{
    normd_ledger *ledger = make_ledger(1, 0);
    normd_ledger_row *two = NULL;
    normd_ledger_row *seven = NULL;
    for (uint64_t seq = 1; seq <= last; seq++) {
        normd_ledger_row *row = begin(ledger, seq);
        normd_ledger_answer answer = answer_of(seq, "");
        if (seq == last - 2 && seq > 2) {
            two = row;
        } else if (seq == last - 7) {
            seven = row;
        } else if (seq == last - 1) {
            normd_ledger_settle(ledger, row, &answer);
        } else {
            settle(ledger, row);
        }
    }
    if (two != NULL) {
        normd_ledger_fail(ledger, two);
    }
    value v = encode(ledger);
    if (seven != NULL) {
        settle(ledger, seven);
    }
    normd_ledger_destroy(ledger);
    return v;
}

static normd_status decode(normd_ledger *ledger, const void *bytes, size_t size)
{
    normd_error error;
    /* A copy of exactly these bytes, so that a sanitizer sees one too many being read. */
    unsigned char *copy = malloc(size > 0 ? size : 1);
    if (size > 0) {
        memcpy(copy, bytes, size);
    }
    normd_status status = normd_ledger_decode(ledger, "c", 1, copy, size, 0, &error);
    free(copy);
    if (status == NORMD_BAD_ARGUMENT) {
        assert_memory_equal(error.message, "client: expected ", 17);
    }
    return status;
}

static void what_is_encoded_is_decoded(void **state)
{
    (void)state;
    static const uint64_t lasts[] = {1, 2, 10, 63, 64, 65, 66, 127, 128, 129, 1000};
    for (size_t i = 0; i < sizeof lasts / sizeof *lasts; i++) {
        value v = example(lasts[i]);
        normd_ledger *ledger = make_ledger(1, 0);
        assert_int_equal(decode(ledger, v.bytes, v.size), NORMD_OK);
        value again = encode(ledger);
        assert_int_equal(again.size, v.size);
        assert_memory_equal(again.bytes, v.bytes, v.size);
        assert_int_equal(normd_ledger_last(ledger, "c", 1), lasts[i]);
        require_again(ledger, lasts[i]);
        free(again.bytes);
        free(v.bytes);
        normd_ledger_destroy(ledger);
    }
}

static void decoded_rows_are_answered_and_holes_are_applied(void **state)
{
    (void)state;
    value v = example(100);
    normd_ledger *ledger = make_ledger(1, 0);
    assert_int_equal(decode(ledger, v.bytes, v.size), NORMD_OK);
    require_status(ledger, 36, NORMD_SEQ_TOO_OLD);
    require_again(ledger, 37);
    require_again(ledger, 97);
    apply(ledger, 98, 98); /* had failed */
    apply(ledger, 93, 93); /* was under way */
    admission a = admit(ledger, 99);
    assert_int_equal(a.outcome, NORMD_LEDGER_AGAIN);
    assert_int_equal(normd_ledger_row_answer(a.row)->result_size, 0);
    normd_ledger_release(ledger, a.row);
    apply(ledger, 101, 101);
    free(v.bytes);
    normd_ledger_destroy(ledger);
}

/* Files outlive builds: these bytes must be read by every version that knows version 1. */
static void the_bytes_of_version_1_stay(void **state)
{
    (void)state;
    normd_ledger *ledger = make_ledger(1, 0);
    normd_ledger_answer answer = {.hash = 0x0102030405060708,
        .method = 15,
        .session = 0x1112131415161718,
        .step = 0x2122232425262728,
        .result = "\xc0\x2a",
        .result_size = 2};
    normd_ledger_settle(ledger, begin(ledger, 1), &answer);
    value v = encode(ledger);
    static const char bytes[] = "\1\0\0\0\1\0\0\0"
                                "\0\0\0\0\0\0\0\0"
                                "\1\0\0\0\0\0\0\0"
                                "\x08\x07\x06\x05\x04\x03\x02\x01"
                                "\x18\x17\x16\x15\x14\x13\x12\x11"
                                "\x28\x27\x26\x25\x24\x23\x22\x21"
                                "\x0f\0\0\0\2\0\0\0"
                                "\xc0\x2a";
    assert_int_equal(v.size, sizeof bytes - 1);
    assert_memory_equal(v.bytes, bytes, v.size);
    free(v.bytes);
    normd_ledger_destroy(ledger);
}

static void an_unknown_client_has_no_value(void **state)
{
    (void)state;
    normd_ledger *ledger = make_ledger(1, 0);
    value v = encode(ledger);
    assert_null(v.bytes);
    normd_ledger_row *row = begin(ledger, 1);
    v = encode(ledger); /* nothing applied so far */
    assert_null(v.bytes);
    normd_ledger_fail(ledger, row);
    normd_ledger_destroy(ledger);
}

static void every_cut_and_every_addition_is_refused(void **state)
{
    (void)state;
    value v = example(80);
    normd_ledger *ledger = make_ledger(1, 0);
    for (size_t size = 0; size < v.size; size++) {
        assert_int_equal(decode(ledger, v.bytes, size), NORMD_BAD_ARGUMENT);
        assert_int_equal(clients_of(ledger), 0);
        assert_int_equal(bytes_of(ledger), 0);
    }
    unsigned char *longer = calloc(v.size + 1, 1);
    memcpy(longer, v.bytes, v.size);
    assert_int_equal(decode(ledger, longer, v.size + 1), NORMD_BAD_ARGUMENT);
    free(longer);
    free(v.bytes);
    normd_ledger_destroy(ledger);
}

static void put64(unsigned char *at, uint64_t number)
{
    for (size_t i = 0; i < 8; i++) {
        at[i] = (unsigned char)(number >> (8 * i));
    }
}

/* A value of rows without results. */
static value rows_of(uint64_t dropped, const uint64_t *seqs, size_t count)
{
    value v = {.size = 16 + 40 * count};
    v.bytes = calloc(v.size, 1);
    v.bytes[0] = 1;
    v.bytes[4] = (unsigned char)count;
    put64(v.bytes + 8, dropped);
    for (size_t i = 0; i < count; i++) {
        put64(v.bytes + 16 + 40 * i, seqs[i]);
    }
    return v;
}

static void rows_that_no_client_can_have_are_refused(void **state)
{
    (void)state;
    static const uint64_t most = UINT64_C(1) << 53;
    const struct {
        uint64_t dropped;
        size_t count;
        uint64_t seqs[3];
        bool good;
    } rows[] = {
        {0, 1, {1}, true},
        {0, 3, {1, 2, 64}, true},
        {5, 0, {0}, true},
        {1000, 2, {1001, 1064}, true},
        {1, 2, {1000, 1063}, true},
        {most - 1, 1, {most}, true},
        {0, 0, {0}, false},             /* nothing applied */
        {0, 1, {0}, false},             /* number 0 */
        {0, 2, {2, 1}, false},          /* not ascending */
        {0, 2, {2, 2}, false},          /* twice */
        {5, 1, {5}, false},             /* dropped and there */
        {0, 2, {1, 65}, false},         /* two of one place */
        {0, 2, {1, 66}, false},         /* below the window */
        {0, 3, {1, 2, 1000}, false},    /* far below */
        {0, 1, {most + 1}, false},      /* too large */
        {most + 1, 0, {0}, false},      /* too large */
        {0, 2, {1, UINT64_MAX}, false}, /* no sum may wrap */
        {UINT64_MAX, 0, {0}, false},    /* likewise */
        {UINT64_MAX - 1, 1, {UINT64_MAX}, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        value v = rows_of(rows[i].dropped, rows[i].seqs, rows[i].count);
        normd_ledger *ledger = make_ledger(1, 0);
        normd_status status = decode(ledger, v.bytes, v.size);
        if (status != (rows[i].good ? NORMD_OK : NORMD_BAD_ARGUMENT)) {
            fail_msg("row %d of the table", (int)i);
        }
        assert_int_equal(clients_of(ledger), rows[i].good);
        free(v.bytes);
        normd_ledger_destroy(ledger);
    }
}

static void a_version_that_is_not_known_is_refused(void **state)
{
    (void)state;
    value v = example(3);
    normd_ledger *ledger = make_ledger(1, 0);
    v.bytes[0] = 2;
    assert_int_equal(decode(ledger, v.bytes, v.size), NORMD_BAD_ARGUMENT);
    v.bytes[0] = 1;
    assert_int_equal(decode(ledger, v.bytes, v.size), NORMD_OK);
    assert_int_equal(decode(ledger, v.bytes, v.size), NORMD_BAD_ARGUMENT); /* is known already */
    require_again(ledger, 3);
    normd_error error;
    char name[NORMD_LEDGER_CLIENT_BYTES + 1] = {'n'};
    assert_int_equal(normd_ledger_decode(ledger, name, sizeof name, v.bytes, v.size, 0, &error),
        NORMD_BAD_ARGUMENT);
    free(v.bytes);
    normd_ledger_destroy(ledger);
}

/* Whatever is read is whole: it is encoded to the same bytes. */
static void random_bytes_are_refused_or_read_whole(void **state)
{
    (void)state;
    test_random random = {7};
    value v = example(80);
    for (int i = 0; i < 20000; i++) {
        size_t size = v.size;
        unsigned char *bytes = malloc(size);
        memcpy(bytes, v.bytes, size);
        for (uint64_t k = 1 + test_random_below(&random, 4); k > 0; k--) {
            bytes[test_random_below(&random, i % 2 == 0 ? 64 : size)] =
                (unsigned char)test_random_next(&random);
        }
        normd_ledger *ledger = make_ledger(1, 0);
        if (decode(ledger, bytes, size) == NORMD_OK) {
            value again = encode(ledger);
            assert_int_equal(again.size, size);
            assert_memory_equal(again.bytes, bytes, size);
            free(again.bytes);
        }
        normd_ledger_destroy(ledger);
        free(bytes);
    }
    free(v.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encoded_is_decoded),
        cmocka_unit_test(decoded_rows_are_answered_and_holes_are_applied),
        cmocka_unit_test(the_bytes_of_version_1_stay),
        cmocka_unit_test(an_unknown_client_has_no_value),
        cmocka_unit_test(every_cut_and_every_addition_is_refused),
        cmocka_unit_test(rows_that_no_client_can_have_are_refused),
        cmocka_unit_test(a_version_that_is_not_known_is_refused),
        cmocka_unit_test(random_bytes_are_refused_or_read_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
