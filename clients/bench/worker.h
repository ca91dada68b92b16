// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_BENCH_WORKER_H
#define NORMD_CLIENTS_BENCH_WORKER_H

#include "clients/bench/connection.h"

/* A share of the load: some of the connections, driven by one thread. */
typedef struct normd_worker {
    const normd_bench_settings *settings;
    const normd_workload *workload;
    const normd_address *address;
    size_t index;

    normd_connection *connections;
    size_t count;
    int epoll, timer;
    uint64_t budget;    /* requests that may still be sent; UINT64_MAX without a bound */
    int64_t begin, end; /* of the sending; INT64_MAX without a bound */
    double interval;    /* nanoseconds between requests of this worker; 0 for a closed loop */
    uint64_t issued;
    size_t next; /* connection to look at first, when a request is due */
    uint64_t random;
    uint8_t *buffer;

    normd_tally tally;
    int64_t finished; /* when the last answer had come */
    bool failed;      /* no memory or no descriptors */
} normd_worker;

/* Prepares worker `index` of settings->threads. False when out of memory. */
bool normd_worker_create(normd_worker *worker, const normd_bench_settings *settings,
    const normd_workload *workload, const normd_address *address, size_t index);
void normd_worker_destroy(normd_worker *worker);
/* Runs to the end; a thread's main function. */
void *normd_worker_run(void *worker);

#endif
