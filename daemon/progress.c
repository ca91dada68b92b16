// SPDX-License-Identifier: Apache-2.0
#include "daemon/progress.h"

#include <assert.h>
#include <stddef.h>
#include <utlist.h>

#include "daemon/connection.h"
#include "daemon/server.h"

/* So many looks fall into the time that is allowed. */
enum { LOOKS = 4 };

static void look_at(normd_progress *progress, normd_connection *connection)
{
    if (!normd_assembler_inside_message(connection->assembler)) {
        normd_progress_leave(progress, connection);
    } else if (!connection->reading) {
        /* That nothing comes is not the peer's doing. */
        connection->progressed = progress->looks;
    } else if (progress->looks - connection->progressed > LOOKS && !connection->closing) {
        normd_log_write(&connection->server->log, NORMD_LOG_INFO,
            "closing %s: nothing more came of a message for %llu seconds",
            connection->transport->peer,
            (unsigned long long)connection->server->settings->progress_seconds);
        normd_connection_close(connection);
    }
}

static void on_look(uv_timer_t *timer)
{
    normd_progress *progress = timer->data;
    progress->looks++;
    normd_connection *connection;
    normd_connection *next;
    DL_FOREACH_SAFE2(progress->watched, connection, next, next_watched)
    {
        look_at(progress, connection);
    }
}

int normd_progress_open(normd_progress *progress, uv_loop_t *loop, uint64_t seconds)
{
    *progress = (normd_progress){.period = seconds * 1000 / LOOKS};
    progress->timer.data = progress;
    return uv_timer_init(loop, &progress->timer);
}

void normd_progress_close(normd_progress *progress)
{
    assert(progress->watched == NULL);
    uv_close((uv_handle_t *)&progress->timer, NULL);
}

void normd_progress_watch(normd_progress *progress, normd_connection *connection)
{
    connection->progressed = progress->looks;
    if (connection->watched || progress->period == 0) {
        return;
    }
    if (progress->watched == NULL) {
        uv_timer_start(&progress->timer, on_look, progress->period, progress->period);
    }
    connection->watched = true;
    DL_APPEND2(progress->watched, connection, previous_watched, next_watched);
}

void normd_progress_leave(normd_progress *progress, normd_connection *connection)
{
    connection->watched = false;
    DL_DELETE2(progress->watched, connection, previous_watched, next_watched);
    if (progress->watched == NULL) {
        uv_timer_stop(&progress->timer);
    }
}
