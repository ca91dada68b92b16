// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_BENCH_SETTINGS_H
#define NORMD_CLIENTS_BENCH_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/array.h"

typedef enum normd_bench_method {
    NORMD_BENCH_INFER,
    NORMD_BENCH_TRAIN,
    NORMD_BENCH_FORWARD,
    NORMD_BENCH_STATS,
    NORMD_BENCH_PING,
} normd_bench_method;

typedef enum normd_bench_format {
    NORMD_BENCH_TEXT,
    NORMD_BENCH_CSV,
    NORMD_BENCH_JSON,
} normd_bench_format;

/* What the command line says. */
typedef struct normd_bench_settings {
    char address[320]; /* as normd_client_connect takes it */
    normd_bench_method method;
    const char *method_name;
    normd_shape shape; /* of a batch */
    const char *model; /* the layers */
    const char *loss;
    const char *optimizer;
    size_t connections, pipeline, threads, sessions;
    uint64_t requests; /* 0: as many as fit into `seconds` */
    double seconds;
    double rate; /* requests a second in all; 0: as fast as answers come */
    bool churn;
    uint64_t seed;
    normd_bench_format format;
} normd_bench_settings;

/* Reads the command line. Returns true to go on; else *exit_code is what to end with (help was
   shown, or a mistake named). */
bool normd_bench_settings_read(
    int argc, char **argv, normd_bench_settings *settings, int *exit_code);

#endif
