// SPDX-License-Identifier: Apache-2.0
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/layers/norm_tensors.h"
#include "lib/layers/sample_norm.h"

enum { MAX_FEATURES = 1 << 30, MAX_AXES = NORMD_MAX_RANK - 1 };

static bool is_keras(const normd_layer_source *source)
{
    return source->convention == NORMD_KERAS;
}

/* The option under either framework's name. */
static const char *key_of(const normd_layer_source *source, const char *pytorch, const char *keras)
{
    bool prefers_keras = is_keras(source);
    return normd_layer_key(
        source->options, prefers_keras ? keras : pytorch, prefers_keras ? pytorch : keras);
}

static void read_eps(normd_sample_norm *norm, const normd_layer_source *source)
{
    const char *eps = key_of(source, "eps", "epsilon");
    if (!norm->about_zero) {
        double otherwise = normd_convention_facts_of(source->convention)->eps;
        norm->eps = normd_options_number(source->options, eps, otherwise, 0.0, INFINITY);
        return;
    }
    /* torch.nn.RMSNorm's null is the distance of 1 and the next number. */
    double next = source->dtype == NORMD_F32 ? (double)FLT_EPSILON : DBL_EPSILON;
    double otherwise = is_keras(source) ? 1e-6 : next;
    bool is_null = false;
    norm->eps =
        normd_options_number_or_null(source->options, eps, otherwise, 0.0, INFINITY, &is_null);
    norm->eps = is_null ? next : norm->eps;
}

/* `affine` is PyTorch's name; with `bias` it says what Keras' scale and center say. */
static void read_affine(
    normd_sample_norm *norm, normd_options *options, const char *affine_key, bool otherwise)
{
    bool affine = normd_options_bool(options, affine_key, otherwise);
    bool bias = affine;
    bool by_affine = normd_options_has(options, affine_key);
    if (!norm->about_zero) {
        bias = normd_options_bool(options, "bias", true) && affine;
        by_affine = by_affine || normd_options_has(options, "bias");
    }
    bool apart = normd_options_has(options, "scale") || normd_options_has(options, "center");
    if (by_affine && apart) {
        normd_options_fail(options, affine_key, "expected it alone, or %s, got both",
            norm->about_zero ? "scale" : "scale and center");
    }
    norm->scale = normd_options_bool(options, "scale", affine);
    norm->center = !norm->about_zero && normd_options_bool(options, "center", bias);
}

static void read_common(normd_sample_norm *norm, const normd_layer_source *source)
{
    static const char *const nonfinites[] = {"reject", "propagate", NULL};
    norm->trainable = normd_options_bool(source->options, "trainable", true);
    norm->base.propagates_nonfinite =
        normd_options_word(source->options, "on_nonfinite", nonfinites, 0) == 1;
    norm->base.checks_input = normd_sample_norm_uses_sample(norm);
}

/* The fans of a vector are its length; of more axes, Keras' of a kernel of that shape. */
static void set_fans(normd_layer_tensor *tensor)
{
    const normd_shape *shape = &tensor->shape;
    size_t field = 1;
    for (uint32_t axis = 0; axis + 2 < shape->rank; axis++) {
        field *= shape->dim[axis];
    }
    tensor->fan_in = shape->rank == 1 ? shape->dim[0] : field * shape->dim[shape->rank - 2];
    tensor->fan_out = field * shape->dim[shape->rank - 1];
}

static const normd_layer_tensor *declare(
    normd_sample_norm *norm, const normd_layer_source *source, normd_layer_tensor tensor)
{
    tensor.dtype = source->dtype;
    tensor.shape = (normd_shape){.rank = 1, .dim = {norm->features}};
    if (norm->over_last_axes) {
        tensor.shape = norm->normalized;
    }
    set_fans(&tensor);
    normd_layer_declare(&norm->base, source, &tensor);
    return &norm->base.tensor[norm->base.tensors - 1];
}

/* Declares the tensor, if the layer has it; else its initial values are a mistake. */
static const normd_layer_tensor *declare_if(bool has, const char *needed, normd_sample_norm *norm,
    const normd_layer_source *source, normd_layer_tensor tensor)
{
    if (has) {
        return declare(norm, source, tensor);
    }
    for (size_t i = 0; i < NORMD_CONVENTION_COUNT; i++) {
        if (normd_options_has(source->options, tensor.init_name[i])) {
            normd_options_fail(source->options, tensor.init_name[i],
                "expected %s to be true where it is given, got false", needed);
        }
    }
    return NULL;
}

static void declare_parameters(normd_sample_norm *norm, const normd_layer_source *source)
{
    normd_norm_tensors tensors = normd_norm_tensors_of(norm->trainable);
    if (source->options->error.status == NORMD_OK) {
        norm->base.own_bytes = 2 * norm->features * normd_dtype_size(source->dtype);
        norm->gamma = declare_if(norm->scale, "affine or scale", norm, source, tensors.gamma);
        norm->beta = declare_if(norm->center, "affine or center", norm, source, tensors.beta);
    }
}

static void declare_statistics(normd_sample_norm *norm, const normd_layer_source *source)
{
    normd_norm_tensors tensors = normd_norm_tensors_of(norm->trainable);
    norm->mean = declare_if(norm->track, "track_running_stats", norm, source, tensors.mean);
    norm->var = declare_if(norm->track, "track_running_stats", norm, source, tensors.var);
    if (!norm->track) {
        return;
    }
    normd_layer_declare(&norm->base, source, &tensors.batches);
    norm->batches = &norm->base.tensor[norm->base.tensors - 1];
    norm->base.derived_bytes = norm->features * normd_dtype_size(source->dtype);
}

/* A whole number, or a list of some, into `number`; how many there are, 0 for a mistake. */
static uint32_t read_integers(const json_t *value, json_int_t number[MAX_AXES])
{
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    bool ok = count >= 1 && count <= MAX_AXES;
    for (size_t i = 0; i < count && ok; i++) {
        const json_t *one = json_is_array(value) ? json_array_get(value, i) : value;
        ok = json_is_integer(one);
        number[i] = json_integer_value(one);
    }
    return ok ? (uint32_t)count : 0;
}

/* How many axes from the last one back `axis` names; 0 when it is missing. */
static uint32_t read_axes(const normd_layer_source *source)
{
    const json_t *value = normd_options_any(source->options, "axis");
    if (value == NULL) {
        return 0;
    }
    json_int_t axis[MAX_AXES];
    uint32_t count = read_integers(value, axis), rank = source->flow->shape.rank;
    unsigned named = 0; /* a bit an axis, from the last one back */
    for (uint32_t i = 0; i < count; i++) {
        json_int_t back = axis[i] < 0 ? -axis[i] - 1 : (json_int_t)rank - 1 - axis[i];
        named |= back >= 0 && back < MAX_AXES ? 1U << back : 1U << MAX_AXES;
    }
    if (count == 0 || named != (1U << count) - 1) {
        char got[NORMD_OPTIONS_SHOW_BYTES];
        normd_options_fail(source->options, "axis",
            "expected -1, or a list of the last axes, such as [-2, -1], got %s",
            normd_options_show(value, got, sizeof got));
    }
    return count;
}

static bool read_extents(const json_t *value, normd_shape *shape)
{
    json_int_t extent[MAX_AXES];
    shape->rank = read_integers(value, extent);
    size_t elements = 1;
    bool ok = shape->rank > 0;
    for (uint32_t i = 0; i < shape->rank && ok; i++) {
        ok = extent[i] >= 1 && extent[i] <= MAX_FEATURES;
        shape->dim[i] = (size_t)extent[i];
        elements *= ok ? shape->dim[i] : 1;
        ok = ok && elements <= MAX_FEATURES;
    }
    return ok;
}

/* The last `axes` extents of what comes before; rank 0 when nothing tells them. */
static normd_shape extents_before(const normd_layer_source *source, uint32_t axes)
{
    const normd_flow *flow = source->flow;
    normd_shape shape = {.rank = 0};
    if (flow->shape.rank == 0 && flow->features != 0 && axes == 1 && flow->features_axis <= 0) {
        shape = (normd_shape){.rank = 1, .dim = {flow->features}};
    }
    if (flow->shape.rank > axes) {
        shape.rank = axes;
        for (uint32_t axis = 0; axis < axes; axis++) {
            shape.dim[axis] = flow->shape.dim[flow->shape.rank - axes + axis];
        }
    }
    for (uint32_t axis = 0; axis < shape.rank; axis++) {
        if (shape.dim[axis] == 0) {
            shape.rank = 0;
        }
    }
    return shape;
}

static void read_normalized(normd_sample_norm *norm, const normd_layer_source *source)
{
    normd_options *options = source->options;
    const json_t *value = normd_options_any(options, "normalized_shape");
    uint32_t axes = read_axes(source);
    if (value != NULL && !read_extents(value, &norm->normalized)) {
        char got[NORMD_OPTIONS_SHOW_BYTES];
        normd_options_fail(options, "normalized_shape",
            "expected a number of features or a list of 1 to %d extents, at most %d values in all, "
            "got %s",
            MAX_AXES, MAX_FEATURES, normd_options_show(value, got, sizeof got));
        return;
    }
    if (value != NULL && axes != 0 && axes != norm->normalized.rank) {
        normd_options_fail(options, "normalized_shape",
            "expected an extent for each of the %u axes of `axis`, got %u", axes,
            norm->normalized.rank);
        return;
    }
    axes = axes != 0 ? axes : value != NULL ? norm->normalized.rank : 1;
    normd_shape before = extents_before(source, axes);
    if (value == NULL && before.rank == 0) {
        normd_options_fail(options, "normalized_shape",
            "expected the extents of the last axes, since neither `input` nor an earlier layer "
            "tells them; got nothing");
    } else if (value != NULL && before.rank != 0 &&
               !normd_shape_equal(&before, &norm->normalized)) {
        char expected[NORMD_SHAPE_TEXT_BYTES], got[NORMD_SHAPE_TEXT_BYTES];
        normd_options_fail(options, "normalized_shape", "expected %s, what comes before, got %s",
            normd_shape_format(&before, expected, sizeof expected),
            normd_shape_format(&norm->normalized, got, sizeof got));
    } else if (value == NULL) {
        norm->normalized = before;
    }
}

static normd_sample_norm *create(
    const normd_layer_source *source, const normd_layer_operations *operations)
{
    normd_sample_norm *norm = calloc(1, sizeof *norm);
    if (norm != NULL) {
        norm->base.operations = operations;
        norm->type = operations->type;
        norm->base.dtype = source->dtype;
        norm->convention = source->convention;
        norm->groups = 1;
        norm->single_value_allowed = true;
    }
    return norm;
}

static normd_layer *create_over_last_axes(const normd_layer_source *source, bool about_zero)
{
    normd_sample_norm *norm =
        create(source, about_zero ? &normd_rms_norm_operations : &normd_layer_norm_operations);
    if (norm == NULL) {
        return NULL;
    }
    norm->over_last_axes = true;
    norm->about_zero = about_zero;
    read_normalized(norm, source);
    norm->features = 1;
    for (uint32_t axis = 0; axis < norm->normalized.rank; axis++) {
        norm->features *= norm->normalized.dim[axis];
    }
    if (source->flow->shape.rank == 0 && norm->normalized.rank == 1) {
        source->flow->features = norm->features;
        source->flow->features_axis = -1;
    }
    read_eps(norm, source);
    read_affine(norm, source->options, "elementwise_affine", true);
    read_common(norm, source);
    declare_parameters(norm, source);
    return &norm->base;
}

normd_layer *normd_layer_norm_create(const normd_layer_source *source)
{
    return create_over_last_axes(source, false);
}

normd_layer *normd_rms_norm_create(const normd_layer_source *source)
{
    return create_over_last_axes(source, true);
}

static void read_axis(normd_sample_norm *norm, const normd_layer_source *source)
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

/* The features that come before the layer, or 0 when nothing tells them. */
static size_t features_before(const normd_sample_norm *norm, const normd_flow *flow)
{
    int axis = norm->channels_last ? -1 : 1;
    if (flow->shape.rank >= 2) {
        return flow->shape.dim[norm->channels_last ? flow->shape.rank - 1 : 1];
    }
    return flow->features_axis == 0 || flow->features_axis == axis ? flow->features : 0;
}

static void read_features(
    normd_sample_norm *norm, const normd_layer_source *source, const char *pytorch_key)
{
    normd_options *options = source->options;
    normd_flow *flow = source->flow;
    if (flow->shape.rank == 1) {
        normd_options_fail(options, "type", "expected an input of rank 2 or more before it");
    }
    size_t before = features_before(norm, flow);
    const char *key = normd_layer_key(options, "features", pytorch_key);
    norm->features = normd_layer_read_features(&norm->base, source, key, before, MAX_FEATURES);
    if (flow->shape.rank >= 2) {
        flow->shape.dim[norm->channels_last ? flow->shape.rank - 1 : 1] = norm->features;
    }
    flow->features = norm->features;
    flow->features_axis = norm->channels_last ? -1 : 1;
}

static void read_groups(normd_sample_norm *norm, const normd_layer_source *source)
{
    normd_options *options = source->options;
    const char *key = key_of(source, "num_groups", "groups");
    if (!is_keras(source) && !normd_options_has(options, key)) {
        normd_options_fail(options, key, "expected the number of groups, got nothing");
    }
    int64_t groups = normd_options_integer(options, key, 32, -1, MAX_FEATURES);
    bool lazy = norm->base.lazy;
    size_t each = groups == -1 ? norm->features + lazy : (size_t)groups;
    if (each == 0 || norm->features % each != 0) {
        normd_options_fail(options, key,
            "expected a number of groups that divides the %zu features, or -1 for one feature a "
            "group, got %lld",
            norm->features, (long long)groups);
        each = 1;
    }
    norm->groups = each;
    norm->instances = groups == -1;
}

normd_layer *normd_group_norm_create(const normd_layer_source *source)
{
    normd_sample_norm *norm = create(source, &normd_group_norm_operations);
    if (norm == NULL) {
        return NULL;
    }
    read_axis(norm, source);
    read_features(norm, source, "num_channels");
    read_groups(norm, source);
    read_eps(norm, source);
    read_affine(norm, source->options, "affine", true);
    read_common(norm, source);
    declare_parameters(norm, source);
    return &norm->base;
}

/* PyTorch's three names, and the rank of x that each takes. */
static void read_kind(normd_sample_norm *norm, const normd_layer_source *source)
{
    static const char *const kinds[] = {"instance_norm1d", "instance_norm2d", "instance_norm3d"};
    norm->type = norm->base.operations->type;
    for (uint32_t i = 0; i < 3; i++) {
        if (strcmp(source->type, kinds[i]) == 0) {
            norm->type = kinds[i];
            norm->rank = 3 + i;
        }
    }
    uint32_t before = source->flow->shape.rank;
    if (norm->rank != 0 && before != 0 && before != norm->rank) {
        normd_options_fail(source->options, "type",
            "expected an input of %u axes before %s, got one of %u axes", norm->rank, norm->type,
            before);
    }
}

static void read_running(normd_sample_norm *norm, const normd_layer_source *source)
{
    static const char *const variances[] = {"biased", "unbiased", NULL};
    static const char *const singles[] = {"error", "allow", NULL};
    const normd_convention_facts *facts = normd_convention_facts_of(source->convention);
    normd_options *options = source->options;
    norm->track = normd_options_bool(options, "track_running_stats", false);
    norm->momentum = normd_options_number_or_null(
        options, "momentum", facts->momentum, 0.0, 1.0, &norm->cumulative);
    double rest = normd_convention_complement(norm->momentum);
    norm->keep = facts->momentum_keeps ? norm->momentum : rest;
    norm->take = facts->momentum_keeps ? rest : norm->momentum;
    norm->unbiased =
        normd_options_word(options, "running_variance", variances, facts->running_unbiased) == 1;
    norm->single_value_allowed =
        normd_options_word(options, "on_single_value", singles, facts->single_value_allowed) == 1;
    if (source->flow->shape.rank == 2 && !norm->single_value_allowed) {
        normd_options_fail(options, "type",
            "expected an input of 3 axes or more before %s, whose samples have more than one value "
            "a feature, got one of 2 axes",
            norm->type);
    }
}

normd_layer *normd_instance_norm_create(const normd_layer_source *source)
{
    normd_sample_norm *norm = create(source, &normd_instance_norm_operations);
    if (norm == NULL) {
        return NULL;
    }
    read_kind(norm, source);
    read_axis(norm, source);
    read_features(norm, source, "num_features");
    norm->groups = norm->features + norm->base.lazy;
    read_eps(norm, source);
    /* PyTorch's instance norm has no gamma and beta of itself; Keras' is a group norm, which has.
     */
    read_affine(norm, source->options, "affine", is_keras(source));
    read_running(norm, source);
    read_common(norm, source);
    declare_parameters(norm, source);
    if (source->options->error.status == NORMD_OK) {
        declare_statistics(norm, source);
    }
    return &norm->base;
}
