// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/daemon/durable/support.h"

#include <pthread.h>

static int set_up(void **state)
{
    *state = make_ledger(4, 100);
    return 0;
}

static int tear_down(void **state)
{
    normd_ledger_destroy(*state);
    return 0;
}

static void an_unknown_client_begins_with_one(void **state)
{
    normd_ledger *ledger = *state;
    require_status(ledger, 2, NORMD_UNKNOWN_CLIENT);
    assert_int_equal(normd_ledger_last(ledger, "c", 1), 0);
    assert_int_equal(clients_of(ledger), 0);
    apply(ledger, 1, 1);
    assert_int_equal(normd_ledger_last(ledger, "c", 1), 1);
    assert_int_equal(clients_of(ledger), 1);
    require_status(ledger, 3, NORMD_SEQ_GAP);
}

static void a_row_says_whose_it_is(void **state)
{
    normd_ledger *ledger = *state;
    struct normd_request nobody;
    admission a = admit_at(ledger, "trainer", 1, 0, &nobody);
    assert_int_equal(a.row->seq, 1);
    assert_int_equal(a.row->client_length, 7);
    assert_memory_equal(a.row->client, "trainer", 7);
    settle(ledger, a.row);
}

static void what_was_applied_is_answered_again(void **state)
{
    normd_ledger *ledger = *state;
    apply(ledger, 1, 3);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        require_again(ledger, seq);
        require_again(ledger, seq);
    }
    assert_int_equal(normd_ledger_last(ledger, "c", 1), 3);
}

static void an_answer_is_a_copy(void **state)
{
    normd_ledger *ledger = *state;
    char text[] = "first";
    normd_ledger_answer answer = answer_of(1, text);
    normd_ledger_settle(ledger, begin(ledger, 1), &answer);
    memcpy(text, "other", 5);
    admission a = admit(ledger, 1);
    require_answer(normd_ledger_row_answer(a.row), 1, "first");
    normd_ledger_release(ledger, a.row);
}

static void a_failed_number_is_free_again(void **state)
{
    normd_ledger *ledger = *state;
    apply(ledger, 1, 5);
    assert_null(normd_ledger_fail(ledger, begin(ledger, 6)));
    assert_int_equal(normd_ledger_last(ledger, "c", 1), 5);
    require_status(ledger, 7, NORMD_SEQ_GAP);
    apply(ledger, 6, 6);
    require_again(ledger, 6);
}

static void a_client_whose_first_failed_is_unknown(void **state)
{
    normd_ledger *ledger = *state;
    normd_ledger_fail(ledger, begin(ledger, 1));
    assert_int_equal(clients_of(ledger), 0);
    assert_int_equal(bytes_of(ledger), 0);
    require_status(ledger, 2, NORMD_UNKNOWN_CLIENT);
}

static void mutations_go_one_behind_the_other_without_waiting(void **state)
{
    normd_ledger *ledger = *state;
    normd_ledger_row *rows[4];
    for (uint64_t seq = 1; seq <= 3; seq++) {
        rows[seq] = begin(ledger, seq);
    }
    require_status(ledger, 5, NORMD_SEQ_GAP);
    assert_int_equal(normd_ledger_last(ledger, "c", 1), 0);
    settle(ledger, rows[3]);
    assert_int_equal(normd_ledger_last(ledger, "c", 1), 3);
    settle(ledger, rows[1]);
    settle(ledger, rows[2]);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        require_again(ledger, seq);
    }
}

static void when_the_highest_fails_the_one_before_is_the_last(void **state)
{
    normd_ledger *ledger = *state;
    apply(ledger, 1, 5);
    normd_ledger_row *six = begin(ledger, 6);
    normd_ledger_row *seven = begin(ledger, 7);
    normd_ledger_row *eight = begin(ledger, 8);
    normd_ledger_fail(ledger, seven); /* a hole */
    require_status(ledger, 10, NORMD_SEQ_GAP);
    normd_ledger_fail(ledger, eight); /* now 6 is the highest */
    require_status(ledger, 8, NORMD_SEQ_GAP);
    normd_ledger_fail(ledger, six);
    require_status(ledger, 7, NORMD_SEQ_GAP);
    apply(ledger, 6, 8);
}

static void a_hole_may_be_applied_later(void **state)
{
    normd_ledger *ledger = *state;
    normd_ledger_row *one = begin(ledger, 1);
    apply(ledger, 2, 10);
    normd_ledger_fail(ledger, one);
    assert_int_equal(normd_ledger_last(ledger, "c", 1), 10);
    apply(ledger, 1, 1);
    require_again(ledger, 1);
    assert_int_equal(normd_ledger_last(ledger, "c", 1), 10);
    require_status(ledger, 12, NORMD_SEQ_GAP);
}

static void a_hole_leaves_the_window(void **state)
{
    normd_ledger *ledger = *state;
    normd_ledger_row *one = begin(ledger, 1);
    apply(ledger, 2, 3);
    normd_ledger_fail(ledger, one);
    apply(ledger, 4, NORMD_LEDGER_WINDOW + 1);
    require_status(ledger, 1, NORMD_SEQ_TOO_OLD);
    require_again(ledger, 2);
}

static void only_the_newest_are_remembered(void **state)
{
    normd_ledger *ledger = *state;
    apply(ledger, 1, NORMD_LEDGER_WINDOW);
    require_again(ledger, 1);
    size_t full = bytes_of(ledger);
    apply(ledger, NORMD_LEDGER_WINDOW + 1, 3 * NORMD_LEDGER_WINDOW);
    /* Texts of two digits have become texts of three. */
    assert_in_range(bytes_of(ledger), full, full + 2 * NORMD_LEDGER_WINDOW);
    require_status(ledger, 2 * NORMD_LEDGER_WINDOW, NORMD_SEQ_TOO_OLD);
    require_status(ledger, 1, NORMD_SEQ_TOO_OLD);
    for (uint64_t seq = 2 * NORMD_LEDGER_WINDOW + 1; seq <= 3 * NORMD_LEDGER_WINDOW; seq++) {
        require_again(ledger, seq);
    }
}

static void the_window_does_not_pass_what_is_under_way(void **state)
{
    normd_ledger *ledger = *state;
    normd_ledger_row *one = begin(ledger, 1);
    apply(ledger, 2, NORMD_LEDGER_WINDOW);
    require_status(ledger, NORMD_LEDGER_WINDOW + 1, NORMD_BUSY);
    settle(ledger, one);
    apply(ledger, NORMD_LEDGER_WINDOW + 1, NORMD_LEDGER_WINDOW + 1);
    require_status(ledger, 1, NORMD_SEQ_TOO_OLD);
}

/* Their rows had to go for those that failed then: a retry must not be applied. */
static void what_was_dropped_is_too_old_also_when_last_falls_back(void **state)
{
    normd_ledger *ledger = *state;
    apply(ledger, 1, 100);
    normd_ledger_row *rows[NORMD_LEDGER_WINDOW];
    for (size_t i = 0; i < NORMD_LEDGER_WINDOW; i++) {
        rows[i] = begin(ledger, 101 + i);
    }
    for (size_t i = 0; i < NORMD_LEDGER_WINDOW; i++) {
        normd_ledger_fail(ledger, rows[i]);
    }
    assert_int_equal(normd_ledger_last(ledger, "c", 1), 100);
    require_status(ledger, 100, NORMD_SEQ_TOO_OLD);
    require_status(ledger, 102, NORMD_SEQ_GAP);
    apply(ledger, 101, 101);
    require_again(ledger, 101);
}

/* 101 failed and slid out for 165; when all behind it fail as well it is the next again. */
static void the_next_number_is_never_too_old(void **state)
{
    normd_ledger *ledger = *state;
    apply(ledger, 1, 100);
    normd_ledger_row *rows[NORMD_LEDGER_WINDOW + 1];
    for (size_t i = 0; i < NORMD_LEDGER_WINDOW; i++) {
        rows[i] = begin(ledger, 101 + i);
    }
    normd_ledger_fail(ledger, rows[0]);
    rows[NORMD_LEDGER_WINDOW] = begin(ledger, 101 + NORMD_LEDGER_WINDOW);
    require_status(ledger, 101, NORMD_SEQ_TOO_OLD);
    for (size_t i = 1; i <= NORMD_LEDGER_WINDOW; i++) {
        normd_ledger_fail(ledger, rows[i]);
    }
    apply(ledger, 101, 101);
}

/* ---- Waiting ---- */

static void require_waits(normd_ledger *ledger, uint64_t seq, struct normd_request *request)
{
    request->next = request; /* to be overwritten */
    admission a = admit_at(ledger, "c", seq, 0, request);
    assert_int_equal(a.status, NORMD_OK);
    assert_int_equal(a.outcome, NORMD_LEDGER_WAIT);
    assert_null(a.row);
}

static void retries_wait_for_what_is_under_way(void **state)
{
    normd_ledger *ledger = *state;
    struct normd_request requests[3];
    normd_ledger_row *row = begin(ledger, 1);
    for (int i = 0; i < 3; i++) {
        require_waits(ledger, 1, &requests[i]);
    }
    struct normd_request *waiter = settle(ledger, row);
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(waiter, &requests[i]);
        waiter = waiter->next;
        require_answer(normd_ledger_row_answer(row), 1, "result 1");
        normd_ledger_release(ledger, row);
    }
    assert_null(waiter);
    require_again(ledger, 1);
}

static void waiters_of_what_failed_are_admitted_anew(void **state)
{
    normd_ledger *ledger = *state;
    struct normd_request requests[2];
    normd_ledger_row *row = begin(ledger, 1);
    require_waits(ledger, 1, &requests[0]);
    require_waits(ledger, 1, &requests[1]);
    struct normd_request *waiter = normd_ledger_fail(ledger, row);
    assert_ptr_equal(waiter, &requests[0]);
    assert_ptr_equal(waiter->next, &requests[1]);
    assert_null(requests[1].next);
    assert_int_equal(bytes_of(ledger), 0);
    row = begin(ledger, 1);
    require_waits(ledger, 1, &requests[1]);
    assert_ptr_equal(settle(ledger, row), &requests[1]);
    normd_ledger_release(ledger, row);
}

static void a_held_answer_outlives_its_place(void **state)
{
    normd_ledger *ledger = *state;
    apply(ledger, 1, 1);
    admission a = admit(ledger, 1);
    apply(ledger, 2, 2 * NORMD_LEDGER_WINDOW);
    require_answer(normd_ledger_row_answer(a.row), 1, "result 1");
    assert_memory_equal(a.row->client, "c", 1);
    size_t before = bytes_of(ledger);
    normd_ledger_release(ledger, a.row);
    assert_true(bytes_of(ledger) < before);
}

/* ---- Many clients ---- */

static void begin_of(normd_ledger *ledger, const char *client, uint64_t now, bool ends)
{
    struct normd_request nobody;
    admission a = admit_at(ledger, client, 1, now, &nobody);
    assert_int_equal(a.status, NORMD_OK);
    assert_int_equal(a.outcome, NORMD_LEDGER_APPLY);
    if (ends) {
        settle(ledger, a.row);
    }
}

static void clients_count_on_their_own(void **state)
{
    normd_ledger *ledger = *state;
    apply(ledger, 1, 9);
    begin_of(ledger, "c\xc3\xa9", 0, true);
    assert_int_equal(normd_ledger_last(ledger, "c\xc3\xa9", 3), 1);
    assert_int_equal(normd_ledger_last(ledger, "c", 1), 9);
}

static void the_longest_unseen_client_makes_room(void **state)
{
    normd_ledger *ledger = *state;
    struct normd_request nobody;
    static const char *const names[] = {"a", "b", "c", "d"};
    for (uint64_t i = 0; i < 4; i++) {
        begin_of(ledger, names[i], i, true);
    }
    admission a = admit_at(ledger, "a", 1, 4, &nobody); /* seen again */
    normd_ledger_release(ledger, a.row);
    a = admit_at(ledger, "e", 1, 100, &nobody); /* b was seen 99 seconds ago */
    assert_int_equal(a.status, NORMD_BUSY);
    begin_of(ledger, "e", 101, true);
    assert_int_equal(clients_of(ledger), 4);
    assert_int_equal(normd_ledger_last(ledger, "a", 1), 1);
    assert_int_equal(normd_ledger_last(ledger, "b", 1), 0);
    a = admit_at(ledger, "b", 2, 101, &nobody);
    assert_int_equal(a.status, NORMD_UNKNOWN_CLIENT);
}

static void a_client_with_something_under_way_is_not_forgotten(void **state)
{
    normd_ledger *ledger = *state;
    struct normd_request nobody;
    static const char *const names[] = {"a", "b", "d"};
    normd_ledger_row *row = begin(ledger, 1);
    for (uint64_t i = 0; i < 3; i++) {
        begin_of(ledger, names[i], 1, true);
    }
    begin_of(ledger, "e", 1000, true);
    assert_int_equal(normd_ledger_last(ledger, "a", 1), 0);
    settle(ledger, row);
    assert_int_equal(normd_ledger_last(ledger, "c", 1), 1);
    begin_of(ledger, "f", 1000, true);
    assert_int_equal(normd_ledger_last(ledger, "c", 1), 0);
    admission a = admit_at(ledger, "g", 1, 1000, &nobody); /* b and d */
    assert_int_equal(a.outcome, NORMD_LEDGER_APPLY);
    normd_ledger_fail(ledger, a.row);
}

static void when_all_clients_are_at_work_a_new_one_is_refused(void **state)
{
    (void)state;
    normd_ledger *ledger = make_ledger(1, 0);
    struct normd_request nobody;
    normd_ledger_row *row = begin(ledger, 1);
    admission a = admit_at(ledger, "other", 1, 5, &nobody);
    assert_int_equal(a.status, NORMD_BUSY);
    settle(ledger, row);
    begin_of(ledger, "other", 5, true);
    assert_int_equal(clients_of(ledger), 1);
    normd_ledger_destroy(ledger);
}

/* ---- Many threads ---- */

enum { THREADS = 4, NUMBERS = 2000 };

typedef struct racer {
    normd_ledger *ledger;
    pthread_barrier_t *start;
    int applied, waited, again; /* by this thread */
    int given;                  /* waiters that this thread got */
    struct normd_request requests[NUMBERS + 1];
} racer;

static void race_one(racer *r, uint64_t seq)
{
    admission a = admit_at(r->ledger, "c", seq, 0, &r->requests[seq]);
    if (a.status != NORMD_OK) {
        fail_msg("%s", a.error.message);
    }
    if (a.outcome == NORMD_LEDGER_WAIT) {
        r->waited++;
    } else if (a.outcome == NORMD_LEDGER_AGAIN) {
        r->again++;
        normd_ledger_release(r->ledger, a.row);
    } else {
        r->applied++;
        normd_ledger_row *row = a.row;
        struct normd_request *waiter = settle(r->ledger, row);
        while (waiter != NULL) {
            r->given++;
            waiter = waiter->next;
            normd_ledger_release(r->ledger, row);
        }
    }
}

static void *race(void *context)
{
    racer *r = context;
    for (uint64_t seq = 1; seq <= NUMBERS; seq++) {
        pthread_barrier_wait(r->start);
        race_one(r, seq);
    }
    return NULL;
}

static void of_many_at_once_one_applies_and_all_are_answered(void **state)
{
    static racer racers[THREADS];
    pthread_t threads[THREADS];
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        racers[i] = (racer){.ledger = *state, .start = &start};
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    int applied = 0;
    int waited = 0;
    int again = 0;
    int given = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        applied += racers[i].applied;
        waited += racers[i].waited;
        again += racers[i].again;
        given += racers[i].given;
    }
    pthread_barrier_destroy(&start);
    assert_int_equal(applied, NUMBERS);
    assert_int_equal(waited, given);
    assert_int_equal(applied + waited + again, THREADS * NUMBERS);
    assert_int_equal(normd_ledger_last(*state, "c", 1), NUMBERS);
}

#define with_ledger(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_ledger(an_unknown_client_begins_with_one),
        with_ledger(a_row_says_whose_it_is),
        with_ledger(what_was_applied_is_answered_again),
        with_ledger(an_answer_is_a_copy),
        with_ledger(a_failed_number_is_free_again),
        with_ledger(a_client_whose_first_failed_is_unknown),
        with_ledger(mutations_go_one_behind_the_other_without_waiting),
        with_ledger(when_the_highest_fails_the_one_before_is_the_last),
        with_ledger(a_hole_may_be_applied_later),
        with_ledger(a_hole_leaves_the_window),
        with_ledger(only_the_newest_are_remembered),
        with_ledger(the_window_does_not_pass_what_is_under_way),
        with_ledger(what_was_dropped_is_too_old_also_when_last_falls_back),
        with_ledger(the_next_number_is_never_too_old),
        with_ledger(retries_wait_for_what_is_under_way),
        with_ledger(waiters_of_what_failed_are_admitted_anew),
        with_ledger(a_held_answer_outlives_its_place),
        with_ledger(clients_count_on_their_own),
        with_ledger(the_longest_unseen_client_makes_room),
        with_ledger(a_client_with_something_under_way_is_not_forgotten),
        with_ledger(when_all_clients_are_at_work_a_new_one_is_refused),
        with_ledger(of_many_at_once_one_applies_and_all_are_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
