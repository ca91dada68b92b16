// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_SERVER_H
#define NORMD_DAEMON_SERVER_H

#include <msgpack.h>
#include <stdbool.h>
#include <uv.h>

#include "daemon/completion.h"
#include "daemon/connection.h"
#include "daemon/durable.h"
#include "daemon/durable/ledger.h"
#include "daemon/expiry.h"
#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/memory.h"
#include "daemon/out_queue.h"
#include "daemon/progress.h"
#include "daemon/request.h"
#include "daemon/session_map.h"
#include "daemon/settings.h"
#include "daemon/turns.h"
#include "lib/session/session.h"
#include "protocol/limits.h"

enum { NORMD_SERVER_LISTENERS = 2, NORMD_SERVER_SIGNALS = 2 };

/* How far the way to the end is. */
typedef enum normd_stop_stage {
    NORMD_STOP_NOT,     /* serving */
    NORMD_STOP_WORK,    /* no new work; what is in flight is done and answered */
    NORMD_STOP_ANSWERS, /* peers take their answers */
    NORMD_STOP_HANDLES, /* the last handles close */
} normd_stop_stage;

/* The daemon. All of it belongs to the loop thread, but for what others are said to share: the
   engine, the settings, the log, the completion door. */
typedef struct normd_server {
    const normd_settings *settings;
    normd_log log;
    uv_loop_t loop;
    normd_limits limits;
    normd_engine engine;
    normd_session_totals totals;
    normd_memory memory;
    normd_session_map sessions;
    normd_ledger *ledger;
    normd_durable *durable; /* NULL: everything is in memory only */
    normd_completion completion;
    normd_request_pool requests;
    normd_chunk_pool chunks;
    normd_read_pool read_buffers;
    msgpack_zone zone; /* of the call that is being decoded */

    normd_listener listener[NORMD_SERVER_LISTENERS];
    normd_connection *connections;
    size_t connection_count;
    normd_expiry expiry;
    normd_turns turns;
    normd_progress progress;
    normd_connection *touched; /* have new answers that are not sent */
    size_t in_flight;          /* requests between decoding and answer */
    uint64_t started;          /* uv_hrtime */

    uv_signal_t signal[NORMD_SERVER_SIGNALS];
    uv_timer_t deadline;
    normd_stop_stage stop;
    unsigned stop_ticks;
} normd_server;

/* Starts everything and listens. `settings` must outlive the server. After a failure there is
   nothing left to free. */
normd_status normd_server_start(
    normd_server *server, const normd_settings *settings, normd_error *error);

/* Serves until a signal ends it, then frees everything. */
void normd_server_run(normd_server *server);

/* Begins the graceful stop. */
void normd_server_stop(normd_server *server);

/* Goes on with the stop when the stage that it waits for is over. Called where requests and
   connections end. */
void normd_server_stop_advance(normd_server *server);

#endif
