// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_DAEMON_DURABLE_SUPPORT_H
#define NORMD_TESTS_DAEMON_DURABLE_SUPPORT_H

/* What the tests of the ledger share. Includes cmocka; the first include of a test. */
#include "tests/unit/cmocka_headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/durable/ledger.h"

/* The ledger knows of a request only where its link is. */
struct normd_request {
    int number;
    struct normd_request *next;
};

static inline normd_ledger *make_ledger_of(const normd_ledger_limits *limits)
{
    normd_ledger *ledger = normd_ledger_create(limits, offsetof(struct normd_request, next));
    assert_non_null(ledger);
    return ledger;
}

static inline normd_ledger *make_ledger(size_t clients, uint64_t forget_seconds)
{
    return make_ledger_of(&(normd_ledger_limits){clients, forget_seconds, SIZE_MAX});
}

/* An answer that says whose it is: `text` is its result. */
static inline normd_ledger_answer answer_of(uint64_t seq, const char *text)
{
    return (normd_ledger_answer){.hash = seq * 0x9e3779b97f4a7c15u,
        .method = (uint32_t)(seq % 7),
        .session = seq + 1000,
        .step = seq << 32,
        .result = text,
        .result_size = strlen(text)};
}

static inline void require_answer(const normd_ledger_answer *got, uint64_t seq, const char *text)
{
    normd_ledger_answer wanted = answer_of(seq, text);
    assert_true(got->hash == wanted.hash && got->method == wanted.method &&
                got->session == wanted.session && got->step == wanted.step);
    assert_int_equal(got->result_size, wanted.result_size);
    assert_memory_equal(got->result, wanted.result, wanted.result_size);
}

/* What an admission came to, in one value. */
typedef struct admission {
    normd_status status;
    normd_ledger_outcome outcome;
    normd_ledger_row *row;
    normd_error error;
} admission;

static inline admission admit_at(normd_ledger *ledger, const char *client, uint64_t seq,
    uint64_t now, struct normd_request *request)
{
    admission a = {.row = NULL};
    a.status = normd_ledger_admit(
        ledger, client, strlen(client), seq, now, request, &a.outcome, &a.row, &a.error);
    return a;
}

static inline admission admit(normd_ledger *ledger, uint64_t seq)
{
    static struct normd_request nobody;
    return admit_at(ledger, "c", seq, 0, &nobody);
}

/* The row of a number that is to be applied. */
static inline normd_ledger_row *begin(normd_ledger *ledger, uint64_t seq)
{
    admission a = admit(ledger, seq);
    assert_int_equal(a.status, NORMD_OK);
    assert_int_equal(a.outcome, NORMD_LEDGER_APPLY);
    assert_non_null(a.row);
    assert_int_equal(a.row->seq, seq);
    return a.row;
}

static inline struct normd_request *settle(normd_ledger *ledger, normd_ledger_row *row)
{
    char text[32];
    snprintf(text, sizeof text, "result %d", (int)row->seq);
    normd_ledger_answer answer = answer_of(row->seq, text);
    return normd_ledger_settle(ledger, row, &answer);
}

/* Applies the numbers from `first` to `last`. */
static inline void apply(normd_ledger *ledger, uint64_t first, uint64_t last)
{
    for (uint64_t seq = first; seq <= last; seq++) {
        assert_null(settle(ledger, begin(ledger, seq)));
    }
}

static inline void require_status(normd_ledger *ledger, uint64_t seq, normd_status status)
{
    admission a = admit(ledger, seq);
    assert_int_equal(a.status, status);
    assert_null(a.row);
    assert_int_equal(a.error.status, status);
}

/* The number was applied, and its answer is what `settle` gave. */
static inline void require_again(normd_ledger *ledger, uint64_t seq)
{
    admission a = admit(ledger, seq);
    assert_int_equal(a.status, NORMD_OK);
    assert_int_equal(a.outcome, NORMD_LEDGER_AGAIN);
    char text[32];
    snprintf(text, sizeof text, "result %d", (int)seq);
    require_answer(normd_ledger_row_answer(a.row), seq, text);
    normd_ledger_release(ledger, a.row);
}

static inline size_t clients_of(normd_ledger *ledger)
{
    size_t clients;
    size_t bytes;
    normd_ledger_count(ledger, &clients, &bytes);
    return clients;
}

static inline size_t bytes_of(normd_ledger *ledger)
{
    size_t clients;
    size_t bytes;
    normd_ledger_count(ledger, &clients, &bytes);
    return bytes;
}

#endif
