// SPDX-License-Identifier: Apache-2.0
#include "lib/losses/reduction.h"

/* By reduction; the last word of Keras is a second name of sum_over_batch_size. */
static const char *const words[NORMD_CONVENTION_COUNT][NORMD_REDUCTIONS + 2] = {
    [NORMD_PYTORCH] = {"mean", "sum", "sum_of_means", "sum_over_batch_size",
        "mean_with_sample_weight"},
    [NORMD_KERAS] = {"weighted_mean", "sum_of_elements", "sum", "sum_over_batch_size",
        "mean_with_sample_weight", "mean"},
};

/* A row has one loss, so that there is nothing to take a mean over; and elements have neither
   weights of classes nor ignored labels, which alone tell PyTorch's mean from Keras'. */
static normd_reduction simplest(normd_reduction reduction, bool rows)
{
    if (rows) {
        return reduction == NORMD_REDUCE_SUM_OF_MEANS ? NORMD_REDUCE_SUM : reduction;
    }
    return reduction == NORMD_REDUCE_BATCH ? NORMD_REDUCE_MEAN : reduction;
}

normd_reduction normd_reduction_read(normd_options *options, normd_convention convention, bool rows)
{
    int otherwise = convention == NORMD_KERAS ? NORMD_REDUCE_BATCH : NORMD_REDUCE_MEAN;
    int word = normd_options_word(options, "reduction", words[convention], otherwise);
    if (word == NORMD_REDUCTIONS) {
        word = NORMD_REDUCE_BATCH;
    }
    return simplest((normd_reduction)word, rows);
}

const char *normd_reduction_word(normd_reduction reduction, normd_convention convention, bool rows)
{
    if (convention == NORMD_KERAS && rows && reduction == NORMD_REDUCE_SUM) {
        reduction = NORMD_REDUCE_SUM_OF_MEANS;
    }
    if (convention == NORMD_KERAS && !rows && reduction == NORMD_REDUCE_MEAN) {
        reduction = NORMD_REDUCE_BATCH;
    }
    return words[convention][reduction];
}
