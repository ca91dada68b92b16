// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LOSSES_KIND_H
#define NORMD_LOSSES_KIND_H

#include "lib/losses/loss.h"
#include "lib/losses/reduction.h"
#include "lib/losses/weights.h"

/*
 * What a kind of loss gives to the table in loss.c. Adding one: a file with these functions, and a
 * row. Most are element by element (elementwise.h); cross-entropy is one of rows.
 */
enum { NORMD_LOSS_NAMES = 4 };

/* What targets a loss of rows takes. */
typedef enum normd_loss_targets {
    NORMD_TARGETS_ANY,
    NORMD_TARGETS_LABELS,
    NORMD_TARGETS_PROBABILITIES,
} normd_loss_targets;

typedef struct normd_loss_kind {
    const char *name[NORMD_LOSS_NAMES];            /* as in the option; unused ones are NULL */
    const char *described[NORMD_CONVENTION_COUNT]; /* one of them */
    bool rows;        /* one loss a row, whose classes lie along an axis; else one an element */
    bool from_logits; /* the default */
    normd_loss_targets targets;
    unsigned metrics; /* a bit for each kind that fits */
    /* Reads the options beside type and reduction. `output` as in normd_loss_source. */
    void (*read)(normd_loss *loss, normd_options *options, const normd_shape *output);
    /* Adds them to the description; false when out of memory. */
    bool (*describe)(const normd_loss *loss, normd_convention convention, json_t *map);
    /* `sample_weight`: a number a sample, or NULL. */
    normd_status (*run)(const normd_loss *loss, normd_loss_pass *pass, const double *sample_weight,
        normd_error *error);
} normd_loss_kind;

struct normd_loss {
    const normd_loss_kind *kind;
    normd_convention convention;
    normd_reduction reduction;
    normd_metrics metrics;
    /* Of cross-entropy: */
    int axis; /* of the classes: 1 or -1 */
    bool ignores;
    int64_t ignored; /* the label */
    normd_weights class_weight;
    /* Of both entropies: */
    bool from_logits;
    double lowest, highest; /* what probabilities are kept between */
    double label_smoothing;
    normd_weights weight;
    /* Of the binary one: */
    normd_weights pos_weight;
    /* Of Huber and smooth L1: */
    double threshold;
};

extern const normd_loss_kind normd_loss_cross_entropy;
extern const normd_loss_kind normd_loss_categorical;
extern const normd_loss_kind normd_loss_sparse_categorical;
extern const normd_loss_kind normd_loss_binary_logits;
extern const normd_loss_kind normd_loss_binary;
extern const normd_loss_kind normd_loss_mse;
extern const normd_loss_kind normd_loss_l1;
extern const normd_loss_kind normd_loss_smooth_l1;
extern const normd_loss_kind normd_loss_huber;

/* ---- What kinds share ---- */

/* The axis of the classes, for an output of this rank. */
static inline uint32_t normd_loss_class_axis(const normd_loss *loss, uint32_t rank)
{
    return loss->axis < 0 ? rank - 1 : (uint32_t)loss->axis;
}

/* The target's values in the compute's type: in place where they are that already, else converted
   into a buffer that the caller releases. NULL and INTERNAL when out of memory. */
const void *normd_loss_target_values(
    const normd_loss_pass *pass, normd_buffer **buffer, normd_error *error);

/* The sums of a tile: of losses, of hits, and of each metric. All are weighted by samples. */
enum { NORMD_SUM_LOSS, NORMD_SUM_HITS, NORMD_SUM_METRICS };
static inline size_t normd_loss_sums(const normd_loss *loss)
{
    return NORMD_SUM_METRICS + loss->metrics.count;
}

/* Adds up the sums of all tiles, in their order, and gives them to the pass: the loss over
   `divisor` (0: no row counts, and the loss is 0), the rest over `weights`, the sum of the counted
   rows' or elements' sample weights. */
void normd_loss_finish(const normd_loss *loss, normd_loss_pass *pass, const double *sums,
    size_t tiles, double divisor, double weights);

#endif
