// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/batch_norm.h"

static json_t *momentum_in(const normd_batch_norm *norm, normd_convention convention)
{
    if (norm->cumulative) {
        return json_null();
    }
    bool same = normd_convention_facts_of(convention)->momentum_keeps ==
                normd_convention_facts_of(norm->convention)->momentum_keeps;
    return json_real(same ? norm->momentum : normd_convention_complement(norm->momentum));
}

static bool put_affine(json_t *map, const normd_batch_norm *norm, normd_convention convention)
{
    if (convention == NORMD_PYTORCH && norm->scale == norm->center) {
        return normd_layer_put(map, "affine", json_boolean(norm->scale));
    }
    return normd_layer_put(map, "center", json_boolean(norm->center)) &&
           normd_layer_put(map, "scale", json_boolean(norm->scale));
}

json_t *normd_batch_norm_describe(const normd_layer *layer, normd_convention convention)
{
    const normd_batch_norm *norm = normd_batch_norm_of(layer);
    const char *eps = convention == NORMD_KERAS ? "epsilon" : "eps";
    json_t *map = json_object();
    bool ok = map != NULL && normd_layer_put(map, "type", json_string(norm->type)) &&
              normd_layer_put_features(map, layer, "features", norm->features) &&
              normd_layer_put(map, eps, json_real(norm->eps)) &&
              normd_layer_put(map, "momentum", momentum_in(norm, convention)) &&
              put_affine(map, norm, convention) &&
              normd_layer_put(map, "track_running_stats", json_boolean(norm->track)) &&
              normd_layer_put(map, "axis", json_integer(norm->axis)) &&
              normd_layer_put(
                  map, "running_variance", json_string(norm->unbiased ? "unbiased" : "biased")) &&
              normd_batch_norm_put_variants(map, norm, convention) &&
              normd_layer_put_initializers(map, layer, convention) &&
              normd_layer_put(map, "trainable", json_boolean(norm->trainable)) &&
              normd_layer_put(map, "frozen_stats", json_boolean(norm->frozen_stats)) &&
              normd_layer_put(map, "on_single_value",
                  json_string(norm->single_value_allowed ? "allow" : "error")) &&
              normd_layer_put(map, "on_nonfinite",
                  json_string(layer->propagates_nonfinite ? "propagate" : "reject"));
    if (!ok) {
        json_decref(map);
        return NULL;
    }
    return map;
}
