// SPDX-License-Identifier: Apache-2.0
#include "daemon/expiry.h"

#include "daemon/handler.h"
#include "daemon/server.h"

enum {
    LOOKS = 4, /* so many fall into the time that a step is kept */
    LONGEST_MILLISECONDS = 10000,
};

static normd_status run(normd_request *request, normd_error *error)
{
    normd_session_expire(request->entry->session, uv_hrtime() / 1000000);
    /* The committer holds the steps for the next checkpoint, and is to let them go, too. */
    if (request->entry->durable != NULL &&
        normd_kept_list_take(request->entry->session, &request->mutation.kept, error) == NORMD_OK) {
        request->mutation.kind = NORMD_MUTATION_KEPT;
    }
    return NORMD_OK;
}

static const normd_handler handler = {.run = run};
static const normd_method method = {.name = "expiry", .class = NORMD_CLASS_TRAIN};

static void expire(normd_server *server, normd_session_entry *entry)
{
    normd_request *request = normd_request_take(server);
    if (request == NULL) {
        return;
    }
    request->method = &method;
    request->handler = &handler;
    request->entry = entry;
    entry->references++;
    entry->expiring = true;
    server->in_flight++;
    normd_session_queue_push(&entry->queue, request);
}

static void on_timer(uv_timer_t *timer)
{
    normd_server *server = timer->data;
    if (normd_budget_used(&server->totals.contexts) == 0 || server->stop != NORMD_STOP_NOT) {
        uv_timer_stop(timer);
        return;
    }
    uint64_t now = uv_hrtime() / 1000000;
    for (normd_session_entry *entry = server->sessions.entries; entry != NULL;
         entry = entry->hh.next) {
        if (entry->session != NULL && !entry->expiring &&
            normd_session_expires(entry->session, now)) {
            expire(server, entry);
        }
    }
}

int normd_expiry_open(normd_expiry *expiry, normd_server *server)
{
    uint64_t period = server->settings->context_seconds * 1000 / LOOKS;
    expiry->period = period < LONGEST_MILLISECONDS ? period : LONGEST_MILLISECONDS;
    expiry->timer.data = server;
    return uv_timer_init(&server->loop, &expiry->timer);
}

void normd_expiry_close(normd_expiry *expiry)
{
    uv_close((uv_handle_t *)&expiry->timer, NULL);
}

void normd_expiry_start(normd_expiry *expiry)
{
    if (expiry->period > 0 && !uv_is_active((uv_handle_t *)&expiry->timer)) {
        uv_timer_start(&expiry->timer, on_timer, expiry->period, expiry->period);
    }
}

void normd_expiry_done(normd_request *request)
{
    request->entry->expiring = false;
    request->server->in_flight--;
    normd_request_free(request);
}
