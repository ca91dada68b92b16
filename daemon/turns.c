// SPDX-License-Identifier: Apache-2.0
#include "daemon/turns.h"

#include <assert.h>
#include <stddef.h>
#include <utlist.h>

#include "daemon/connection.h"

static void on_idle(uv_idle_t *idle)
{
    normd_turns *turns = idle->data;
    /* Who comes back to the list meanwhile is there for the next round. */
    size_t count;
    const normd_connection *each;
    DL_COUNT2(turns->next, each, count, next_turn);
    for (; count > 0; count--) {
        normd_connection *connection = turns->next;
        normd_turns_leave(turns, connection);
        normd_connection_go_on(connection);
    }
}

int normd_turns_open(normd_turns *turns, uv_loop_t *loop)
{
    turns->next = NULL;
    turns->idle.data = turns;
    return uv_idle_init(loop, &turns->idle);
}

void normd_turns_close(normd_turns *turns)
{
    assert(turns->next == NULL);
    uv_close((uv_handle_t *)&turns->idle, NULL);
}

void normd_turns_wait(normd_turns *turns, normd_connection *connection)
{
    if (turns->next == NULL) {
        uv_idle_start(&turns->idle, on_idle);
    }
    connection->waits = true;
    DL_APPEND2(turns->next, connection, previous_turn, next_turn);
}

void normd_turns_leave(normd_turns *turns, normd_connection *connection)
{
    connection->waits = false;
    DL_DELETE2(turns->next, connection, previous_turn, next_turn);
    if (turns->next == NULL) {
        uv_idle_stop(&turns->idle);
    }
}
