// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LOSSES_REDUCTION_H
#define NORMD_LOSSES_REDUCTION_H

#include "lib/conventions/convention.h"
#include "lib/options/options.h"

/*
 * From the losses of rows (of elements, where a loss is element by element) to one number: their
 * weighted sum over a divisor. The two frameworks have the same words for different divisors.
 */
typedef enum normd_reduction {
    NORMD_REDUCE_MEAN,         /* PyTorch's "mean": class weights of the counted rows; with sample
                                  weights all rows, as (loss * weight).mean() */
    NORMD_REDUCE_SUM,          /* PyTorch's "sum": 1 */
    NORMD_REDUCE_SUM_OF_MEANS, /* Keras' "sum": the last extent, which Keras takes the mean over */
    NORMD_REDUCE_BATCH,        /* Keras' "sum_over_batch_size": the counted rows */
    NORMD_REDUCE_SAMPLE_WEIGHTS, /* Keras' "mean_with_sample_weight": the sum of the weights */
    NORMD_REDUCTIONS,
} normd_reduction;

/* Reads `reduction` in the words of the convention; the default is its framework's. `rows`: the
   loss is one of rows. Where two reductions are one for the kind of loss, the first is taken. */
normd_reduction normd_reduction_read(
    normd_options *options, normd_convention convention, bool rows);
/* Its word; static storage. */
const char *normd_reduction_word(normd_reduction reduction, normd_convention convention, bool rows);

#endif
