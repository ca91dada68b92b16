// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/norm_walk.h"
#include "lib/layers/sample_norm_memory.h"

void normd_sample_norm_derive(
    const normd_layer *layer, const char *parameters, const char *statistics, char *derived)
{
    const normd_sample_norm *norm = normd_sample_norm_of(layer);
    if (!norm->track) {
        return;
    }
    normd_norm_fold fold = {
        .dtype = layer->dtype,
        .features = norm->features,
        .eps = norm->eps,
        .gamma = normd_sample_norm_gamma(norm, parameters),
        .var = statistics + norm->var->offset,
    };
    normd_norm_derive(&fold, derived);
}

void normd_sample_norm_normalize_running(const normd_layer_pass *pass, const char *derived)
{
    const normd_sample_norm *norm = normd_sample_norm_of(pass->layer);
    normd_sample_view view = normd_sample_view_of(norm, &pass->shape);
    normd_geometry geometry = normd_sample_view_features(norm, &view, &pass->shape);
    normd_normalizer normalizer = {
        .mean_high = pass->statistics + norm->mean->offset,
        .mean_low = norm->zeros,
        .scale = derived,
        .bias = normd_sample_norm_beta(norm, pass->parameters),
    };
    normd_norm_walk(pass, &geometry, &normalizer);
}
