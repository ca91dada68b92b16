// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LOSSES_METRICS_H
#define NORMD_LOSSES_METRICS_H

#include <jansson.h>

#include "lib/base/error.h"

/*
 * Metrics: what a session reports beside its loss. Each loss allows some of them, which is checked
 * when the session is created.
 */
typedef enum normd_metric_kind {
    NORMD_METRIC_ACCURACY, /* share of rows (binary: of elements) that are decided as the target */
    NORMD_METRIC_TOP_K,    /* share of rows whose label is among the k largest outputs */
    NORMD_METRIC_MAE,      /* mean of |y - target| over the elements */
    NORMD_METRIC_MSE,      /* mean of (y - target)^2 over the elements */
    NORMD_METRIC_KINDS,
} normd_metric_kind;

enum { NORMD_METRICS_MAX = 8, NORMD_METRIC_NAME_BYTES = 32 };

typedef struct normd_metric {
    normd_metric_kind kind;
    size_t k;                           /* of top_k */
    char name[NORMD_METRIC_NAME_BYTES]; /* in answers: "accuracy", "top_5" */
} normd_metric;

typedef struct normd_metrics {
    size_t count;
    normd_metric metric[NORMD_METRICS_MAX];
} normd_metrics;

/* One result. */
typedef struct normd_metric_value {
    char name[NORMD_METRIC_NAME_BYTES];
    double value;
} normd_metric_value;

/* Reads a list of names and maps: ["accuracy", {"type": "top_k", "k": 3}]; missing or null: none.
   `allowed` has the bit of each kind that the loss named `loss` allows. BAD_ARGUMENT. */
normd_status normd_metrics_read(const json_t *option, unsigned allowed, const char *loss,
    normd_metrics *metrics, normd_error *error);

/* A new reference: the list, every default filled in. */
json_t *normd_metrics_describe(const normd_metrics *metrics);

#endif
