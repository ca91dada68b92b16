// SPDX-License-Identifier: Apache-2.0
#include "clients/bench/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clients/bench/churn.h"
#include "clients/c/clock.h"

enum {
    BUFFER_BYTES = 1 << 18,
    MAX_EVENTS = 256,
    GRACE_SECONDS = 30, /* for the last answers */
};

/* The worker's share of a whole, the first ones taking what is left over. */
static uint64_t share(uint64_t whole, size_t parts, size_t index)
{
    return whole / parts + (index < whole % parts);
}

static bool create_connections(normd_worker *worker)
{
    const normd_bench_settings *settings = worker->settings;
    worker->count = (size_t)share(settings->connections, settings->threads, worker->index);
    worker->connections = calloc(worker->count, sizeof *worker->connections);
    if (worker->connections == NULL) {
        return false;
    }
    for (size_t k = 0; k < worker->count; k++) {
        size_t number = worker->index + k * settings->threads;
        const normd_request_template *template =
            &worker->workload->templates[number % worker->workload->count];
        if (!normd_connection_create(&worker->connections[k], template, settings->pipeline)) {
            return false;
        }
        worker->connections[k].rude = settings->churn && number % 2 == 1;
    }
    return true;
}

bool normd_worker_create(normd_worker *worker, const normd_bench_settings *settings,
    const normd_workload *workload, const normd_address *address, size_t index)
{
    *worker = (normd_worker){.settings = settings,
        .workload = workload,
        .address = address,
        .index = index,
        .random = settings->seed * 1000003 + index,
        .budget = settings->requests > 0 ? share(settings->requests, settings->threads, index)
                                         : UINT64_MAX,
        .interval = settings->rate > 0.0 ? 1e9 * (double)settings->threads / settings->rate : 0.0};
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    worker->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    worker->buffer = malloc(BUFFER_BYTES);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    return create_connections(worker) && worker->buffer != NULL && worker->epoll >= 0 &&
           worker->timer >= 0 &&
           epoll_ctl(worker->epoll, EPOLL_CTL_ADD, worker->timer, &event) == 0;
}

void normd_worker_destroy(normd_worker *worker)
{
    for (size_t k = 0; worker->connections != NULL && k < worker->count; k++) {
        normd_connection_destroy(&worker->connections[k]);
    }
    free(worker->connections);
    free(worker->buffer);
    close(worker->epoll);
    close(worker->timer);
}

/* Watches for room to write only while the socket is full. */
static void watch(normd_worker *worker, normd_connection *connection, int operation)
{
    struct epoll_event event = {.data.ptr = connection};
    event.events = EPOLLIN | (connection->wants_write ? EPOLLOUT : 0u);
    worker->failed |= epoll_ctl(worker->epoll, operation, connection->fd, &event) != 0;
}

static void open_connection(normd_worker *worker, normd_connection *connection)
{
    if (!normd_connection_open(connection, worker->address)) {
        /* A rude one may have used up the ports; it tries again later. */
        if (connection->rude) {
            connection->reopen_at = normd_clock_now() + 100000000;
        } else {
            worker->tally.lost++;
        }
        return;
    }
    watch(worker, connection, EPOLL_CTL_ADD);
    if (connection->rude) {
        normd_churn_plan(connection, &worker->random);
    }
}

/* Ends a connection; requests that it had in flight are not answered any more. */
static void end_connection(
    normd_worker *worker, normd_connection *connection, normd_connection_state state)
{
    bool rude = connection->rude;
    if (!rude) {
        worker->tally.lost++;
    } else if (state == NORMD_CONNECTION_CUT) {
        worker->tally.cuts++;
        normd_churn_prepare_close(connection);
    }
    normd_connection_close(connection);
    connection->free_count = connection->depth;
    connection->queue_count = 0;
    connection->reopen_at = normd_churn_reopen_time(&worker->random);
}

/* Sends what is queued and keeps the watching right. */
static void flush(normd_worker *worker, normd_connection *connection)
{
    bool wanted = connection->wants_write;
    normd_connection_state state = normd_connection_flush(connection, &worker->tally);
    if (state != NORMD_CONNECTION_GOES_ON) {
        end_connection(worker, connection, state);
    } else if (connection->wants_write != wanted) {
        watch(worker, connection, EPOLL_CTL_MOD);
    }
}

/* Whether another request may be sent now. */
static bool may_issue(const normd_worker *worker, int64_t now)
{
    return worker->issued < worker->budget && now < worker->end;
}

/* Closed loop: fills the free slots of a connection. */
static void fill(normd_worker *worker, normd_connection *connection)
{
    int64_t now = normd_clock_now();
    while (connection->fd >= 0 && connection->free_count > 0 && may_issue(worker, now)) {
        normd_connection_queue(connection, now);
        worker->issued += !connection->rude;
    }
    if (connection->fd >= 0 && connection->queue_count > 0 && !connection->wants_write) {
        flush(worker, connection);
    }
}

/* Open loop: sends all requests that are due, where slots are free; sets the timer for the next. */
static void send_due(normd_worker *worker)
{
    int64_t now = normd_clock_now();
    int64_t due = worker->begin + (int64_t)((double)worker->issued * worker->interval);
    size_t looked_at = 0;
    while (due <= now && due < worker->end && worker->issued < worker->budget &&
           looked_at < worker->count) {
        normd_connection *connection = &worker->connections[worker->next];
        worker->next = (worker->next + 1) % worker->count;
        looked_at++;
        if (connection->fd < 0 || connection->free_count == 0) {
            continue;
        }
        normd_connection_queue(connection, due);
        worker->issued++;
        looked_at = 0;
        due = worker->begin + (int64_t)((double)worker->issued * worker->interval);
    }
    for (size_t k = 0; k < worker->count; k++) {
        normd_connection *connection = &worker->connections[k];
        if (connection->fd >= 0 && connection->queue_count > 0 && !connection->wants_write) {
            flush(worker, connection);
        }
    }
    if (due > now) {
        struct itimerspec when = {
            .it_value = {.tv_sec = due / 1000000000, .tv_nsec = due % 1000000000}};
        timerfd_settime(worker->timer, TFD_TIMER_ABSTIME, &when, NULL);
    }
}

static void handle_event(normd_worker *worker, const struct epoll_event *event)
{
    normd_connection *connection = event->data.ptr;
    if (connection == NULL) {
        uint64_t expirations;
        ssize_t count = read(worker->timer, &expirations, sizeof expirations);
        (void)count; /* only the waking matters */
        return;
    }
    if (connection->fd < 0) {
        return; /* ended by an event before this one */
    }
    if ((event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        size_t room = normd_churn_room(connection, BUFFER_BYTES, &worker->random);
        normd_connection_state state =
            normd_connection_read(connection, worker->buffer, room, &worker->tally);
        if (state == NORMD_CONNECTION_GOES_ON && normd_churn_is_over(connection)) {
            state = NORMD_CONNECTION_CUT;
        }
        if (state != NORMD_CONNECTION_GOES_ON) {
            end_connection(worker, connection, state);
            return;
        }
    }
    if ((event->events & EPOLLOUT) != 0) {
        flush(worker, connection);
    }
    if (worker->interval == 0.0 || connection->rude) {
        fill(worker, connection);
    }
}

/* Opens cut connections whose time has come; returns when the next one is due. */
static int64_t reopen(normd_worker *worker, int64_t now)
{
    int64_t next = INT64_MAX;
    for (size_t k = 0; k < worker->count; k++) {
        normd_connection *connection = &worker->connections[k];
        if (!connection->rude || connection->fd >= 0) {
            continue;
        }
        if (connection->reopen_at <= now) {
            open_connection(worker, connection);
            fill(worker, connection);
        }
        if (connection->fd < 0 && connection->reopen_at < next) {
            next = connection->reopen_at;
        }
    }
    return next;
}

/* Whether healthy connections still wait for answers. */
static bool is_waiting(const normd_worker *worker)
{
    for (size_t k = 0; k < worker->count; k++) {
        const normd_connection *connection = &worker->connections[k];
        if (!connection->rude && connection->fd >= 0 &&
            normd_connection_in_flight(connection) > 0) {
            return true;
        }
    }
    return false;
}

static bool has_healthy(const normd_worker *worker)
{
    for (size_t k = 0; k < worker->count; k++) {
        if (!worker->connections[k].rude && worker->connections[k].fd >= 0) {
            return true;
        }
    }
    return false;
}

static void loop(normd_worker *worker)
{
    struct epoll_event events[MAX_EVENTS];
    int64_t grace = INT64_MAX;
    while (!worker->failed) {
        int64_t now = normd_clock_now();
        int64_t wake = worker->end;
        bool sending = may_issue(worker, now) && (has_healthy(worker) || worker->settings->churn);
        if (!sending) {
            grace = grace == INT64_MAX ? now + INT64_C(1000000000) * GRACE_SECONDS : grace;
            if (!is_waiting(worker) || now >= grace) {
                return;
            }
            wake = grace;
        } else if (worker->settings->churn) {
            int64_t next = reopen(worker, now);
            wake = next < wake ? next : wake;
        }
        if (worker->interval > 0.0) {
            send_due(worker);
        }
        int count = epoll_wait(worker->epoll, events, MAX_EVENTS, normd_clock_poll_timeout(wake));
        for (int k = 0; k < count; k++) {
            handle_event(worker, &events[k]);
        }
    }
}

void *normd_worker_run(void *argument)
{
    normd_worker *worker = argument;
    for (size_t k = 0; k < worker->count; k++) {
        open_connection(worker, &worker->connections[k]);
    }
    worker->begin = normd_clock_now();
    worker->end = normd_clock_deadline(worker->settings->seconds);
    for (size_t k = 0; k < worker->count; k++) {
        if (worker->interval == 0.0 || worker->connections[k].rude) {
            fill(worker, &worker->connections[k]);
        }
    }
    loop(worker);
    worker->finished = normd_clock_now();
    for (size_t k = 0; k < worker->count; k++) {
        const normd_connection *connection = &worker->connections[k];
        if (!connection->rude && connection->fd >= 0 &&
            normd_connection_in_flight(connection) > 0) {
            worker->tally.lost++; /* never answered */
        }
    }
    return NULL;
}
