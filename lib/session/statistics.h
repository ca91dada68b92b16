// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_SESSION_STATISTICS_H
#define NORMD_SESSION_STATISTICS_H

#include "lib/session/session.h"

/*
 * Running statistics as a service: what is done with them beside training. `layer` is the name of
 * one layer ("1") or NULL for all that have batch statistics; another one is BAD_ARGUMENT. Threads
 * and errors as in session.h: what changes the session runs on the one thread that does.
 */

/* Running means to 0, variances to 1 and counters to 0, as reset_running_stats does. */
normd_status normd_session_reset_statistics(
    normd_session *session, const char *layer, uint64_t *version, normd_error *error);

/* Which way a recalibration joins its batches. */
typedef enum normd_recalibration_mode {
    /* The moments of all values together (precise batch norm: Wu and Johnson 2021). */
    NORMD_RECALIBRATE_POOLED,
    /* The mean over the batches of their means and variances, as torch.optim.swa_utils.update_bn.
     */
    NORMD_RECALIBRATE_MEAN_OF_VARIANCES,
} normd_recalibration_mode;

typedef struct normd_recalibration_options {
    normd_recalibration_mode mode;
    const normd_array *mask; /* or NULL; see normd_forward_options */
    bool restart;            /* forget the batches before */
    bool finish;             /* with this batch the statistics are replaced */
} normd_recalibration_options;

typedef struct normd_recalibration_result {
    uint64_t batches; /* so far, or of the finished one */
    uint64_t version;
} normd_recalibration_result;

/* One batch of a recalibration: a training-mode forward with the parameters as they are, whose
   batch statistics are collected beside the running ones, which go on to serve. `finish` puts them
   in their place, with num_batches_tracked the number of batches. x may be NULL when there were
   batches before. Frozen layers, and those without running statistics, stay as they are. What was
   collected is part of the session's image, and lost when the session is reconfigured. BAD_ARGUMENT
   also for a mode other than the batches' before; a call that fails changes nothing, but INTERNAL,
   out of memory, forgets the batches. */
normd_status normd_session_recalibrate(normd_session *session, const normd_array *x,
    const normd_recalibration_options *options, normd_recalibration_result *result,
    normd_error *error);

/* A frozen layer normalizes with its running statistics in training, too, and they stay as they
   are. With `parameters` so do gamma and beta (trainable: false), else they learn on
   (frozen_stats: true). Thawing undoes frozen_stats, and with `parameters` makes them trainable. */
typedef struct normd_freezing {
    const char *layer;
    bool frozen;
    bool parameters;
} normd_freezing;
normd_status normd_session_freeze(
    normd_session *session, const normd_freezing *freezing, uint64_t *version, normd_error *error);

/* What was found of one layer: two arrays of the session's type, a value a feature. */
enum { NORMD_MEASURE_ARRAYS = 2 };
typedef struct normd_measure {
    size_t layer; /* its place in `layers` */
    double count; /* values of a feature */
    const char *array_name[NORMD_MEASURE_ARRAYS];
    normd_array array[NORMD_MEASURE_ARRAYS];
} normd_measure;

typedef struct normd_measures {
    uint64_t version;
    size_t count;
    normd_measure *measure;
    normd_buffer *values; /* that the arrays lie in */
} normd_measures;

void normd_measures_release(normd_measures *measures);

/* "mean" and "var" (biased) of what each layer normalizes when this batch is trained on. Changes
   nothing. */
normd_status normd_session_batch_statistics(normd_session *session, const normd_array *x,
    const normd_array *mask, const char *layer, normd_measures *measures, normd_error *error);

/* How far a batch is from the running statistics, layer by layer in inference mode:
   "mean_shift" = (mean - running_mean) / sqrt(running_var + eps), and
   "variance_ratio" = (var + eps) / (running_var + eps), with the batch's variance taken as the
   running one is (biased or not). Any thread. */
normd_status normd_snapshot_drift(const normd_snapshot *snapshot, const normd_array *x,
    const char *layer, normd_measures *measures, normd_error *error);

#endif
