// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/batch_norm.h"
#include "lib/layers/norm_tensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FEATURES = 1 << 30 };

/* The names of this kind, and the ranks of x that each takes: PyTorch's three, and any. */
static const struct kind {
    const char *type;
    uint32_t least_rank, largest_rank;
    const char *axes;
} kinds[] = {
    {"batch_norm1d", 2, 3, "2 or 3 axes"},
    {"batch_norm2d", 4, 4, "4 axes"},
    {"batch_norm3d", 5, 5, "5 axes"},
    {"batch_norm", 2, NORMD_MAX_RANK, "2 axes or more"},
};

static void read_kind(normd_batch_norm *norm, const normd_layer_source *source)
{
    const struct kind *kind = kinds;
    while (kind->largest_rank < NORMD_MAX_RANK && strcmp(kind->type, source->type) != 0) {
        kind++;
    }
    norm->type = kind->type;
    norm->axes = kind->axes;
    norm->least_rank = kind->least_rank;
    norm->largest_rank = kind->largest_rank;
    uint32_t rank = source->flow->shape.rank;
    if (rank != 0 && (rank < kind->least_rank || rank > kind->largest_rank)) {
        normd_options_fail(source->options, "type",
            "expected an input of %s before %s, got one of %u axes", kind->axes, kind->type, rank);
    }
}

/* The features that come before the layer, or 0 when nothing tells them. */
static size_t features_before(const normd_batch_norm *norm, const normd_layer_source *source)
{
    const normd_flow *flow = source->flow;
    if (flow->shape.rank == 0) {
        bool here = flow->features_axis == 0 || flow->features_axis == norm->axis;
        return here ? flow->features : 0;
    }
    uint32_t axis = normd_batch_norm_axis(norm, flow->shape.rank);
    return axis < flow->shape.rank ? flow->shape.dim[axis] : 0;
}

static void read_features(normd_batch_norm *norm, const normd_layer_source *source)
{
    const char *key = normd_layer_key(source->options, "features", "num_features");
    norm->features = normd_layer_read_features(
        &norm->base, source, key, features_before(norm, source), MAX_FEATURES);
    normd_flow *flow = source->flow;
    uint32_t axis = normd_batch_norm_axis(norm, flow->shape.rank);
    if (axis < flow->shape.rank) {
        flow->shape.dim[axis] = norm->features;
    }
    flow->features = norm->features;
    flow->features_axis = norm->axis;
}

/* An integer, or TensorFlow's list of one. Both ways to count reach every axis but the batch's. */
static void read_axis(normd_batch_norm *norm, const normd_layer_source *source)
{
    norm->axis = normd_convention_facts_of(source->convention)->axis;
    const json_t *value = normd_options_any(source->options, "axis");
    if (value == NULL) {
        return;
    }
    uint32_t rank = source->flow->shape.rank;
    json_int_t most = (json_int_t)(rank != 0 ? rank : norm->largest_rank) - 1;
    const json_t *only = json_array_size(value) == 1 ? json_array_get(value, 0) : value;
    json_int_t axis = json_integer_value(only); /* 0 for what is no integer */
    if (axis == 0 || axis < -most || axis > most) {
        char got[NORMD_OPTIONS_SHOW_BYTES];
        normd_options_fail(source->options, "axis",
            "expected one axis of the features: 1 (second) to %d, or -1 (last) to %d from the end, "
            "got %s",
            (int)most, (int)-most, normd_options_show(value, got, sizeof got));
        return;
    }
    norm->axis = (int)axis;
}

static void read_momentum(normd_batch_norm *norm, const normd_layer_source *source)
{
    const normd_convention_facts *facts = normd_convention_facts_of(source->convention);
    norm->momentum = normd_options_number_or_null(
        source->options, "momentum", facts->momentum, 0.0, 1.0, &norm->cumulative);
    double rest = normd_convention_complement(norm->momentum);
    norm->keep = facts->momentum_keeps ? norm->momentum : rest;
    norm->take = facts->momentum_keeps ? rest : norm->momentum;
}

static void read_affine(normd_batch_norm *norm, normd_options *options)
{
    bool affine = normd_options_bool(options, "affine", true);
    if (normd_options_has(options, "affine") &&
        (normd_options_has(options, "scale") || normd_options_has(options, "center"))) {
        normd_options_fail(options, "affine", "expected it alone, or scale and center, got both");
    }
    norm->scale = normd_options_bool(options, "scale", affine);
    norm->center = normd_options_bool(options, "center", affine);
}

static void read_rules(normd_batch_norm *norm, const normd_layer_source *source)
{
    static const char *const variances[] = {"biased", "unbiased", NULL};
    static const char *const singles[] = {"error", "allow", NULL};
    static const char *const nonfinites[] = {"reject", "propagate", NULL};
    const normd_convention_facts *facts = normd_convention_facts_of(source->convention);
    normd_options *options = source->options;
    norm->track = normd_options_bool(options, "track_running_stats", true);
    norm->trainable = normd_options_bool(options, "trainable", true);
    /* Keras' statistics of several devices together: here there is one set of them anyway. */
    (void)normd_options_bool(options, "synchronized", false);
    norm->frozen_stats = normd_options_bool(options, "frozen_stats", false);
    if (norm->frozen_stats && !norm->track) {
        normd_options_fail(
            options, "frozen_stats", "expected false where track_running_stats is false, got true");
    }
    norm->unbiased =
        normd_options_word(options, "running_variance", variances, facts->running_unbiased) == 1;
    norm->single_value_allowed =
        normd_options_word(options, "on_single_value", singles, facts->single_value_allowed) == 1;
    norm->base.propagates_nonfinite =
        normd_options_word(options, "on_nonfinite", nonfinites, 0) == 1;
    norm->base.checks_input = normd_batch_norm_uses_batch(norm);
}

static const normd_layer_tensor *declare_vector(
    normd_batch_norm *norm, const normd_layer_source *source, normd_layer_tensor tensor)
{
    tensor.dtype = source->dtype;
    tensor.shape = (normd_shape){.rank = 1, .dim = {norm->features}};
    tensor.fan_in = norm->features;
    tensor.fan_out = norm->features;
    normd_layer_declare(&norm->base, source, &tensor);
    return &norm->base.tensor[norm->base.tensors - 1];
}

/* Initial values of what the layer does not have. */
static void refuse_initial(
    const normd_layer_source *source, const normd_layer_tensor *tensor, const char *needed)
{
    for (size_t i = 0; i < NORMD_CONVENTION_COUNT; i++) {
        if (normd_options_has(source->options, tensor->init_name[i])) {
            normd_options_fail(source->options, tensor->init_name[i],
                "expected %s to be true where it is given, got false", needed);
        }
    }
}

static void declare_parameters(normd_batch_norm *norm, const normd_layer_source *source)
{
    normd_norm_tensors tensors = normd_norm_tensors_of(norm->trainable);
    if (norm->scale) {
        norm->gamma = declare_vector(norm, source, tensors.gamma);
    } else {
        refuse_initial(source, &tensors.gamma, "affine or scale");
    }
    if (norm->center) {
        norm->beta = declare_vector(norm, source, tensors.beta);
    } else {
        refuse_initial(source, &tensors.beta, "affine or center");
    }
}

static void declare_statistics(normd_batch_norm *norm, const normd_layer_source *source)
{
    normd_norm_tensors tensors = normd_norm_tensors_of(norm->trainable);
    if (!norm->track) {
        refuse_initial(source, &tensors.mean, "track_running_stats");
        refuse_initial(source, &tensors.var, "track_running_stats");
        return;
    }
    norm->base.derived_bytes = norm->features * normd_dtype_size(source->dtype);
    norm->mean = declare_vector(norm, source, tensors.mean);
    norm->var = declare_vector(norm, source, tensors.var);
    normd_layer_declare(&norm->base, source, &tensors.batches);
    norm->batches = &norm->base.tensor[norm->base.tensors - 1];
}

normd_layer *normd_batch_norm_create(const normd_layer_source *source)
{
    normd_options *options = source->options;
    const normd_convention_facts *facts = normd_convention_facts_of(source->convention);
    normd_batch_norm *norm = calloc(1, sizeof *norm);
    if (norm == NULL) {
        return NULL;
    }
    norm->base.operations = &normd_batch_norm_operations;
    norm->base.dtype = source->dtype;
    norm->convention = source->convention;
    read_kind(norm, source);
    read_axis(norm, source);
    read_features(norm, source);
    const char *eps = normd_layer_name(source, "eps", "epsilon");
    norm->eps = normd_options_number(options, eps, facts->eps, 0.0, INFINITY);
    read_momentum(norm, source);
    read_affine(norm, options);
    read_rules(norm, source);
    normd_batch_norm_read_variants(norm, source);
    if (options->error.status == NORMD_OK) {
        norm->base.own_bytes = norm->features * normd_dtype_size(source->dtype);
        declare_parameters(norm, source);
        declare_statistics(norm, source);
        normd_batch_norm_declare_renorm(norm, source);
    }
    return &norm->base;
}
