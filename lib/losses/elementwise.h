// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LOSSES_ELEMENTWISE_H
#define NORMD_LOSSES_ELEMENTWISE_H

#include "lib/losses/kind.h"

/*
 * Losses that are the mean, over all elements, of a function of an output and its target. A file of
 * such a loss has that function and NORMD_ELEMENTWISE_LOOPS, which makes the typed loops of it:
 *
 *   static inline double point(const normd_loss *loss, double y, double t, size_t column, double
 *       *slope)
 *
 * gives the loss and, in *slope, its derivative in y. `column` is the place along the last axis.
 * All is computed in double; the gradient is rounded once.
 */
enum { NORMD_ELEMENTWISE_TILE = 1 << 13 };

typedef struct normd_elementwise_loop {
    const normd_loss *loss;
    const void *y;
    const void *target;
    void *gradient; /* or NULL */
    size_t count;
    size_t columns;              /* extent of the last axis; 1 where no weights go by column */
    size_t per_sample;           /* elements of a sample */
    const double *sample_weight; /* or NULL */
    double divisor;
    double *sums;
} normd_elementwise_loop;

/* Adds the metrics of an element to a tile's sums. */
void normd_elementwise_metrics(
    const normd_loss *loss, double y, double t, double weight, double *sums);

/* A sum is made of so many, each of every so many elements, so that it can be made of vectors. */
enum { NORMD_ELEMENTWISE_LANES = 8 };

static inline double normd_elementwise_sum(const double lane[NORMD_ELEMENTWISE_LANES])
{
    double sum = 0.0;
    for (size_t k = 0; k < NORMD_ELEMENTWISE_LANES; k++) {
        sum += lane[k];
    }
    return sum;
}

/* Whether the loop is of nothing but elements: no weights and no metrics. */
bool normd_elementwise_is_plain(const normd_elementwise_loop *loop);

/* `blocks` does the whole blocks of a plain tile and returns where it ended. The gradient may lie
   where y does, so a block is read before it is written. */
#define NORMD_ELEMENTWISE_LOOP(suffix, type, point)                                                \
    static size_t blocks_##suffix(                                                                 \
        const normd_elementwise_loop *loop, size_t begin, size_t end, double *lane)                \
    {                                                                                              \
        const type *y = loop->y;                                                                   \
        const type *target = loop->target;                                                         \
        type *gradient = loop->gradient;                                                           \
        const double divisor = loop->divisor;                                                      \
        size_t i = begin;                                                                          \
        for (; end - i >= NORMD_ELEMENTWISE_LANES; i += NORMD_ELEMENTWISE_LANES) {                 \
            double slope[NORMD_ELEMENTWISE_LANES];                                                 \
            for (size_t k = 0; k < NORMD_ELEMENTWISE_LANES; k++) {                                 \
                lane[k] +=                                                                         \
                    point(loop->loss, (double)y[i + k], (double)target[i + k], 0, &slope[k]);      \
            }                                                                                      \
            for (size_t k = 0; gradient != NULL && k < NORMD_ELEMENTWISE_LANES; k++) {             \
                gradient[i + k] = (type)(slope[k] / divisor);                                      \
            }                                                                                      \
        }                                                                                          \
        return i;                                                                                  \
    }                                                                                              \
                                                                                                   \
    static void tile_##suffix(void *argument, size_t tile)                                         \
    {                                                                                              \
        const normd_elementwise_loop *loop = argument;                                             \
        const type *y = loop->y;                                                                   \
        const type *target = loop->target;                                                         \
        type *gradient = loop->gradient;                                                           \
        size_t begin = tile * NORMD_ELEMENTWISE_TILE;                                              \
        size_t left = loop->count - begin;                                                         \
        size_t end = begin + (left < NORMD_ELEMENTWISE_TILE ? left : NORMD_ELEMENTWISE_TILE);      \
        double *sums = loop->sums + tile * normd_loss_sums(loop->loss);                            \
        for (size_t i = 0; i < normd_loss_sums(loop->loss); i++) {                                 \
            sums[i] = 0.0;                                                                         \
        }                                                                                          \
        double lane[NORMD_ELEMENTWISE_LANES] = {0.0};                                              \
        size_t i = begin;                                                                          \
        if (normd_elementwise_is_plain(loop)) {                                                    \
            i = blocks_##suffix(loop, begin, end, lane);                                           \
        }                                                                                          \
        for (; i < end; i++) {                                                                     \
            double slope;                                                                          \
            double of_y = (double)y[i];                                                            \
            double of_t = (double)target[i];                                                       \
            size_t column = loop->columns == 1 ? 0 : i % loop->columns;                            \
            double weight =                                                                        \
                loop->sample_weight == NULL ? 1.0 : loop->sample_weight[i / loop->per_sample];     \
            lane[(i - begin) % NORMD_ELEMENTWISE_LANES] +=                                         \
                weight * point(loop->loss, of_y, of_t, column, &slope);                            \
            if (loop->loss->kind->metrics != 0) {                                                  \
                normd_elementwise_metrics(loop->loss, of_y, of_t, weight, sums);                   \
            }                                                                                      \
            if (gradient != NULL) {                                                                \
                gradient[i] = (type)(weight * slope / loop->divisor);                              \
            }                                                                                      \
        }                                                                                          \
        sums[NORMD_SUM_LOSS] = normd_elementwise_sum(lane);                                        \
    }

#define NORMD_ELEMENTWISE_LOOPS(point)                                                             \
    NORMD_ELEMENTWISE_LOOP(f32, float, point)                                                      \
    NORMD_ELEMENTWISE_LOOP(f64, double, point)                                                     \
    static normd_status run(const normd_loss *loss, normd_loss_pass *pass,                         \
        const double *sample_weight, normd_error *error)                                           \
    {                                                                                              \
        return normd_elementwise_run(loss, pass, sample_weight,                                    \
            pass->compute->dtype == NORMD_F32 ? tile_f32 : tile_f64, error);                       \
    }

/* Checks the target and runs the tiles. */
normd_status normd_elementwise_run(const normd_loss *loss, normd_loss_pass *pass,
    const double *sample_weight, normd_tile_function tile, normd_error *error);

enum {
    NORMD_ELEMENTWISE_METRICS = 1 << NORMD_METRIC_MAE | 1 << NORMD_METRIC_MSE,
};

#endif
