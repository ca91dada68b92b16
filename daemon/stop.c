// SPDX-License-Identifier: Apache-2.0
#include "daemon/server.h"

enum {
    TICK_MILLISECONDS = 1000,
    /* Peers that have all their answers have one tick to close; others that do not read, so many.
     */
    UNREAD_TICKS = 5,
};

static void on_tick(uv_timer_t *timer)
{
    normd_server *server = timer->data;
    server->stop_ticks++;
    normd_connection *next;
    for (normd_connection *connection = server->connections; connection != NULL;
         connection = next) {
        next = connection->next;
        if (connection->finished || server->stop_ticks >= UNREAD_TICKS) {
            normd_connection_close(connection);
        }
    }
}

static void begin_answers(normd_server *server)
{
    server->stop = NORMD_STOP_ANSWERS;
    uv_timer_start(&server->deadline, on_tick, TICK_MILLISECONDS, TICK_MILLISECONDS);
    for (normd_connection *connection = server->connections; connection != NULL;
         connection = connection->next) {
        normd_connection_finish(connection);
    }
}

/* Nobody is connected and nothing runs: the loop ends when its last handles are closed. The workers
   go first, since they hold the completion door. */
static void begin_handles(normd_server *server)
{
    server->stop = NORMD_STOP_HANDLES;
    normd_pool_destroy(server->engine.pool);
    server->engine.pool = NULL;
    normd_durable_close(server->durable);
    server->durable = NULL;
    normd_completion_close(&server->completion);
    for (int i = 0; i < NORMD_SERVER_SIGNALS; i++) {
        uv_close((uv_handle_t *)&server->signal[i], NULL);
    }
    uv_close((uv_handle_t *)&server->deadline, NULL);
    normd_expiry_close(&server->expiry);
    normd_turns_close(&server->turns);
    normd_progress_close(&server->progress);
}

void normd_server_stop_advance(normd_server *server)
{
    if (server->stop == NORMD_STOP_WORK && server->in_flight == 0) {
        begin_answers(server);
    }
    if (server->stop == NORMD_STOP_ANSWERS && server->connection_count == 0) {
        begin_handles(server);
    }
}

void normd_server_stop(normd_server *server)
{
    server->stop = NORMD_STOP_WORK;
    for (int i = 0; i < NORMD_SERVER_LISTENERS; i++) {
        normd_listener_close(&server->listener[i]);
    }
    normd_server_stop_advance(server);
}
