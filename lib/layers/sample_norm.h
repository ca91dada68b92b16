// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_SAMPLE_NORM_H
#define NORMD_LAYERS_SAMPLE_NORM_H

#include "lib/layers/layer.h"

/*
 * The siblings of batch norm: normalization of each sample on its own.
 *
 *   layer_norm     over the last axes of x (Ba, Kiros and Hinton, 2016), gamma and beta of their
 *                  shape
 *   rms_norm       the same with the mean taken as 0, and no beta (Zhang and Sennrich, 2019)
 *   group_norm     over each group of features and all spatial axes (Wu and He, 2018), gamma and
 *                  beta a feature
 *   instance_norm  over the spatial axes (Ulyanov, Vedaldi and Lempitsky, 2016): groups of one
 *                  feature
 *
 *   y = (x - mean) / sqrt(var + eps) * gamma + beta, mean and var (biased) of the values that are
 *   normalized together
 *
 * Training and inference mode are the same, but for an instance norm with running statistics. Its
 * training forward moves them towards the averages of the samples' moments; in inference mode, and
 * when it is frozen (trainable: false), it normalizes with them.
 */
extern const normd_layer_operations normd_layer_norm_operations;
extern const normd_layer_operations normd_rms_norm_operations;
extern const normd_layer_operations normd_group_norm_operations;
extern const normd_layer_operations normd_instance_norm_operations;

typedef struct normd_sample_norm {
    normd_layer base;
    const char *type;            /* as asked for: "instance_norm2d" */
    normd_convention convention; /* of the session: what `momentum` means */
    bool over_last_axes;         /* layer and RMS norm; else groups of features */
    bool about_zero;             /* RMS norm */
    normd_shape normalized;      /* over_last_axes: their extents */
    bool channels_last;          /* groups: axis -1, else 1 */
    size_t features;             /* values of gamma */
    size_t groups;               /* of features; 1 where over_last_axes */
    bool instances;              /* the groups were given as -1 */
    double eps;
    bool scale, center;
    bool trainable;
    /* Of instance norm. */
    uint32_t rank; /* of x, which instance_norm1d and its kin fix; else 0 */
    bool track;
    bool cumulative; /* momentum null: take = 1 / batches, counted after this one */
    double momentum; /* as given */
    double keep, take;
    bool unbiased; /* which variance the running one stores */
    bool single_value_allowed;
    /* Into base.tensor; NULL where the layer has none. */
    const normd_layer_tensor *gamma, *beta, *mean, *var, *batches;
    void *zeros, *ones; /* `features` of each of the layer's type, for what is left out */
} normd_sample_norm;

static inline const normd_sample_norm *normd_sample_norm_of(const normd_layer *layer)
{
    return (const normd_sample_norm *)layer;
}

/* Whether a training pass normalizes with the samples' own moments. */
static inline bool normd_sample_norm_uses_sample(const normd_sample_norm *norm)
{
    return !norm->track || norm->trainable;
}

/* gamma and beta, or what stands for them. */
static inline const void *normd_sample_norm_gamma(
    const normd_sample_norm *norm, const char *parameters)
{
    return norm->gamma != NULL ? parameters + norm->gamma->offset : norm->ones;
}

static inline const void *normd_sample_norm_beta(
    const normd_sample_norm *norm, const char *parameters)
{
    return norm->beta != NULL ? parameters + norm->beta->offset : norm->zeros;
}

/* Reading and telling of options (sample_norm_options.c, sample_norm_describe.c). */
normd_layer *normd_layer_norm_create(const normd_layer_source *source);
normd_layer *normd_rms_norm_create(const normd_layer_source *source);
normd_layer *normd_group_norm_create(const normd_layer_source *source);
normd_layer *normd_instance_norm_create(const normd_layer_source *source);
json_t *normd_sample_norm_describe(const normd_layer *layer, normd_convention convention);

/* Passes (sample_norm_forward.c, sample_norm_infer.c, sample_norm_backward.c). */
normd_status normd_sample_norm_forward(const normd_layer_pass *pass, normd_error *error);
normd_status normd_sample_norm_infer(const normd_layer_pass *pass, normd_error *error);
void normd_sample_norm_derive(
    const normd_layer *layer, const char *parameters, const char *statistics, char *derived);
void normd_sample_norm_backward(const normd_layer_pass *pass);

/* Normalizes with the running statistics; `derived` as derive left it. */
void normd_sample_norm_normalize_running(const normd_layer_pass *pass, const char *derived);

#endif
