// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_OPTIMIZERS_AVERAGING_H
#define NORMD_OPTIMIZERS_AVERAGING_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/array.h"
#include "lib/conventions/convention.h"
#include "lib/options/options.h"

/*
 * Averages of the weights over the steps, beside the weights themselves: exponential (EMA, Polyak)
 * or equal (SWA, Izmailov and others, 2018). The first average is a copy. PyTorch's form is that of
 * torch.optim.swa_utils.AveragedModel on a CPU, with get_ema_multi_avg_fn for EMA; Keras' that of
 * the optimizers' use_ema.
 */
typedef enum normd_averaging_type {
    NORMD_AVERAGING_NONE,
    NORMD_AVERAGING_EMA,
    NORMD_AVERAGING_SWA,
} normd_averaging_type;

typedef struct normd_averaging {
    normd_averaging_type type;
    bool keras; /* the form */
    double decay;
    uint64_t start;           /* the first step that is averaged */
    uint64_t every;           /* so many steps from one to the next */
    uint64_t overwrite_every; /* steps after which the weights take the average; 0: never */
} normd_averaging;

/* Reads `averaging`, and in Keras use_ema, ema_momentum and ema_overwrite_frequency. */
void normd_averaging_read(
    normd_averaging *averaging, normd_convention convention, normd_options *options);
/* Adds them to the description, in the words of `convention`. False when out of memory. */
bool normd_averaging_describe(
    const normd_averaging *averaging, normd_convention convention, json_t *description);

/* Whether the weights after this step, which counts from 1, go into the average. */
bool normd_averaging_is_due(const normd_averaging *averaging, uint64_t step);
/* How many steps of the first `steps` went into the average. */
uint64_t normd_averaging_count(const normd_averaging *averaging, uint64_t steps);
/* Whether the weights take the average after this step. */
bool normd_averaging_overwrites(const normd_averaging *averaging, uint64_t step);

/* Takes `count` weights of `dtype` (F32 or F64) into an average of `averaged` ones before. */
void normd_averaging_update(const normd_averaging *averaging, double averaged, normd_dtype dtype,
    size_t count, const void *weight, void *average);

#endif
