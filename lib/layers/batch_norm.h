// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_BATCH_NORM_H
#define NORMD_LAYERS_BATCH_NORM_H

#include "lib/layers/layer.h"

/*
 * Batch normalization (Ioffe and Szegedy, 2015) of each feature over all other axes:
 *
 *   training   y = (x - mean) / sqrt(var + eps) * gamma + beta, mean and var (biased) of the batch
 *   inference  the same with the running mean and variance
 *
 * A training forward moves the running statistics towards those of the batch:
 * r = keep * r + take * batch. A layer with trainable: false is in inference mode always, as Keras
 * has it, under either convention. With frozen_stats only the statistics stand still, as after
 * PyTorch's bn.eval() inside a training: the running ones normalize and do not move, while gamma
 * and beta go on to learn. A layer without running statistics uses those of the batch always.
 */
extern const normd_layer_operations normd_batch_norm_operations;

typedef struct normd_batch_norm {
    normd_layer base;
    const char *type;            /* as asked for: "batch_norm2d" */
    normd_convention convention; /* of the session: what `momentum` means */
    size_t features;
    double eps;
    bool cumulative; /* momentum null: take = 1 / batches, counted after this one */
    double momentum; /* as given */
    double keep, take;
    bool scale, center;
    bool track;
    int axis;            /* of the features, never 0; negative: from the end */
    uint32_t least_rank; /* of x; batch_norm1d and its kin take fewer ranks */
    uint32_t largest_rank;
    const char *axes; /* the ranks for people: "2 or 3 axes" */
    bool unbiased;    /* which variance the running one stores */
    bool trainable;
    bool frozen_stats;
    bool single_value_allowed;
    double mask_epsilon;     /* added to the count of valid positions */
    size_t virtual_batch;    /* samples of a virtual batch; 0: none */
    bool virtual_strided;    /* group g has the samples g, g + groups, ..., else neighbours */
    bool renorm;             /* batch renormalization, see batch_norm_renorm.h */
    double rmin, rmax, dmax; /* 0 and infinity where there is no bound */
    double renorm_momentum;  /* as given */
    double renorm_keep, renorm_take;
    /* Into base.tensor; NULL where the layer has none. */
    const normd_layer_tensor *gamma, *beta, *mean, *var, *batches;
    const normd_layer_tensor *deviation, *renorm_mean, *renorm_deviation; /* of renorm */
    void *zeros; /* `features` zeros of the layer's type, for what is left out */
} normd_batch_norm;

static inline const normd_batch_norm *normd_batch_norm_of(const normd_layer *layer)
{
    return (const normd_batch_norm *)layer;
}

/* Whether a training pass normalizes with the batch's own moments. */
static inline bool normd_batch_norm_uses_batch(const normd_batch_norm *norm)
{
    return !norm->track || (norm->trainable && !norm->frozen_stats);
}

/* The axis of the features of an x of so many axes; `rank` where it has none. */
static inline uint32_t normd_batch_norm_axis(const normd_batch_norm *norm, uint32_t rank)
{
    int64_t axis = norm->axis > 0 ? norm->axis : (int64_t)rank + norm->axis;
    return axis > 0 && axis < (int64_t)rank ? (uint32_t)axis : rank;
}

/* Reading and telling of options (batch_norm_options.c, batch_norm_describe.c). */
normd_layer *normd_batch_norm_create(const normd_layer_source *source);
json_t *normd_batch_norm_describe(const normd_layer *layer, normd_convention convention);

/* The same of virtual batches, batch renormalization and masks (batch_norm_variants.c). Declared
   statistics go behind those that every batch norm has. */
void normd_batch_norm_read_variants(normd_batch_norm *norm, const normd_layer_source *source);
void normd_batch_norm_declare_renorm(normd_batch_norm *norm, const normd_layer_source *source);
bool normd_batch_norm_put_variants(
    json_t *map, const normd_batch_norm *norm, normd_convention convention);
/* Initial values of renormalization's statistics: those of the running ones. */
void normd_batch_norm_initialize(
    const normd_layer *layer, const char *parameters, char *statistics);

/* Passes (batch_norm_forward.c, batch_norm_infer.c, batch_norm_backward.c). */
normd_status normd_batch_norm_forward(const normd_layer_pass *pass, normd_error *error);
normd_status normd_batch_norm_infer(const normd_layer_pass *pass, normd_error *error);
void normd_batch_norm_derive(
    const normd_layer *layer, const char *parameters, const char *statistics, char *derived);
void normd_batch_norm_backward(const normd_layer_pass *pass);

/* Normalizes with the running statistics; `derived` as derive left it. */
void normd_batch_norm_normalize_running(const normd_layer_pass *pass, const char *derived);

#endif
