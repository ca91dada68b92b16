// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "daemon/durable/ledger_state.h"

normd_ledger_row *normd_ledger_row_create(
    normd_ledger *ledger, normd_ledger_client *client, uint64_t seq)
{
    normd_ledger_row *row = calloc(1, sizeof *row + client->name_length);
    if (row == NULL) {
        return NULL;
    }
    row->seq = seq;
    row->client_length = client->name_length;
    memcpy(row->client, client->name, client->name_length);
    row->owner = client;
    row->references = 1;
    ledger->bytes += sizeof *row + row->client_length;
    return row;
}

static void count(normd_ledger *ledger, normd_ledger_row *row)
{
    if (row->answer.result_size > NORMD_LEDGER_SMALL) {
        row->counted = true;
        ledger->counted_bytes += row->answer.result_size;
        DL_APPEND(ledger->counted, row);
    }
}

static void uncount(normd_ledger *ledger, normd_ledger_row *row)
{
    if (row->counted) {
        row->counted = false;
        ledger->counted_bytes -= row->answer.result_size;
        DL_DELETE(ledger->counted, row);
    }
}

bool normd_ledger_row_keep(
    normd_ledger *ledger, normd_ledger_row *row, const normd_ledger_answer *answer)
{
    row->applied = true;
    row->answer = *answer;
    row->answer.result = NULL;
    row->answer.result_size = 0;
    if (answer->result_size == 0) {
        return true;
    }
    void *result = answer->result_size <= UINT32_MAX ? malloc(answer->result_size) : NULL;
    if (result == NULL) {
        return false;
    }
    memcpy(result, answer->result, answer->result_size);
    row->answer.result = result;
    row->answer.result_size = answer->result_size;
    ledger->bytes += answer->result_size;
    count(ledger, row);
    return true;
}

static void free_result(normd_ledger *ledger, normd_ledger_row *row)
{
    ledger->bytes -= row->answer.result_size;
    free((void *)(uintptr_t)row->answer.result);
    row->answer.result = NULL;
    row->answer.result_size = 0;
}

void normd_ledger_row_drop(normd_ledger *ledger, normd_ledger_row *row)
{
    if (--row->references > 0) {
        return;
    }
    free_result(ledger, row);
    ledger->bytes -= sizeof *row + row->client_length;
    free(row);
}

void normd_ledger_row_leave(normd_ledger *ledger, normd_ledger_row *row)
{
    if (row == NULL) {
        return;
    }
    uncount(ledger, row);
    row->owner = NULL;
    normd_ledger_row_drop(ledger, row);
}

void normd_ledger_trim(normd_ledger *ledger)
{
    normd_ledger_row *row = ledger->counted;
    while (row != NULL && ledger->counted_bytes > ledger->limits.answer_bytes) {
        normd_ledger_row *next = row->next;
        /* The one reference is the window's. */
        if (row->references == 1) {
            uncount(ledger, row);
            free_result(ledger, row);
            row->owner->changed = true;
        }
        row = next;
    }
}
