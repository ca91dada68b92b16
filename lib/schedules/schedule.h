// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_SCHEDULES_SCHEDULE_H
#define NORMD_SCHEDULES_SCHEDULE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/conventions/convention.h"

/*
 * Schedules of the learning rate. A schedule is a function of the tick, which is a number of
 * `every` optimizer steps, from 0 behind step `start`; PyTorch's users tick once an epoch, Keras'
 * schedules once a batch. Where several batches make one step, a schedule whose `unit` is the batch
 * takes numbers of batches wherever steps are spoken of here. PyTorch's are computed by their
 * closed forms: its chained products agree up to the rounding of one multiplication a tick. Only
 * "reduce_on_plateau" has a state: doubles that the caller keeps.
 *
 * Every group of parameters has its own base rate. As in PyTorch, the schedule takes each from its
 * own base: a factor multiplies it, and an absolute bound (eta_min, end_learning_rate, min_lr) is
 * the same for all. Rates that a schedule names outright (max_lr of "one_cycle", `values` of
 * "piecewise_constant_decay", warmup_target) are those of the optimizer's `lr`; another group's are
 * scaled by its base over that `lr`.
 *
 * A schedule never changes; all functions may be called from any thread.
 */
typedef struct normd_schedule normd_schedule;

/* Reads {"type": ..., "unit": "step"|"batch", "every": 1, "start": 0, "warmup": ..., ...}; a string
   stands for its type. `lr` is the optimizer's; `path` stands before the messages
   ("optimizer.schedule"). BAD_ARGUMENT.
 */
normd_status normd_schedule_create(const json_t *option, normd_convention convention, double lr,
    const char *path, normd_schedule **schedule, normd_error *error);
/* NULL is let pass. */
void normd_schedule_destroy(normd_schedule *schedule);

/* Every option, defaults filled in, so that it can be read again in any convention. A new
   reference, or NULL when out of memory. */
json_t *normd_schedule_describe(const normd_schedule *schedule);

/* Whether its steps are batches; and whether those of a schedule with this option will be. */
bool normd_schedule_counts_batches(const normd_schedule *schedule);
bool normd_schedule_option_counts_batches(const json_t *option, normd_convention convention);

/* The rate that a schedule of Keras' says of itself (initial_learning_rate, or the first of
   `values`), which Keras has in place of the optimizer's. False when it says none. */
bool normd_schedule_initial_rate(const json_t *option, double *lr);

/* Whether the option says the rate at all, be it a wrong one. A schedule that stands in the place
   of Keras' learning_rate must. */
bool normd_schedule_says_rate(const json_t *option);

/* The rate at an optimizer step, which counts from 1, of a group with the base rate `lr`. */
double normd_schedule_rate(
    const normd_schedule *schedule, const double *state, uint64_t step, double lr);

/* The momentum (beta 1) at that step; false: the schedule leaves it alone. What it is at most
   stands in `most`, which an optimizer without momentum of its own is given. */
bool normd_schedule_momentum(
    const normd_schedule *schedule, uint64_t step, double *momentum, double *most);

/* ---- State ---- */

enum { NORMD_SCHEDULE_STATE = 7 };

/* How many doubles the state has (0: none), zero at first, and the names that they have in files.
 */
size_t normd_schedule_states(const normd_schedule *schedule);
const char *normd_schedule_state_name(size_t index);

/* What a schedule looks at. */
typedef enum normd_schedule_monitor {
    NORMD_MONITOR_NOTHING,
    NORMD_MONITOR_LOSS,  /* of training steps */
    NORMD_MONITOR_METRIC /* that the user reports */
} normd_schedule_monitor;
normd_schedule_monitor normd_schedule_monitors(const normd_schedule *schedule);

/* Takes note of a metric, or of a training loss, which counts to the mean of a tick. `steps` is the
   number of optimizer steps so far; `stepped`: the batch of this loss made the last one, else it
   waits for more batches. Values are finite. Those before the start or within the warm-up do not
   count; a metric counts from the step that ends it. */
void normd_schedule_note(
    const normd_schedule *schedule, uint64_t steps, bool stepped, double value, double *state);

/* Forgets the reductions made so far: what a new base rate does. */
void normd_schedule_rebase(const normd_schedule *schedule, double *state);

#endif
