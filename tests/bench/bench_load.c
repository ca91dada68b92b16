// SPDX-License-Identifier: Apache-2.0
/*
 * usage: bench-load ADDRESS PLAN CLIENTS SKIP SECONDS
 *        bench-load ADDRESS PLAN CLIENTS requests N
 *
 * Sends the plan's requests over CLIENTS connections with one request in flight on each, to normd
 * or to Redis, and prints a line of JSON. What is done in the first SKIP seconds does not count;
 * with `requests` N are done in all. `cpu` is the processor time of this process for what counts.
 * Exit status: 0 done; 1 something was refused or lost; 2 wrong usage.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clients/bench/histogram.h"
#include "clients/c/clock.h"
#include "tests/bench/load_client.h"

enum { BUFFER_BYTES = 1 << 18, MAX_EVENTS = 256, GRACE_SECONDS = 60 };

typedef struct load {
    normd_load_plan plan;
    normd_load_client *clients;
    size_t count, waiting;
    int epoll;
    int64_t count_from, count_to; /* the time that counts */
    uint64_t budget, started;     /* of targets */
    uint64_t done, all;           /* of targets: in the time that counts, and in all */
    bool counting;
    double cpu_before, cpu;
    normd_histogram latency; /* nanoseconds, of one request */
    uint8_t *buffer;
    const char *failure;
} load;

static double processor_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void watch(load *run, normd_load_client *client, int operation)
{
    struct epoll_event event = {.data.ptr = client};
    event.events = EPOLLIN | (client->wants_write ? EPOLLOUT : 0u);
    if (epoll_ctl(run->epoll, operation, client->fd, &event) != 0) {
        run->failure = "epoll_ctl failed";
    }
}

static void handle(load *run, normd_load_client *client, normd_load_event event, int64_t now);

/* Starts the next request of a client, unless the time or the budget is over. */
static void start_next(load *run, normd_load_client *client, int64_t now)
{
    if (client->phase == 0) {
        if (now >= run->count_to || run->started >= run->budget) {
            return;
        }
        if (run->budget != UINT64_MAX) {
            /* Each target once, before any of them comes again. */
            client->target = run->started % run->plan.targets;
        }
        run->started++;
    }
    bool wanted = client->wants_write;
    run->waiting++;
    handle(run, client, normd_load_client_start(client, now), now);
    if (client->wants_write != wanted) {
        watch(run, client, EPOLL_CTL_MOD);
    }
}

static void handle(load *run, normd_load_client *client, normd_load_event event, int64_t now)
{
    if (event == NORMD_LOAD_GOES_ON) {
        return;
    }
    run->waiting--;
    if (event == NORMD_LOAD_REFUSED || event == NORMD_LOAD_LOST) {
        run->failure = event == NORMD_LOAD_LOST ? "a connection was lost" : client->refusal;
        return;
    }
    run->all += event == NORMD_LOAD_DONE;
    if (!run->counting && now >= run->count_from) {
        run->counting = true;
        run->count_from = now;
        run->cpu_before = processor_seconds();
    } else if (run->counting && now < run->count_to) {
        normd_histogram_record(&run->latency, (uint64_t)(now - client->started));
        run->done += event == NORMD_LOAD_DONE;
    }
    if (run->cpu == 0.0 && now >= run->count_to) {
        run->cpu = processor_seconds() - run->cpu_before;
    }
    start_next(run, client, now);
}

static void take_event(load *run, const struct epoll_event *event)
{
    normd_load_client *client = event->data.ptr;
    if ((event->events & EPOLLOUT) != 0) {
        normd_load_event result = normd_load_client_flush(client);
        if (!client->wants_write) {
            watch(run, client, EPOLL_CTL_MOD);
        }
        handle(run, client, result, normd_clock_now());
    }
    if ((event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && run->failure == NULL) {
        normd_load_event result = normd_load_client_read(client, run->buffer, BUFFER_BYTES);
        handle(run, client, result, normd_clock_now());
    }
}

static void loop(load *run)
{
    struct epoll_event events[MAX_EVENTS];
    int64_t last = normd_clock_now();
    while (run->failure == NULL && run->waiting > 0) {
        int count = epoll_wait(run->epoll, events, MAX_EVENTS, 1000);
        int64_t now = normd_clock_now();
        last = count > 0 ? now : last;
        if (now - last > INT64_C(1000000000) * GRACE_SECONDS) {
            run->failure = "no answer came for a minute";
        }
        for (int k = 0; k < count && run->failure == NULL; k++) {
            take_event(run, &events[k]);
        }
    }
    run->cpu = run->cpu == 0.0 ? processor_seconds() - run->cpu_before : run->cpu;
}

static void print_result(const load *run, int64_t end)
{
    int64_t until = end < run->count_to ? end : run->count_to;
    double seconds = 1e-9 * (double)(until - run->count_from);
    printf("{\"done\": %" PRIu64 ", \"all\": %" PRIu64
           ", \"seconds\": %.6f, \"rate\": %.3f, \"cpu\": %.4f, "
           "\"p50_us\": %.1f, \"p99_us\": %.1f}\n",
        run->done, run->all, seconds, (double)run->done / seconds, run->cpu,
        1e-3 * (double)normd_histogram_quantile(&run->latency, 0.5),
        1e-3 * (double)normd_histogram_quantile(&run->latency, 0.99));
}

static bool open_clients(load *run, const normd_address *address)
{
    for (size_t k = 0; k < run->count; k++) {
        if (!normd_load_client_open(&run->clients[k], &run->plan, address, k, run->count)) {
            return false;
        }
        watch(run, &run->clients[k], EPOLL_CTL_ADD);
    }
    return run->failure == NULL;
}

/* From the first request to the last answer. */
static int run_load(load *run, bool by_number, double skip, double amount)
{
    int64_t now = normd_clock_now();
    run->count_from = now + (by_number ? 0 : (int64_t)(skip * 1e9));
    run->count_to = by_number ? INT64_MAX : run->count_from + (int64_t)(amount * 1e9);
    run->budget = by_number ? (uint64_t)amount : UINT64_MAX;
    run->counting = by_number;
    run->cpu_before = processor_seconds();
    for (size_t k = 0; k < run->count && run->failure == NULL; k++) {
        start_next(run, &run->clients[k], now);
    }
    loop(run);
    if (run->failure != NULL) {
        fprintf(stderr, "bench-load: %s\n", run->failure);
        return 1;
    }
    print_result(run, normd_clock_now());
    return 0;
}

int main(int argc, char **argv)
{
    normd_address address;
    normd_error error;
    load *run = calloc(1, sizeof *run);
    if (argc != 6 || run == NULL || !normd_load_plan_read(argv[2], &run->plan) ||
        normd_address_find(argv[1], &address, &error) != NORMD_OK) {
        fputs("usage: bench-load ADDRESS PLAN CLIENTS SKIP SECONDS\n", stderr);
        return 2;
    }
    run->count = strtoul(argv[3], NULL, 10);
    run->clients = calloc(run->count, sizeof *run->clients);
    run->buffer = malloc(BUFFER_BYTES);
    run->epoll = epoll_create1(EPOLL_CLOEXEC);
    int code = 1;
    if (run->clients != NULL && run->buffer != NULL && open_clients(run, &address)) {
        bool by_number = strcmp(argv[4], "requests") == 0;
        code = run_load(run, by_number, strtod(argv[4], NULL), strtod(argv[5], NULL));
    } else {
        fputs("bench-load: cannot connect\n", stderr);
    }
    for (size_t k = 0; run->clients != NULL && k < run->count; k++) {
        normd_load_client_close(&run->clients[k]);
    }
    close(run->epoll);
    free(run->buffer);
    free(run->clients);
    normd_load_plan_free(&run->plan);
    free(run);
    return code;
}
