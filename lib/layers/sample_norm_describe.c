// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/sample_norm.h"

static json_t *momentum_in(const normd_sample_norm *norm, normd_convention convention)
{
    if (norm->cumulative) {
        return json_null();
    }
    bool same = normd_convention_facts_of(convention)->momentum_keeps ==
                normd_convention_facts_of(norm->convention)->momentum_keeps;
    return json_real(same ? norm->momentum : normd_convention_complement(norm->momentum));
}

/* [-2, -1]; -1 alone as a number. */
static json_t *axes_of(const normd_sample_norm *norm)
{
    if (norm->normalized.rank == 1) {
        return json_integer(-1);
    }
    json_t *list = json_array();
    for (uint32_t axis = norm->normalized.rank; axis > 0; axis--) {
        json_array_append_new(list, json_integer(-(json_int_t)axis));
    }
    return list;
}

static json_t *extents_of(const normd_sample_norm *norm)
{
    json_t *list = json_array();
    for (uint32_t axis = 0; axis < norm->normalized.rank; axis++) {
        json_array_append_new(list, json_integer((json_int_t)norm->normalized.dim[axis]));
    }
    return list;
}

static bool put_place(json_t *map, const normd_sample_norm *norm, normd_convention convention)
{
    bool keras = convention == NORMD_KERAS;
    if (norm->over_last_axes) {
        return normd_layer_put(map, "normalized_shape", extents_of(norm)) &&
               (!keras || normd_layer_put(map, "axis", axes_of(norm)));
    }
    bool grouped = norm->base.operations == &normd_group_norm_operations;
    const char *features = keras || !grouped ? "features" : "num_channels";
    json_int_t groups = norm->instances && norm->base.lazy ? -1 : (json_int_t)norm->groups;
    return (!grouped ||
               normd_layer_put(map, keras ? "groups" : "num_groups", json_integer(groups))) &&
           normd_layer_put_features(map, &norm->base, features, norm->features) &&
           normd_layer_put(map, "axis", json_integer(norm->channels_last ? -1 : 1));
}

static bool put_affine(json_t *map, const normd_sample_norm *norm, normd_convention convention)
{
    bool sayable = norm->scale || !norm->center;
    if (convention == NORMD_PYTORCH && sayable) {
        const char *affine = norm->over_last_axes ? "elementwise_affine" : "affine";
        return normd_layer_put(map, affine, json_boolean(norm->scale)) &&
               (norm->about_zero ||
                   normd_layer_put(map, "bias", json_boolean(norm->center || !norm->scale)));
    }
    return (norm->about_zero || normd_layer_put(map, "center", json_boolean(norm->center))) &&
           normd_layer_put(map, "scale", json_boolean(norm->scale));
}

static bool put_running(json_t *map, const normd_sample_norm *norm, normd_convention convention)
{
    if (norm->base.operations != &normd_instance_norm_operations) {
        return true;
    }
    return normd_layer_put(map, "track_running_stats", json_boolean(norm->track)) &&
           normd_layer_put(map, "momentum", momentum_in(norm, convention)) &&
           normd_layer_put(
               map, "running_variance", json_string(norm->unbiased ? "unbiased" : "biased")) &&
           normd_layer_put(
               map, "on_single_value", json_string(norm->single_value_allowed ? "allow" : "error"));
}

json_t *normd_sample_norm_describe(const normd_layer *layer, normd_convention convention)
{
    const normd_sample_norm *norm = normd_sample_norm_of(layer);
    const char *eps = convention == NORMD_KERAS ? "epsilon" : "eps";
    json_t *map = json_object();
    bool ok = map != NULL && normd_layer_put(map, "type", json_string(norm->type)) &&
              put_place(map, norm, convention) && normd_layer_put(map, eps, json_real(norm->eps)) &&
              put_affine(map, norm, convention) && put_running(map, norm, convention) &&
              normd_layer_put_initializers(map, layer, convention) &&
              normd_layer_put(map, "trainable", json_boolean(norm->trainable)) &&
              normd_layer_put(map, "on_nonfinite",
                  json_string(layer->propagates_nonfinite ? "propagate" : "reject"));
    if (!ok) {
        json_decref(map);
        return NULL;
    }
    return map;
}
