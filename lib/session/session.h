// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_SESSION_SESSION_H
#define NORMD_SESSION_SESSION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/array.h"
#include "lib/conventions/convention.h"
#include "lib/kernels/kernels.h"
#include "lib/losses/metrics.h"
#include "lib/memory/budget.h"
#include "lib/memory/buffer.h"
#include "lib/memory/cache_sizes.h"
#include "lib/memory/limits.h"
#include "lib/options/options.h"
#include "lib/pool/pool.h"

/*
 * A session is one named model with all its state: layers, parameters, running statistics,
 * optimizer slots, and the contexts that forward steps left for backward.
 *
 * Threads. The functions that change a session (train, forward, backward, step, import) are called
 * by one thread at a time; the caller keeps them in order. What readers see is a snapshot: the
 * parameters and statistics after some whole step, never changed again. Taking one
 * (normd_session_snapshot) is allowed on any thread at any time and never waits for a step.
 *
 * Errors. A function that fails leaves the session as it was, bit for bit, and says in `error`
 * which field was wrong, what was expected and what came. Every call that takes a batch or gives an
 * array back may fail with TOO_LARGE, by the limits of the engine.
 */
typedef struct normd_session normd_session;
typedef struct normd_snapshot normd_snapshot;

/* What all sessions of an engine take together. */
typedef struct normd_session_totals {
    atomic_size_t bytes;   /* that parameters, statistics, slots and gradients take now */
    normd_budget sessions; /* what they may take at most, reserved while they live */
    normd_budget contexts; /* kept forward steps */
} normd_session_totals;

/* What all sessions of a process share; outlives them. */
typedef struct normd_engine {
    normd_pool *pool; /* or NULL: everything on the calling thread */
    const normd_kernels *kernels;
    normd_buffer_cache *buffers;
    normd_cache_sizes caches;      /* of the machine; zeros: not known */
    size_t context_bytes;          /* budget a session for kept forward steps */
    uint64_t context_milliseconds; /* and how long one is kept; 0: no limit */
    normd_memory_limits limits;
    normd_session_totals *totals; /* or NULL */
} normd_engine;

/* Reads the whole configuration (`layers`, `input`, `loss`, `optimizer`, `convention`, `dtype`,
   `seed`; see PROTOCOL.md, session.create) and makes the session at version 0. Unknown or wrong
   options are BAD_ARGUMENT with a path to them ("layers[1].momentum: expected ..., got ...").
   A session over the engine's session_bytes is TOO_LARGE, and one that the budget of all sessions
   does not hold BUSY (TOO_LARGE when it never does).
   An array among the options stands as {"$array": k}, the k-th of `attachments` (see
   lib/options/options.h); it is read during the call only. */
normd_status normd_session_create(const normd_engine *engine, const json_t *configuration,
    const normd_attachments *attachments, normd_session **session, normd_error *error);
/* Snapshots that are still held stay usable. NULL is let pass. */
void normd_session_destroy(normd_session *session);

/* Gives back what the session reserved of the budget of all sessions, ahead of its destruction,
   which may take a while. On the thread that changes the session; nothing but destroying may
   follow. */
void normd_session_unreserve(normd_session *session);

/* Whether the two were created from the same configuration, defaults filled in (create with
   if_exists: "ok" asks: it makes a second session and compares). What reconfigure did since does
   not count. */
bool normd_session_same_configuration(const normd_session *a, const normd_session *b);

/* A batch to train or evaluate with; data may be unaligned. x is of any float type, the target of
   those that the loss takes. */
typedef struct normd_train_batch {
    const normd_array *x;
    const normd_array *target;
    const normd_array *sample_weight; /* (N,) numbers of 0 or more; NULL: all are 1 */
    const normd_array *mask;          /* bool, as of forward; NULL: none */
} normd_train_batch;

typedef struct normd_train_result {
    double loss;
    double accuracy; /* see lib/losses/loss.h */
    bool has_accuracy;
    size_t metrics;
    normd_metric_value metric[NORMD_METRICS_MAX]; /* of the configuration, in its order */
    double lr; /* of training: the optimizer's `lr` that the step was made with */
    bool has_lr;
    uint64_t steps; /* optimizer steps so far */
    uint64_t version;
} normd_train_result;

/* Forward, loss, backward, optimizer step. The batch is not kept. Gradients that backward
   accumulated wait on: they are no part of this step. BAD_ARGUMENT when the session has no loss. */
normd_status normd_session_train(normd_session *session, const normd_train_batch *batch,
    normd_train_result *result, normd_error *error);

typedef struct normd_forward_options {
    /* Or NULL; bool (any byte but 0 is true), the shape of x without the feature axis. */
    const normd_array *mask;
    bool update_stats;
    uint64_t now_milliseconds; /* any monotonic clock, for the age of contexts */
    bool repeatable;           /* the step stays kept when backward has used it: see image.h */
    uint64_t number;           /* of the step, more than the last one's; 0: the next */
} normd_forward_options;

typedef struct normd_forward_result {
    uint64_t step; /* names the kept context in backward */
    uint64_t version;
} normd_forward_result;

/* Training-mode forward. Takes x (its buffer moves into the context, or is released) also when it
   fails; y, of the session's type, is the caller's to release. Steps count from 1. Without
   `update_stats` statistics and version stay. The oldest contexts make room for the new one; one
   that is over the budget by itself is not kept. */
normd_status normd_session_forward(normd_session *session, normd_tensor *x,
    const normd_forward_options *options, normd_tensor *y, normd_forward_result *result,
    normd_error *error);

/* Backward through the context of `step`, with the parameters of that forward. The context is used
   up, also when the gradients are only accumulated, but not when the call fails; a repeatable one
   stays kept for the answer alone (see image.h). With `apply` the optimizer steps with these
   gradients and all that was accumulated. Takes dy as forward takes x; dx is the caller's to
   release. CONTEXT_LOST when the context is not there. */
normd_status normd_session_backward(normd_session *session, uint64_t step, bool apply,
    normd_tensor *dy, uint64_t now_milliseconds, normd_tensor *dx, uint64_t *version,
    normd_error *error);

/* The optimizer steps with what backward accumulated; BAD_ARGUMENT when there is nothing. */
normd_status normd_session_step(normd_session *session, uint64_t *version, normd_error *error);

/* Whether a kept forward step is older than the engine allows. Any thread. */
bool normd_session_expires(const normd_session *session, uint64_t now_milliseconds);
/* Drops such steps, as forward and backward do. */
void normd_session_expire(normd_session *session, uint64_t now_milliseconds);

/* The session's configuration, every default filled in, as normd_session_reconfigure takes it; a
   new reference, or NULL when out of memory. On the thread that changes the session. */
json_t *normd_session_configuration(const normd_session *session);

/* Gives a living session another configuration: a mutation. Every tensor (slots, too) that both
   have under one name, in one shape, keeps its values; what is new takes its initial ones. The
   steps go on, or begin at 0 with an optimizer of another type. Kept forward steps and accumulated
   gradients stay where the parameters stay the same, else they are dropped. Readers see the one or
   the other. While it runs, both take memory: BUSY when the budget does not hold both. Errors as
   normd_session_create. */
normd_status normd_session_reconfigure(
    normd_session *session, const json_t *configuration, uint64_t *version, normd_error *error);

/* Goes on in the other convention's words: a mutation by reconfigure. Every option keeps its value,
   in the other one's names and direction, so that training goes on with the same numbers.
   `optimizer` (an option of session.create, in the new convention's words) replaces the optimizer;
   NULL: it is converted, which only one that both conventions compute alike can be. A slot keeps
   its values where it means the same in both. BAD_ARGUMENT naming what cannot be converted and why;
   nothing is changed then. The convention that it has already, without an optimizer, is no change.
 */
normd_status normd_session_convert(normd_session *session, normd_convention convention,
    const json_t *optimizer, uint64_t *version, normd_error *error);

/* Changes options of a living session's optimizer: a mutation. `changes` is a map of lr, weight_lr,
   bias_lr, schedule and averaging, as in the configuration or "none", or of metric alone, which a
   schedule "reduce_on_plateau" takes note of. Rates that were equal to lr follow it; a schedule's
   ticks count from here, unless it says `start`. BAD_ARGUMENT; else as normd_session_reconfigure.
 */
normd_status normd_session_optimizer_set(
    normd_session *session, const json_t *changes, uint64_t *version, normd_error *error);

/* A new session with the configuration and the whole state of a snapshot, kept forward steps and
   gradients that backward accumulated apart; with `average` its weights are the optimizer's average
   of them. Its version goes on from the snapshot's. Any thread. BAD_ARGUMENT when there is no
   average; else as normd_session_create. */
normd_status normd_session_copy(const normd_engine *engine, const normd_snapshot *snapshot,
    bool average, normd_session **session, normd_error *error);

/* ---- Reading ---- */

/* The newest snapshot, one more reference to it. Any thread. */
normd_snapshot *normd_session_snapshot(normd_session *session);
void normd_snapshot_release(normd_snapshot *snapshot);
uint64_t normd_snapshot_version(const normd_snapshot *snapshot);

/* An estimate of the multiply-adds of inference over x of this shape, to decide where it runs;
   UINT64_MAX when the shape does not fit. */
uint64_t normd_snapshot_cost(const normd_snapshot *snapshot, const normd_shape *x);

/* Bytes of the output for an x of this shape; 0 when there will be none, since the shape does not
   fit or the output is over the engine's limit. Any thread. */
size_t normd_session_output_bytes(normd_session *session, const normd_shape *x);

/* Bytes of all parameters, statistics and slots, which an export and stats give back at most. Any
   thread. */
size_t normd_session_state_bytes(normd_session *session);

/* Eval-mode forward. Takes x; y (the caller's to release, of the session's type) reuses its buffer
   where it can. A batch without rows gives an empty y. */
normd_status normd_snapshot_infer(
    normd_snapshot *snapshot, normd_tensor *x, normd_tensor *y, normd_error *error);

/* Eval-mode loss and metrics; steps and version are the snapshot's. */
normd_status normd_snapshot_evaluate(normd_snapshot *snapshot, const normd_train_batch *batch,
    normd_train_result *result, normd_error *error);

normd_convention normd_snapshot_convention(const normd_snapshot *snapshot);

/* The session's description, every default filled in, in the words of `convention`: layers,
   options, optimizer, loss, dtype, version, steps, parameter counts as each framework counts. A new
   reference, or NULL when out of memory. */
json_t *normd_snapshot_describe(const normd_snapshot *snapshot, normd_convention convention);

/* The statistics of one batch-norm layer, as views that live as long as the snapshot. */
enum { NORMD_LAYER_STATS_ARRAYS = 7 };
typedef struct normd_layer_stats {
    const char *name; /* "1": the layer's place in `layers`, from 0 */
    const char *type; /* "batch_norm" or "instance_norm" */
    int64_t num_batches_tracked;
    uint32_t arrays;
    const char *array_name[NORMD_LAYER_STATS_ARRAYS]; /* running_mean, ..., or moving_mean, ... */
    normd_array array[NORMD_LAYER_STATS_ARRAYS];
} normd_layer_stats;

/* How many batch-norm and instance-norm layers there are, and the statistics of the i-th. Arrays
   that the layer does not have (affine off, track_running_stats off) are left out. */
size_t normd_snapshot_stats_count(const normd_snapshot *snapshot);
void normd_snapshot_stats(const normd_snapshot *snapshot, size_t index, normd_convention convention,
    normd_layer_stats *stats);

/* ---- Moving ---- */

typedef enum normd_exchange_format {
    NORMD_FORMAT_SAFETENSORS, /* PyTorch's state_dict names, the configuration in __metadata__ */
    NORMD_FORMAT_NPZ,         /* the arrays of Keras' get_weights, and nothing else */
    NORMD_FORMAT_COUNT
} normd_exchange_format;

typedef struct normd_export_options {
    normd_exchange_format format;
    bool optimizer; /* its slots and steps, too */
} normd_export_options;

/* "safetensors", "npz". */
const char *normd_format_name(normd_exchange_format format);
/* Which of the formats a file has, by its first bytes; safetensors when it has no other's. */
normd_exchange_format normd_format_detect(const void *file, size_t size);

/* The snapshot as one file. The result is the caller's to release. */
normd_status normd_snapshot_export(const normd_snapshot *snapshot,
    const normd_export_options *options, normd_buffer **file, normd_error *error);

/* A new session with every batch norm that directly follows a linear layer or a convolution folded
   into it (see fold.c): the same inference but for rounding, with fewer layers. It has the
   snapshot's version, and the convention's default optimizer. The snapshot may be of any thread.
   BAD_ARGUMENT when there is nothing to fold; else as normd_session_create. */
normd_status normd_snapshot_fold(const normd_engine *engine, const normd_snapshot *snapshot,
    normd_session **folded, normd_error *error);

/* Sets every parameter and statistic from a file of either format; names, shapes and types must
   fit, and none may be missing. The optimizer's slots may: then they stay, and so does the number
   of steps; an .npz leaves counters of batches as they are. Kept forward steps
   and accumulated gradients are dropped. The version counts on. */
normd_status normd_session_import(
    normd_session *session, const void *file, size_t size, uint64_t *version, normd_error *error);

/* A session made from a file that normd exported (its configuration is inside). BAD_ARGUMENT when
   the file holds weights alone. */
normd_status normd_session_create_from(const normd_engine *engine, const void *file, size_t size,
    normd_session **session, normd_error *error);

/* Bytes that the session holds: parameters, statistics, slots, gradients and contexts, for
   server.info. Any thread. */
size_t normd_session_bytes(normd_session *session);

#endif
