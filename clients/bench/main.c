// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/bench/report.h"
#include "clients/bench/worker.h"

/* Adds up what the workers have seen; the time is from the first start to the last answer. */
static double collect(const normd_worker *workers, size_t count, normd_tally *total)
{
    int64_t begin = INT64_MAX;
    int64_t end = 0;
    for (size_t k = 0; k < count; k++) {
        const normd_worker *worker = &workers[k];
        total->answers += worker->tally.answers;
        total->refused += worker->tally.refused;
        total->wrong += worker->tally.wrong;
        total->lost += worker->tally.lost;
        total->cuts += worker->tally.cuts;
        total->bytes_sent += worker->tally.bytes_sent;
        total->bytes_received += worker->tally.bytes_received;
        normd_histogram_merge(&total->latency, &worker->tally.latency);
        if (total->first_refusal[0] == '\0') {
            memcpy(total->first_refusal, worker->tally.first_refusal, sizeof total->first_refusal);
        }
        begin = worker->begin < begin ? worker->begin : begin;
        end = worker->finished > end ? worker->finished : end;
    }
    return (double)(end - begin) * 1e-9;
}

/* Starts the workers, waits for all of them. False when one could not work. */
static bool run_workers(normd_worker *workers, size_t count)
{
    pthread_t *threads = calloc(count, sizeof *threads);
    size_t started = 0;
    bool good = threads != NULL;
    while (good && started < count &&
           pthread_create(&threads[started], NULL, normd_worker_run, &workers[started]) == 0) {
        started++;
    }
    for (size_t k = 0; k < started; k++) {
        pthread_join(threads[k], NULL);
        good = good && !workers[k].failed;
    }
    free(threads);
    return good && started == count;
}

static int run(const normd_bench_settings *settings, const normd_workload *workload)
{
    normd_error error;
    normd_address address;
    if (normd_address_find(settings->address, &address, &error) != NORMD_OK) {
        fprintf(stderr, "normbench: %s\n", error.message);
        return 3;
    }
    size_t count = settings->threads;
    normd_worker *workers = calloc(count, sizeof *workers);
    normd_tally *total = calloc(1, sizeof *total);
    bool good = workers != NULL && total != NULL;
    size_t created = 0;
    while (good && created < count) {
        good = normd_worker_create(&workers[created], settings, workload, &address, created);
        created++;
    }
    good = good && run_workers(workers, count);
    int code = 1;
    if (good) {
        double seconds = collect(workers, count, total);
        normd_report_print(stdout, settings, total, seconds);
        code = total->refused + total->wrong + total->lost > 0 || total->answers == 0;
    } else {
        fputs("normbench: not enough memory, threads or file descriptors\n", stderr);
    }
    for (size_t k = 0; k < created; k++) {
        normd_worker_destroy(&workers[k]);
    }
    free(workers);
    free(total);
    return code;
}

int main(int argc, char **argv)
{
    normd_bench_settings settings;
    int code;
    if (!normd_bench_settings_read(argc, argv, &settings, &code)) {
        return code;
    }
    normd_error error;
    normd_workload workload;
    normd_client_status status = normd_workload_open(&settings, &workload, &error);
    if (status == NORMD_CLIENT_OK) {
        code = run(&settings, &workload);
    } else {
        fprintf(stderr, "normbench: %s%s%s\n",
            status == NORMD_CLIENT_REFUSED ? normd_status_name(error.status) : "",
            status == NORMD_CLIENT_REFUSED ? " " : "", error.message);
        code = status == NORMD_CLIENT_REFUSED || status == NORMD_CLIENT_FAILED ? 1 : 3;
    }
    normd_workload_close(&workload);
    return code;
}
