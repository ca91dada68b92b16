// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CONVENTIONS_CONVENTION_H
#define NORMD_CONVENTIONS_CONVENTION_H

#include <stdbool.h>

/*
 * A convention is a framework's way of batch norm: defaults, the feature axis, which way momentum
 * counts, which variance the running one stores, and names. One row of a table each.
 */
typedef enum normd_convention {
    NORMD_PYTORCH,
    NORMD_KERAS,
    NORMD_CONVENTION_COUNT
} normd_convention;

typedef struct normd_convention_facts {
    const char *name;               /* "pytorch" */
    int axis;                       /* of the features: 1 or -1 */
    double eps;                     /* 1e-5, 1e-3 */
    double momentum;                /* 0.1, 0.99, in the convention's own direction */
    bool momentum_keeps;            /* true: r = m r + (1-m) b; false: r = (1-m) r + m b */
    bool running_unbiased;          /* running variance from sum/(n-1), else sum/n */
    bool single_value_allowed;      /* a training batch of one value a channel */
    bool virtual_strided;           /* virtual batches: group g has samples g, g + groups, ... */
    double renorm_momentum;         /* 0.01, 0.99, in the convention's own direction */
    double mask_epsilon;            /* added to the count of valid positions: 0, 1e-7 */
    const char *weight_name;        /* weight, gamma */
    const char *bias_name;          /* bias, beta */
    const char *running_mean_name;  /* running_mean, moving_mean */
    const char *running_var_name;   /* running_var, moving_variance */
    const char *running_std_name;   /* running_std, moving_stddev */
    const char *renorm_std_name;    /* renorm_std, renorm_stddev; the mean is renorm_mean */
    const char *linear_weight_init; /* initializer names: torch's Linear, Keras' Dense */
    const char *linear_bias_init;
} normd_convention_facts;

/* Static storage. */
const normd_convention_facts *normd_convention_facts_of(normd_convention convention);

/* 1 - momentum as people write it: 0.99 gives 0.01, not 0.010000000000000009, where that gives back
   0.99; else as doubles subtract. So a momentum of up to 15 digits means the same two factors in
   both conventions. */
double normd_convention_complement(double momentum);

#endif
