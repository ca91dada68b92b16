// SPDX-License-Identifier: Apache-2.0
#include "daemon/durable/ledger_state.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

static normd_ledger_client *lookup(normd_ledger *ledger, const char *name, size_t length)
{
    normd_ledger_client *client = NULL;
    HASH_FIND(hh, ledger->table, name, length, client);
    return client;
}

normd_ledger_client *normd_ledger_client_find(normd_ledger *ledger, const char *name, size_t length)
{
    normd_ledger_client *client = lookup(ledger, name, length);
    return client != NULL && !client->gone ? client : NULL;
}

static normd_ledger_client *make_client(normd_ledger *ledger, const char *name, size_t length)
{
    normd_ledger_client *client = calloc(1, sizeof *client + length);
    if (client == NULL) {
        return NULL;
    }
    memcpy(client->name, name, length);
    client->name_length = length;
    HASH_ADD_KEYPTR(hh, ledger->table, client->name, length, client);
    if (client->hh.tbl == NULL) {
        free(client);
        return NULL;
    }
    ledger->bytes += sizeof *client + length;
    return client;
}

normd_ledger_client *normd_ledger_client_add(
    normd_ledger *ledger, const char *name, size_t length, uint64_t now_seconds)
{
    normd_ledger_client *client = lookup(ledger, name, length);
    if (client == NULL) {
        client = make_client(ledger, name, length);
        if (client == NULL) {
            return NULL;
        }
    }
    client->gone = false;
    client->seen = now_seconds;
    DL_APPEND(ledger->oldest, client);
    ledger->clients++;
    return client;
}

void normd_ledger_client_touch(
    normd_ledger *ledger, normd_ledger_client *client, uint64_t now_seconds)
{
    client->seen = now_seconds;
    if (client->next != NULL) {
        DL_DELETE(ledger->oldest, client);
        DL_APPEND(ledger->oldest, client);
    }
}

void normd_ledger_client_free(normd_ledger *ledger, normd_ledger_client *client)
{
    for (size_t i = 0; i < NORMD_LEDGER_WINDOW; i++) {
        normd_ledger_row_leave(ledger, client->rows[i]);
    }
    HASH_DEL(ledger->table, client);
    ledger->bytes -= sizeof *client + client->name_length;
    free(client);
}

void normd_ledger_client_forget(normd_ledger *ledger, normd_ledger_client *client)
{
    DL_DELETE(ledger->oldest, client);
    ledger->clients--;
    if (!client->stored) {
        normd_ledger_client_free(ledger, client);
        return;
    }
    for (size_t i = 0; i < NORMD_LEDGER_WINDOW; i++) {
        normd_ledger_row_leave(ledger, client->rows[i]);
        client->rows[i] = NULL;
    }
    client->applied = client->last = client->dropped = 0;
    client->gone = true;
    client->changed = true;
}

normd_ledger_row **normd_ledger_client_slot(normd_ledger_client *client, uint64_t seq)
{
    return &client->rows[seq % NORMD_LEDGER_WINDOW];
}

normd_ledger_row *normd_ledger_client_row(normd_ledger_client *client, uint64_t seq)
{
    normd_ledger_row *row = *normd_ledger_client_slot(client, seq);
    return row != NULL && row->seq == seq ? row : NULL;
}

bool normd_ledger_client_too_old(const normd_ledger_client *client, uint64_t seq)
{
    return seq <= client->dropped || seq + NORMD_LEDGER_WINDOW <= client->last;
}

void normd_ledger_client_slide(normd_ledger *ledger, normd_ledger_client *client, uint64_t seq)
{
    for (size_t i = 0; i < NORMD_LEDGER_WINDOW; i++) {
        normd_ledger_row *row = client->rows[i];
        if (row != NULL && row->applied && row->seq + NORMD_LEDGER_WINDOW <= seq) {
            if (row->seq > client->dropped) {
                client->dropped = row->seq;
            }
            client->rows[i] = NULL;
            normd_ledger_row_leave(ledger, row);
        }
    }
}

void normd_ledger_client_settle_last(normd_ledger_client *client)
{
    client->last = client->applied;
    for (size_t i = 0; i < NORMD_LEDGER_WINDOW; i++) {
        const normd_ledger_row *row = client->rows[i];
        if (row != NULL && row->seq > client->last) {
            client->last = row->seq;
        }
    }
}
