// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_SCHEDULES_KIND_H
#define NORMD_SCHEDULES_KIND_H

#include <math.h>

#include "lib/options/options.h"
#include "lib/schedules/schedule.h"

/*
 * What a kind of schedule gives to the table in schedule.c. Adding one: a file with these
 * functions, a struct in the union below, a row of the table.
 */
typedef struct normd_schedule_kind {
    const char *type;
    const char *class_name; /* the framework's, which may stand for the type */
    bool has_initial_rate;  /* takes initial_learning_rate, as Keras' do */
    bool warms_up;          /* by itself: takes no `warmup` */
    /* Reads the options beside type, every and warmup. */
    void (*read)(normd_schedule *schedule, normd_options *options);
    /* Adds them to the description. */
    void (*describe)(const normd_schedule *schedule, json_t *description);
    /* The rate of a group with base rate `lr`; the tick counts from the end of the warm-up. */
    double (*rate)(const normd_schedule *schedule, const double *state, double lr, uint64_t tick);
} normd_schedule_kind;

typedef struct normd_step_schedule {
    uint64_t step_size;
    double gamma;
} normd_step_schedule;

typedef struct normd_multi_step_schedule {
    double gamma;
} normd_multi_step_schedule;

typedef struct normd_exponential_schedule {
    double gamma;
} normd_exponential_schedule;

typedef struct normd_cosine_annealing_schedule {
    double period;
    double eta_min;
} normd_cosine_annealing_schedule;

typedef struct normd_warm_restarts_schedule {
    double first;
    double multiplier;
    double eta_min;
} normd_warm_restarts_schedule;

typedef struct normd_linear_schedule {
    double start_factor;
    double end_factor;
    double total;
} normd_linear_schedule;

typedef struct normd_polynomial_schedule {
    double total;
    double power;
} normd_polynomial_schedule;

typedef struct normd_constant_schedule {
    double factor;
    uint64_t total;
} normd_constant_schedule;

typedef struct normd_one_cycle_schedule {
    double max_lr;
    uint64_t total;
    double start_share;
    bool linear;
    bool cycle_momentum;
    double base_momentum;
    double max_momentum;
    double div_factor;
    double final_div_factor;
    bool three_phase;
} normd_one_cycle_schedule;

typedef struct normd_plateau_schedule {
    bool keras; /* the form */
    bool metric;
    bool max;
    bool absolute; /* threshold_mode */
    double factor;
    double patience;
    double threshold;
    double cooldown;
    double min_lr;
    double eps;
} normd_plateau_schedule;

typedef struct normd_decay_schedule {
    double steps;
    double rate;
    bool staircase;
} normd_decay_schedule;

typedef struct normd_polynomial_decay_schedule {
    double steps;
    double end;
    double power;
    bool cycle;
} normd_polynomial_decay_schedule;

typedef struct normd_cosine_decay_schedule {
    double steps;
    double alpha;
    bool warms_up;
    double warmup_target;
    double warmup_steps;
} normd_cosine_decay_schedule;

typedef struct normd_cosine_restarts_schedule {
    double first;
    double t_mul;
    double m_mul;
    double alpha;
} normd_cosine_restarts_schedule;

struct normd_schedule {
    const normd_schedule_kind *kind;
    normd_convention convention;
    double lr;           /* the optimizer's */
    bool counts_batches; /* in place of optimizer steps */
    uint64_t every;
    uint64_t start;
    uint64_t warmup; /* ticks */
    double warmup_start;
    double *points; /* milestones or boundaries, ascending */
    size_t point_count;
    double *values; /* between boundaries */
    size_t value_count;
    bool no_memory;
    union {
        normd_step_schedule step;
        normd_multi_step_schedule multi_step;
        normd_exponential_schedule exponential;
        normd_cosine_annealing_schedule cosine_annealing;
        normd_warm_restarts_schedule warm_restarts;
        normd_linear_schedule linear;
        normd_polynomial_schedule polynomial;
        normd_constant_schedule constant;
        normd_one_cycle_schedule one_cycle;
        normd_plateau_schedule plateau;
        normd_decay_schedule decay;
        normd_polynomial_decay_schedule polynomial_decay;
        normd_cosine_decay_schedule cosine_decay;
        normd_cosine_restarts_schedule cosine_restarts;
    };
};

extern const normd_schedule_kind normd_step_schedule_kind;
extern const normd_schedule_kind normd_multi_step_schedule_kind;
extern const normd_schedule_kind normd_exponential_schedule_kind;
extern const normd_schedule_kind normd_cosine_annealing_schedule_kind;
extern const normd_schedule_kind normd_warm_restarts_schedule_kind;
extern const normd_schedule_kind normd_linear_schedule_kind;
extern const normd_schedule_kind normd_polynomial_schedule_kind;
extern const normd_schedule_kind normd_constant_schedule_kind;
extern const normd_schedule_kind normd_one_cycle_schedule_kind;
extern const normd_schedule_kind normd_plateau_schedule_kind;
extern const normd_schedule_kind normd_exponential_decay_schedule_kind;
extern const normd_schedule_kind normd_piecewise_constant_decay_schedule_kind;
extern const normd_schedule_kind normd_polynomial_decay_schedule_kind;
extern const normd_schedule_kind normd_inverse_time_decay_schedule_kind;
extern const normd_schedule_kind normd_cosine_decay_schedule_kind;
extern const normd_schedule_kind normd_cosine_restarts_schedule_kind;

/* ---- Reading, in read.c ---- */

/* A number of ticks from `least`; one must be there when `otherwise` is negative. */
uint64_t normd_schedule_ticks(
    normd_options *options, const char *key, int64_t otherwise, int64_t least);
/* A number of this range that must be there. */
double normd_schedule_required(normd_options *options, const char *key, double least, double most);
/* A number in (0, most]. */
double normd_schedule_positive(
    normd_options *options, const char *key, double otherwise, double most);
/* A list of `least_count` numbers or more, none below 0; `ticks`: whole ones, none below the one
   before it. The memory is the schedule's. */
void normd_schedule_list(normd_schedule *schedule, normd_options *options, const char *key,
    size_t least_count, bool ticks, double **list, size_t *count);
/* A list for a description. */
json_t *normd_schedule_show_list(const double *list, size_t count, bool ticks);

/* How much a rate that stands as a number is scaled for a group with base rate `lr`. */
static inline double normd_schedule_scale(const normd_schedule *schedule, double lr)
{
    return lr == schedule->lr || schedule->lr == 0.0 ? 1.0 : lr / schedule->lr;
}

/* ---- In reduce_on_plateau.c ---- */

/* `ticks`: a loss ends a tick. */
void normd_plateau_note(const normd_schedule *schedule, bool ticks, double value, double *state);
void normd_plateau_rebase(double *state);

/* ---- In schedule.c ---- */

/* The tick of a step, which counts from 1. */
uint64_t normd_schedule_tick(const normd_schedule *schedule, uint64_t step);

#endif
