// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/batch_norm.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_FEATURES = 1 << 30 };

/* The features that come before the layer, or 0 when nothing tells them. */
static size_t features_before(const normd_batch_norm *norm, const normd_layer_source *source)
{
    const normd_shape *shape = &source->flow->shape;
    if (shape->rank == 0) {
        return source->flow->features;
    }
    if (shape->rank < 2) {
        normd_options_fail(
            source->options, "type", "expected an input of rank 2 or more before it");
        return 0;
    }
    return shape->dim[norm->channels_last ? shape->rank - 1 : 1];
}

static void read_features(normd_batch_norm *norm, const normd_layer_source *source)
{
    normd_options *options = source->options;
    size_t before = features_before(norm, source);
    int64_t features = normd_options_integer(options, "features", (int64_t)before, 1, MAX_FEATURES);
    if (features == 0 || features > MAX_FEATURES) {
        normd_options_fail(options, "features",
            "expected a number, since neither `input` nor an earlier layer tells it; got nothing");
    } else if (before != 0 && (size_t)features != before) {
        normd_options_fail(options, "features", "expected %zu, what comes before, got %lld", before,
            (long long)features);
    }
    norm->features = (size_t)features;
    source->flow->features = norm->features;
}

static void read_axis(normd_batch_norm *norm, const normd_layer_source *source)
{
    const json_t *value = normd_options_any(source->options, "axis");
    json_int_t axis = value != NULL ? json_integer_value(value)
                                    : normd_convention_facts_of(source->convention)->axis;
    if (axis != 1 && axis != -1) { /* 0 for what is no integer */
        char got[NORMD_OPTIONS_SHOW_BYTES];
        normd_options_fail(source->options, "axis",
            "expected 1 (features second) or -1 (features last), got %s",
            normd_options_show(value, got, sizeof got));
    }
    norm->channels_last = axis == -1;
}

static void read_momentum(normd_batch_norm *norm, const normd_layer_source *source)
{
    const normd_convention_facts *facts = normd_convention_facts_of(source->convention);
    norm->momentum = normd_options_number_or_null(
        source->options, "momentum", facts->momentum, 0.0, 1.0, &norm->cumulative);
    norm->keep = facts->momentum_keeps ? norm->momentum : 1.0 - norm->momentum;
    norm->take = facts->momentum_keeps ? 1.0 - norm->momentum : norm->momentum;
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

static void declare_parameters(normd_batch_norm *norm, const normd_layer_source *source)
{
    normd_layer_tensor gamma = {
        .name = "weight",
        .role = NORMD_ROLE_NORM_WEIGHT,
        .trainable = norm->trainable,
        .init_name = {"weight_init", "gamma_initializer"},
        .init_default = "ones",
    };
    normd_layer_tensor beta = {
        .name = "bias",
        .role = NORMD_ROLE_NORM_BIAS,
        .trainable = norm->trainable,
        .init_name = {"bias_init", "beta_initializer"},
        .init_default = "zeros",
    };
    if (norm->scale) {
        norm->gamma = declare_vector(norm, source, gamma);
    }
    if (norm->center) {
        norm->beta = declare_vector(norm, source, beta);
    }
}

static void declare_statistics(normd_batch_norm *norm, const normd_layer_source *source)
{
    normd_layer_tensor mean = {
        .name = "running_mean",
        .slab = NORMD_SLAB_STATISTICS,
        .init_name = {"running_mean_init", "moving_mean_initializer"},
        .init_default = "zeros",
    };
    normd_layer_tensor var = {
        .name = "running_var",
        .slab = NORMD_SLAB_STATISTICS,
        .not_negative = true,
        .init_name = {"running_var_init", "moving_variance_initializer"},
        .init_default = "ones",
    };
    normd_layer_tensor batches = {
        .name = "num_batches_tracked",
        .slab = NORMD_SLAB_STATISTICS,
        .not_negative = true,
        .dtype = NORMD_I64,
        .shape = {.rank = 0},
    };
    norm->mean = declare_vector(norm, source, mean);
    norm->var = declare_vector(norm, source, var);
    normd_layer_declare(&norm->base, source, &batches);
    norm->batches = &norm->base.tensor[norm->base.tensors - 1];
}

normd_layer *normd_batch_norm_create(const normd_layer_source *source)
{
    normd_options *options = source->options;
    const normd_convention_facts *facts = normd_convention_facts_of(source->convention);
    bool keras = source->convention == NORMD_KERAS;
    normd_batch_norm *norm = calloc(1, sizeof *norm);
    if (norm == NULL) {
        return NULL;
    }
    norm->base.operations = &normd_batch_norm_operations;
    norm->base.dtype = source->dtype;
    norm->convention = source->convention;
    read_axis(norm, source);
    read_features(norm, source);
    const char *eps = normd_layer_key(options, keras ? "epsilon" : "eps", "eps");
    norm->eps = normd_options_number(options, eps, facts->eps, 0.0, INFINITY);
    read_momentum(norm, source);
    read_affine(norm, options);
    read_rules(norm, source);
    if (options->error.status == NORMD_OK) {
        norm->base.own_bytes = norm->features * normd_dtype_size(source->dtype);
        declare_parameters(norm, source);
    }
    if (options->error.status == NORMD_OK && norm->track) {
        declare_statistics(norm, source);
        norm->base.derived_bytes = norm->features * normd_dtype_size(source->dtype);
    }
    return &norm->base;
}
