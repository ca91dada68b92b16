// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/daemon/durable/support.h"

static int set_up(void **state)
{
    *state = make_ledger(100, 0);
    return 0;
}

static int tear_down(void **state)
{
    normd_ledger_destroy(*state);
    return 0;
}

static void restore(normd_ledger *ledger, uint64_t seq, const char *text)
{
    normd_ledger_answer answer = answer_of(seq, text);
    normd_error error;
    assert_int_equal(normd_ledger_restore(ledger, "c", 1, seq, 0, &answer, &error), NORMD_OK);
}

/* As `settle` answers. */
static void restore_plain(normd_ledger *ledger, uint64_t seq)
{
    char text[32];
    snprintf(text, sizeof text, "result %d", (int)seq);
    restore(ledger, seq, text);
}

/* ---- Recovery ---- */

static void a_restored_row_is_answered_again(void **state)
{
    normd_ledger *ledger = *state;
    restore_plain(ledger, 1);
    restore_plain(ledger, 3); /* 2 was still under way */
    restore_plain(ledger, 2);
    assert_int_equal(normd_ledger_last(ledger, "c", 1), 3);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        require_again(ledger, seq);
    }
    apply(ledger, 4, 4);
}

static void a_number_that_was_never_committed_is_applied_after_a_crash(void **state)
{
    normd_ledger *ledger = *state;
    restore_plain(ledger, 1);
    restore_plain(ledger, 3);
    apply(ledger, 2, 2);
    require_again(ledger, 2);
}

static void restored_rows_below_the_window_are_ignored(void **state)
{
    normd_ledger *ledger = *state;
    for (uint64_t seq = 1; seq <= 200; seq++) {
        restore_plain(ledger, seq);
    }
    restore(ledger, 50, "another");
    require_status(ledger, 50, NORMD_SEQ_TOO_OLD);
    require_status(ledger, 200 - NORMD_LEDGER_WINDOW, NORMD_SEQ_TOO_OLD);
    require_again(ledger, 200 - NORMD_LEDGER_WINDOW + 1);
    require_again(ledger, 200);
}

static void a_record_that_comes_twice_changes_nothing(void **state)
{
    normd_ledger *ledger = *state;
    static const uint64_t order[] = {2, 1, 3, 2, 1, 3};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        restore_plain(ledger, order[i]);
    }
    for (uint64_t seq = 1; seq <= 3; seq++) {
        require_again(ledger, seq);
    }
}

static void another_first_record_begins_the_client_anew(void **state)
{
    normd_ledger *ledger = *state;
    for (uint64_t seq = 1; seq <= 5; seq++) {
        restore(ledger, seq, "of its first life");
    }
    restore_plain(ledger, 1);
    assert_int_equal(normd_ledger_last(ledger, "c", 1), 1);
    require_again(ledger, 1);
    apply(ledger, 2, 100);
    restore_plain(ledger, 1); /* its row is not kept any more */
    assert_int_equal(normd_ledger_last(ledger, "c", 1), 1);
    apply(ledger, 2, 2);
}

static void names_and_numbers_out_of_range_are_not_restored(void **state)
{
    normd_ledger *ledger = *state;
    normd_ledger_answer answer = answer_of(1, "x");
    char name[NORMD_LEDGER_CLIENT_BYTES + 1] = {'n'};
    static const struct {
        size_t length;
        uint64_t seq;
    } rows[] = {{0, 1}, {sizeof name, 1}, {1, 0}, {1, (UINT64_C(1) << 53) + 1}, {1, UINT64_MAX}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        normd_error error;
        assert_int_equal(
            normd_ledger_restore(ledger, name, rows[i].length, rows[i].seq, 0, &answer, &error),
            NORMD_BAD_ARGUMENT);
    }
    assert_int_equal(clients_of(ledger), 0);
}

/* ---- Checkpoints ---- */

/* A base of a few clients of one letter, as a checkpoint leaves it. */
typedef struct base {
    normd_ledger *ledger;
    size_t visits;
    size_t fail_at; /* the visit that fails, from 1; 0: none */
    void *value[128];
    size_t size[128];
} base;

static normd_status visit(void *context, const char *client, size_t length, normd_error *error)
{
    base *b = context;
    assert_int_equal(length, 1);
    b->visits++;
    if (b->visits == b->fail_at) {
        return normd_error_set(error, NORMD_STORE_FAILED, "no room");
    }
    size_t i = (unsigned char)*client;
    free(b->value[i]);
    return normd_ledger_encode(b->ledger, client, length, &b->value[i], &b->size[i], error);
}

/* Returns the number of clients that were visited. */
static size_t checkpoint(base *b)
{
    normd_error error;
    b->visits = 0;
    assert_int_equal(normd_ledger_take_changes(b->ledger, visit, b, &error), NORMD_OK);
    return b->visits;
}

static void free_base(base *b)
{
    for (size_t i = 0; i < 128; i++) {
        free(b->value[i]);
    }
}

static void begin_as(normd_ledger *ledger, const char *client, uint64_t now)
{
    struct normd_request nobody;
    admission a = admit_at(ledger, client, 1, now, &nobody);
    assert_int_equal(a.outcome, NORMD_LEDGER_APPLY);
    settle(ledger, a.row);
}

static void only_what_changed_is_visited(void **state)
{
    base b = {.ledger = *state};
    assert_int_equal(checkpoint(&b), 0);
    begin_as(b.ledger, "a", 0);
    begin_as(b.ledger, "b", 0);
    apply(b.ledger, 1, 2);
    normd_ledger_row *under_way = begin(b.ledger, 3);
    assert_int_equal(checkpoint(&b), 3);
    assert_int_equal(checkpoint(&b), 0);
    normd_ledger_fail(b.ledger, under_way); /* changes nothing that is kept */
    assert_int_equal(checkpoint(&b), 0);
    apply(b.ledger, 3, 3);
    assert_int_equal(checkpoint(&b), 1);
    free_base(&b);
}

static void what_was_restored_is_visited_and_what_was_decoded_is_not(void **state)
{
    base b = {.ledger = *state};
    restore_plain(b.ledger, 1);
    assert_int_equal(checkpoint(&b), 1);
    base other = {.ledger = make_ledger(100, 0)};
    normd_error error;
    assert_int_equal(
        normd_ledger_decode(other.ledger, "c", 1, b.value['c'], b.size['c'], 0, &error), NORMD_OK);
    assert_int_equal(checkpoint(&other), 0);
    require_again(other.ledger, 1);
    normd_ledger_destroy(other.ledger);
    free_base(&b);
}

static void a_failed_checkpoint_takes_its_changes_back(void **state)
{
    base b = {.ledger = *state};
    begin_as(b.ledger, "a", 0);
    begin_as(b.ledger, "b", 0);
    begin_as(b.ledger, "c", 0);
    b.fail_at = 2;
    normd_error error;
    assert_int_equal(normd_ledger_take_changes(b.ledger, visit, &b, &error), NORMD_STORE_FAILED);
    assert_int_equal(b.visits, 2);
    normd_ledger_keep_changes(b.ledger);
    b.fail_at = 0;
    assert_int_equal(checkpoint(&b), 3);
    normd_ledger_keep_changes(b.ledger); /* the visits went well, the commit did not */
    assert_int_equal(checkpoint(&b), 3);
    assert_int_equal(checkpoint(&b), 0);
    free_base(&b);
}

static void a_forgotten_client_is_visited_to_be_deleted(void **state)
{
    (void)state;
    base b = {.ledger = make_ledger(1, 10)};
    begin_as(b.ledger, "a", 0);
    checkpoint(&b);
    assert_non_null(b.value['a']);
    begin_as(b.ledger, "b", 10); /* a is forgotten */
    assert_int_equal(checkpoint(&b), 2);
    assert_null(b.value['a']);
    assert_non_null(b.value['b']);
    normd_ledger_keep_changes(b.ledger);
    assert_int_equal(checkpoint(&b), 2);
    size_t with_both = bytes_of(b.ledger);
    assert_int_equal(checkpoint(&b), 0);
    assert_true(bytes_of(b.ledger) < with_both);
    normd_ledger_destroy(b.ledger);
    free_base(&b);
}

static void a_client_that_was_never_stored_leaves_nothing(void **state)
{
    (void)state;
    base b = {.ledger = make_ledger(1, 10)};
    begin_as(b.ledger, "a", 0);
    begin_as(b.ledger, "b", 10);
    assert_int_equal(checkpoint(&b), 1);
    normd_ledger_destroy(b.ledger);
    free_base(&b);
}

static void a_forgotten_client_may_come_again(void **state)
{
    (void)state;
    base b = {.ledger = make_ledger(1, 10)};
    begin_as(b.ledger, "a", 0);
    checkpoint(&b);
    begin_as(b.ledger, "b", 10);
    struct normd_request nobody;
    admission a = admit_at(b.ledger, "a", 1, 20, &nobody); /* not deleted yet */
    assert_int_equal(a.outcome, NORMD_LEDGER_APPLY);
    checkpoint(&b);
    assert_null(b.value['a']); /* nothing of its new life is applied */
    normd_ledger_fail(b.ledger, a.row);
    assert_int_equal(clients_of(b.ledger), 0);
    begin_as(b.ledger, "a", 30);
    checkpoint(&b);
    assert_non_null(b.value['a']);
    assert_int_equal(checkpoint(&b), 0);
    normd_ledger_destroy(b.ledger);
    free_base(&b);
}

#define with_ledger(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_ledger(a_restored_row_is_answered_again),
        with_ledger(a_number_that_was_never_committed_is_applied_after_a_crash),
        with_ledger(restored_rows_below_the_window_are_ignored),
        with_ledger(a_record_that_comes_twice_changes_nothing),
        with_ledger(another_first_record_begins_the_client_anew),
        with_ledger(names_and_numbers_out_of_range_are_not_restored),
        with_ledger(only_what_changed_is_visited),
        with_ledger(what_was_restored_is_visited_and_what_was_decoded_is_not),
        with_ledger(a_failed_checkpoint_takes_its_changes_back),
        with_ledger(a_forgotten_client_is_visited_to_be_deleted),
        with_ledger(a_client_that_was_never_stored_leaves_nothing),
        with_ledger(a_forgotten_client_may_come_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
