// SPDX-License-Identifier: Apache-2.0
/* A client's value from the base. What is read is written again to the same bytes, every row of it
   is answered, and its client can go on. */
#include <stddef.h>
#include <string.h>

#include "daemon/durable/ledger.h"
#include "tests/fuzz/fuzz.h"

struct normd_request {
    struct normd_request *next;
};

static void same_again(normd_ledger *ledger, const uint8_t *data, size_t size)
{
    void *bytes;
    size_t again;
    FUZZ_REQUIRE(normd_ledger_encode(ledger, "c", 1, &bytes, &again, NULL) == NORMD_OK);
    FUZZ_REQUIRE(bytes != NULL && again == size && memcmp(bytes, data, size) == 0);
    free(bytes);
}

/* Reads an answer to its end. */
static uint64_t touch(const normd_ledger_answer *answer)
{
    uint64_t sum = answer->hash + answer->method + answer->session + answer->step;
    const unsigned char *result = answer->result;
    for (size_t i = 0; i < answer->result_size; i++) {
        sum += result[i];
    }
    return sum;
}

static void go_on(normd_ledger *ledger)
{
    struct normd_request request = {NULL};
    uint64_t last = normd_ledger_last(ledger, "c", 1);
    volatile uint64_t sum = 0;
    (void)sum;
    FUZZ_REQUIRE(last >= 1);
    for (uint64_t back = 0; back <= NORMD_LEDGER_WINDOW && back <= last; back++) {
        normd_ledger_outcome outcome;
        normd_ledger_row *row;
        uint64_t seq = last + 1 - back;
        normd_status status =
            normd_ledger_admit(ledger, "c", 1, seq, 0, &request, &outcome, &row, NULL);
        FUZZ_REQUIRE(status == NORMD_OK || (status == NORMD_SEQ_TOO_OLD && back > 0));
        if (status == NORMD_OK && outcome == NORMD_LEDGER_AGAIN) {
            sum += touch(normd_ledger_row_answer(row));
            normd_ledger_release(ledger, row);
        } else if (status == NORMD_OK) {
            FUZZ_REQUIRE(normd_ledger_fail(ledger, row) == NULL);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const normd_ledger_limits limits = {.clients = 1, .answer_bytes = SIZE_MAX};
    normd_ledger *ledger = normd_ledger_create(&limits, offsetof(struct normd_request, next));
    FUZZ_REQUIRE(ledger != NULL);
    normd_error error;
    normd_status status = normd_ledger_decode(ledger, "c", 1, data, size, 0, &error);
    FUZZ_REQUIRE(status == NORMD_OK || status == NORMD_BAD_ARGUMENT);
    if (status == NORMD_OK) {
        same_again(ledger, data, size);
        go_on(ledger);
    }
    size_t clients;
    size_t bytes;
    normd_ledger_count(ledger, &clients, &bytes);
    FUZZ_REQUIRE((status == NORMD_OK) == (clients == 1) && (clients == 1) == (bytes > 0));
    normd_ledger_destroy(ledger);
    return 0;
}
