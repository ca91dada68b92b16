// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/daemon/durable/support.h"

/* Answers of ANSWER bytes, of which three have room. */
enum { ANSWER = 100, BUDGET = 3 * ANSWER + ANSWER / 2 };
static const char text[] = "0123456789012345678901234567890123456789012345678901234567890123456789"
                           "012345678901234567890123456789";
_Static_assert(sizeof text - 1 == ANSWER, "text has another length");

static int set_up(void **state)
{
    *state = make_ledger_of(&(normd_ledger_limits){4, 100, BUDGET});
    return 0;
}

static int tear_down(void **state)
{
    normd_ledger_destroy(*state);
    return 0;
}

static void settle_long(normd_ledger *ledger, normd_ledger_row *row)
{
    normd_ledger_answer answer = answer_of(row->seq, text);
    normd_ledger_settle(ledger, row, &answer);
}

static void apply_long(normd_ledger *ledger, uint64_t first, uint64_t last)
{
    for (uint64_t seq = first; seq <= last; seq++) {
        settle_long(ledger, begin(ledger, seq));
    }
}

/* The number is known as applied, and whether its answer is there. */
static void require_kept(normd_ledger *ledger, const char *client, uint64_t seq, bool kept)
{
    struct normd_request nobody;
    admission a = admit_at(ledger, client, seq, 0, &nobody);
    assert_int_equal(a.status, NORMD_OK);
    assert_int_equal(a.outcome, NORMD_LEDGER_AGAIN);
    require_answer(normd_ledger_row_answer(a.row), seq, kept ? text : "");
    normd_ledger_release(ledger, a.row);
}

static void require_kept_from(normd_ledger *ledger, uint64_t first, uint64_t kept, uint64_t last)
{
    for (uint64_t seq = first; seq <= last; seq++) {
        require_kept(ledger, "c", seq, seq >= kept);
    }
}

static void the_answers_that_were_settled_first_are_dropped(void **state)
{
    normd_ledger *ledger = *state;
    apply_long(ledger, 1, 3);
    require_kept_from(ledger, 1, 1, 3);
    size_t full = bytes_of(ledger);
    apply_long(ledger, 4, 10);
    require_kept_from(ledger, 1, 8, 10);
    assert_int_equal(normd_ledger_last(ledger, "c", 1), 10);
    /* The rows stay: ten cost what ten without an answer and three answers do. */
    size_t row = (full - 3 * ANSWER) / 3;
    assert_in_range(bytes_of(ledger), full, full + 7 * row);
}

static void the_order_is_that_of_settling_over_all_clients(void **state)
{
    normd_ledger *ledger = *state;
    struct normd_request nobody;
    normd_ledger_row *one = begin(ledger, 1);
    apply_long(ledger, 2, 3);
    settle_long(ledger, admit_at(ledger, "d", 1, 0, &nobody).row);
    settle_long(ledger, one); /* 2 of c is the oldest */
    require_kept(ledger, "c", 2, false);
    require_kept(ledger, "c", 3, true);
    require_kept(ledger, "d", 1, true);
    require_kept(ledger, "c", 1, true);
}

static void an_answer_beyond_the_whole_budget_is_not_kept(void **state)
{
    (void)state;
    normd_ledger *ledger = make_ledger_of(&(normd_ledger_limits){4, 100, ANSWER - 1});
    apply_long(ledger, 1, 2);
    require_kept_from(ledger, 1, 3, 2);
    normd_ledger_destroy(ledger);
}

static void small_answers_do_not_count(void **state)
{
    (void)state;
    normd_ledger *ledger = make_ledger_of(&(normd_ledger_limits){4, 100, 0});
    normd_ledger_answer small = answer_of(1, "12345678");
    assert_int_equal(small.result_size, NORMD_LEDGER_SMALL);
    normd_ledger_settle(ledger, begin(ledger, 1), &small);
    normd_ledger_answer larger = answer_of(2, "123456789");
    normd_ledger_settle(ledger, begin(ledger, 2), &larger);
    admission a = admit(ledger, 1);
    require_answer(normd_ledger_row_answer(a.row), 1, "12345678");
    normd_ledger_release(ledger, a.row);
    require_kept(ledger, "c", 2, false);
    normd_ledger_destroy(ledger);
}

static void a_held_answer_is_dropped_when_it_is_released(void **state)
{
    normd_ledger *ledger = *state;
    apply_long(ledger, 1, 1);
    admission held = admit(ledger, 1);
    admission twice = admit(ledger, 1);
    apply_long(ledger, 2, 4); /* with 1 they are too many: 2 has to go */
    require_answer(normd_ledger_row_answer(held.row), 1, text);
    require_kept(ledger, "c", 2, false);
    apply_long(ledger, 5, 5);
    normd_ledger_release(ledger, held.row);
    require_answer(normd_ledger_row_answer(twice.row), 1, text);
    require_kept(ledger, "c", 3, false);
    normd_ledger_release(ledger, twice.row);
    require_kept(ledger, "c", 1, true); /* within the budget now */
    apply_long(ledger, 6, 6);
    require_kept(ledger, "c", 1, false);
    require_kept_from(ledger, 4, 4, 6);
}

static void when_all_are_held_the_last_release_makes_room(void **state)
{
    normd_ledger *ledger = *state;
    admission held[5];
    for (uint64_t seq = 1; seq <= 4; seq++) {
        /* A waiter holds the row from its settling on. */
        struct normd_request waiter;
        normd_ledger_row *row = begin(ledger, seq);
        assert_int_equal(admit_at(ledger, "c", seq, 0, &waiter).outcome, NORMD_LEDGER_WAIT);
        settle_long(ledger, row);
        held[seq].row = row;
    }
    for (uint64_t seq = 1; seq <= 4; seq++) {
        require_answer(normd_ledger_row_answer(held[seq].row), seq, text);
    }
    normd_ledger_release(ledger, held[4].row);
    require_kept(ledger, "c", 4, false);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        normd_ledger_release(ledger, held[seq].row);
        require_kept(ledger, "c", seq, true);
    }
}

static void what_leaves_its_window_makes_room_also_while_it_is_held(void **state)
{
    normd_ledger *ledger = *state;
    apply_long(ledger, 1, 1);
    admission held = admit(ledger, 1);
    apply(ledger, 2, 2); /* short */
    apply_long(ledger, 3, 3);
    for (uint64_t seq = 4; seq <= NORMD_LEDGER_WINDOW + 1; seq++) {
        normd_ledger_answer none = answer_of(seq, "");
        normd_ledger_settle(ledger, begin(ledger, seq), &none);
    }
    require_answer(normd_ledger_row_answer(held.row), 1, text);
    apply_long(ledger, NORMD_LEDGER_WINDOW + 2, NORMD_LEDGER_WINDOW + 3);
    require_kept(ledger, "c", NORMD_LEDGER_WINDOW + 2, true);
    require_kept(ledger, "c", NORMD_LEDGER_WINDOW + 3, true);
    normd_ledger_release(ledger, held.row);
}

static void a_forgotten_client_gives_its_answers_back(void **state)
{
    (void)state;
    normd_ledger *ledger = make_ledger_of(&(normd_ledger_limits){1, 10, BUDGET});
    struct normd_request nobody;
    apply_long(ledger, 1, 3);
    admission a = admit_at(ledger, "d", 1, 10, &nobody);
    settle_long(ledger, a.row);
    for (uint64_t seq = 2; seq <= 3; seq++) {
        settle_long(ledger, admit_at(ledger, "d", seq, 10, &nobody).row);
    }
    for (uint64_t seq = 1; seq <= 3; seq++) {
        require_kept(ledger, "d", seq, true);
    }
    normd_ledger_destroy(ledger);
}

/* ---- The store ---- */

static normd_status count_visit(
    void *context, const char *client, size_t length, normd_error *error)
{
    (void)client, (void)length, (void)error;
    ++*(size_t *)context;
    return NORMD_OK;
}

static size_t changed_clients(normd_ledger *ledger)
{
    size_t count = 0;
    normd_error error;
    assert_int_equal(normd_ledger_take_changes(ledger, count_visit, &count, &error), NORMD_OK);
    return count;
}

static void what_is_dropped_is_encoded_without_its_answer_and_comes_back_so(void **state)
{
    normd_ledger *ledger = *state;
    apply_long(ledger, 1, 5);
    void *bytes;
    size_t size;
    normd_error error;
    assert_int_equal(normd_ledger_encode(ledger, "c", 1, &bytes, &size, &error), NORMD_OK);
    normd_ledger *other = make_ledger(4, 100);
    assert_int_equal(normd_ledger_decode(other, "c", 1, bytes, size, 0, &error), NORMD_OK);
    require_kept_from(other, 1, 3, 5);
    assert_int_equal(changed_clients(other), 0);
    normd_ledger_destroy(other);
    free(bytes);
}

static void a_value_from_a_larger_budget_is_cut_to_this_one(void **state)
{
    normd_ledger *larger = make_ledger(4, 100);
    apply_long(larger, 1, 5);
    void *bytes;
    size_t size;
    normd_error error;
    assert_int_equal(normd_ledger_encode(larger, "c", 1, &bytes, &size, &error), NORMD_OK);
    assert_int_equal(normd_ledger_decode(*state, "c", 1, bytes, size, 0, &error), NORMD_OK);
    require_kept_from(*state, 1, 3, 5);
    assert_int_equal(changed_clients(*state), 1); /* the base is to forget them, too */
    free(bytes);
    normd_ledger_destroy(larger);
}

static void a_client_whose_answer_is_dropped_has_changed(void **state)
{
    normd_ledger *ledger = *state;
    struct normd_request nobody;
    apply_long(ledger, 1, 3);
    assert_int_equal(changed_clients(ledger), 1);
    assert_int_equal(changed_clients(ledger), 0);
    settle_long(ledger, admit_at(ledger, "d", 1, 0, &nobody).row);
    assert_int_equal(changed_clients(ledger), 2);
}

static void restore_long(normd_ledger *ledger, uint64_t seq)
{
    normd_ledger_answer answer = answer_of(seq, text);
    normd_error error;
    assert_int_equal(normd_ledger_restore(ledger, "c", 1, seq, 0, &answer, &error), NORMD_OK);
}

static void restored_answers_keep_to_the_budget(void **state)
{
    normd_ledger *ledger = *state;
    for (uint64_t seq = 1; seq <= 10; seq++) {
        restore_long(ledger, seq);
    }
    require_kept_from(ledger, 1, 8, 10);
    restore_long(ledger, 1); /* a new life, as a number is applied once in one */
    assert_int_equal(normd_ledger_last(ledger, "c", 1), 1);
    require_kept(ledger, "c", 1, true);
}

static void a_refusal_says_how_many_clients_there_are_and_which_option_to_raise(void **state)
{
    normd_ledger *ledger = *state;
    struct normd_request nobody;
    static const char *const names[] = {"a", "b", "d", "e"};
    for (size_t i = 0; i < 4; i++) {
        settle_long(ledger, admit_at(ledger, names[i], 1, 0, &nobody).row);
    }
    admission a = admit_at(ledger, "f", 1, 99, &nobody);
    assert_int_equal(a.status, NORMD_BUSY);
    assert_non_null(strstr(a.error.message, "got 4 clients that were seen within 100 seconds"));
    assert_non_null(strstr(a.error.message, "--max-clients"));
}

#define with_ledger(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_ledger(the_answers_that_were_settled_first_are_dropped),
        with_ledger(the_order_is_that_of_settling_over_all_clients),
        cmocka_unit_test(an_answer_beyond_the_whole_budget_is_not_kept),
        cmocka_unit_test(small_answers_do_not_count),
        with_ledger(a_held_answer_is_dropped_when_it_is_released),
        with_ledger(when_all_are_held_the_last_release_makes_room),
        with_ledger(what_leaves_its_window_makes_room_also_while_it_is_held),
        cmocka_unit_test(a_forgotten_client_gives_its_answers_back),
        with_ledger(what_is_dropped_is_encoded_without_its_answer_and_comes_back_so),
        with_ledger(a_value_from_a_larger_budget_is_cut_to_this_one),
        with_ledger(a_client_whose_answer_is_dropped_has_changed),
        with_ledger(restored_answers_keep_to_the_budget),
        with_ledger(a_refusal_says_how_many_clients_there_are_and_which_option_to_raise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
