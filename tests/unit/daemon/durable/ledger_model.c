// SPDX-License-Identifier: Apache-2.0
/* The ledger against a model that keeps everything for ever and looks at all of it each time. */
#include "tests/unit/daemon/durable/support.h"
#include "tests/unit/protocol/support/random.h"

enum { NUMBERS = 1500, IN_FLIGHT = 8, OPERATIONS = 6000 };

typedef enum life { FREE, UNDER_WAY, APPLIED, FORGOTTEN } life; /* FORGOTTEN: it was applied */

typedef struct model {
    life life[NUMBERS + 2];
    normd_ledger_row *row[NUMBERS + 2]; /* of those under way */
    int waiting[NUMBERS + 2];           /* for those under way */
    uint64_t tries[NUMBERS + 2];        /* what the answer says: the try that was applied */
    size_t in_flight;
} model;

static uint64_t last_of(const model *m, bool applied_only)
{
    for (uint64_t seq = NUMBERS + 1; seq > 0; seq--) {
        if (m->life[seq] >= APPLIED || (m->life[seq] == UNDER_WAY && !applied_only)) {
            return seq;
        }
    }
    return 0;
}

/* What an admission must come to, and its effect on the model. */
static normd_status expect_admission(model *m, uint64_t seq, normd_ledger_outcome *outcome)
{
    uint64_t last = last_of(m, false);
    if (last == 0 && seq != 1) {
        return NORMD_UNKNOWN_CLIENT;
    }
    if (seq > last + 1) {
        return NORMD_SEQ_GAP;
    }
    if (m->life[seq] == UNDER_WAY || m->life[seq] == APPLIED) {
        *outcome = m->life[seq] == APPLIED ? NORMD_LEDGER_AGAIN : NORMD_LEDGER_WAIT;
        return NORMD_OK;
    }
    for (uint64_t above = seq; above <= NUMBERS; above++) {
        if (m->life[above] == FORGOTTEN) {
            return NORMD_SEQ_TOO_OLD;
        }
    }
    if (seq + NORMD_LEDGER_WINDOW <= last) {
        return NORMD_SEQ_TOO_OLD;
    }
    for (uint64_t below = 1; below + NORMD_LEDGER_WINDOW <= seq; below++) {
        if (m->life[below] == UNDER_WAY) {
            return NORMD_BUSY;
        }
    }
    for (uint64_t below = 1; below + NORMD_LEDGER_WINDOW <= seq; below++) {
        if (m->life[below] == APPLIED) {
            m->life[below] = FORGOTTEN;
        }
    }
    m->life[seq] = UNDER_WAY;
    m->tries[seq]++;
    m->in_flight++;
    *outcome = NORMD_LEDGER_APPLY;
    return NORMD_OK;
}

static void require_kept(const model *m, const normd_ledger_answer *answer, uint64_t seq)
{
    char text[64];
    snprintf(text, sizeof text, "try %d of %d", (int)m->tries[seq], (int)seq);
    require_answer(answer, seq, text);
}

static void try_admission(normd_ledger *ledger, model *m, uint64_t seq)
{
    normd_ledger_outcome outcome = NORMD_LEDGER_APPLY;
    normd_status status = expect_admission(m, seq, &outcome);
    struct normd_request *request = calloc(1, sizeof *request);
    request->number = (int)seq;
    admission a = admit_at(ledger, "c", seq, 0, request);
    if (a.status != status || (status == NORMD_OK && a.outcome != outcome)) {
        fail_msg("seq %d: status %s, not %s; outcome %d, not %d", (int)seq,
            normd_status_name(a.status), normd_status_name(status), (int)a.outcome, (int)outcome);
    }
    if (status == NORMD_OK && outcome == NORMD_LEDGER_WAIT) {
        m->waiting[seq]++;
        return;
    }
    free(request);
    if (status == NORMD_OK && outcome == NORMD_LEDGER_AGAIN) {
        require_kept(m, normd_ledger_row_answer(a.row), seq);
        normd_ledger_release(ledger, a.row);
    } else if (status == NORMD_OK) {
        m->row[seq] = a.row;
    }
}

/* Every waiter comes back once. */
static void take_waiters(normd_ledger *ledger, model *m, uint64_t seq, struct normd_request *waiter,
    normd_ledger_row *settled)
{
    int count = 0;
    while (waiter != NULL) {
        struct normd_request *next = waiter->next;
        assert_int_equal(waiter->number, seq);
        if (settled != NULL) {
            require_kept(m, normd_ledger_row_answer(settled), seq);
            normd_ledger_release(ledger, settled);
        }
        free(waiter);
        waiter = next;
        count++;
    }
    assert_int_equal(count, m->waiting[seq]);
    m->waiting[seq] = 0;
}

static void end_one(normd_ledger *ledger, model *m, uint64_t seq, bool applied)
{
    normd_ledger_row *row = m->row[seq];
    m->in_flight--;
    m->life[seq] = applied ? APPLIED : FREE;
    if (applied) {
        char text[64];
        snprintf(text, sizeof text, "try %d of %d", (int)m->tries[seq], (int)seq);
        normd_ledger_answer answer = answer_of(seq, text);
        bool held = m->waiting[seq] > 0;
        struct normd_request *waiter = normd_ledger_settle(ledger, row, &answer);
        take_waiters(ledger, m, seq, waiter, held ? row : NULL);
    } else {
        take_waiters(ledger, m, seq, normd_ledger_fail(ledger, row), NULL);
    }
}

/* One of those under way, by chance. */
static uint64_t any_under_way(const model *m, test_random *random)
{
    uint64_t skip = test_random_below(random, m->in_flight);
    for (uint64_t seq = 1;; seq++) {
        if (m->life[seq] == UNDER_WAY && skip-- == 0) {
            return seq;
        }
    }
}

/* The daemon is killed: what is under way is lost, what was applied comes back from its value. */
static normd_ledger *crash(normd_ledger *ledger, model *m)
{
    for (uint64_t seq = 1; seq <= NUMBERS; seq++) {
        if (m->life[seq] == UNDER_WAY) {
            end_one(ledger, m, seq, false);
        }
    }
    void *bytes;
    size_t size;
    normd_error error;
    assert_int_equal(normd_ledger_encode(ledger, "c", 1, &bytes, &size, &error), NORMD_OK);
    normd_ledger_destroy(ledger);
    normd_ledger *made = make_ledger(10, 0);
    assert_int_equal(bytes != NULL, last_of(m, true) > 0);
    if (bytes != NULL) {
        assert_int_equal(normd_ledger_decode(made, "c", 1, bytes, size, 0, &error), NORMD_OK);
    }
    free(bytes);
    return made;
}

static uint64_t choose_seq(const model *m, test_random *random)
{
    uint64_t last = last_of(m, false);
    uint64_t choice = test_random_below(random, 10);
    if (choice < 5) {
        return last + 1;
    }
    /* Around the window and both its ends. */
    uint64_t back = test_random_below(random, choice < 9 ? 12 : NORMD_LEDGER_WINDOW + 8);
    return last + 3 > back + 1 ? last + 3 - back : 1;
}

static void run(uint64_t seed)
{
    test_random random = {seed};
    model *m = calloc(1, sizeof *m);
    normd_ledger *ledger = make_ledger(10, 0);
    for (int i = 0; i < OPERATIONS && last_of(m, false) + 3 < NUMBERS; i++) {
        uint64_t choice = test_random_below(&random, 1000);
        if (choice == 0) {
            ledger = crash(ledger, m);
        } else if (m->in_flight > 0 && (m->in_flight == IN_FLIGHT || choice < 450)) {
            uint64_t seq = any_under_way(m, &random);
            end_one(ledger, m, seq, test_random_below(&random, 4) > 0);
        } else {
            try_admission(ledger, m, choose_seq(m, &random));
        }
        assert_int_equal(normd_ledger_last(ledger, "c", 1), last_of(m, true));
        assert_int_equal(clients_of(ledger), last_of(m, false) > 0);
    }
    assert_true(last_of(m, true) > 4 * NORMD_LEDGER_WINDOW);
    normd_ledger_destroy(crash(ledger, m));
    free(m);
}

static void random_histories_come_out_as_the_model_says(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        run(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_histories_come_out_as_the_model_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
