// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/batch_norm_mask.h"
#include "lib/layers/batch_norm_view.h"
#include "lib/layers/norm_walk.h"

void normd_batch_norm_derive(
    const normd_layer *layer, const char *parameters, const char *statistics, char *derived)
{
    const normd_batch_norm *norm = normd_batch_norm_of(layer);
    if (!norm->track) {
        return;
    }
    normd_norm_fold fold = {
        .dtype = layer->dtype,
        .features = norm->features,
        .eps = norm->eps,
        .gamma = norm->gamma != NULL ? parameters + norm->gamma->offset : NULL,
        .var = statistics + norm->var->offset,
    };
    normd_norm_derive(&fold, derived);
}

void normd_batch_norm_normalize_running(const normd_layer_pass *pass, const char *derived)
{
    const normd_batch_norm *norm = normd_batch_norm_of(pass->layer);
    normd_geometry geometry = normd_batch_norm_geometry(norm, &pass->shape);
    normd_normalizer normalizer = {
        .mean_high = pass->statistics + norm->mean->offset,
        .mean_low = norm->zeros,
        .scale = derived,
        .bias = norm->beta != NULL ? pass->parameters + norm->beta->offset : norm->zeros,
        .relu = norm->base.relu_follows,
    };
    normd_norm_walk(pass, &geometry, &normalizer);
}

normd_status normd_batch_norm_infer(const normd_layer_pass *pass, normd_error *error)
{
    const normd_batch_norm *norm = normd_batch_norm_of(pass->layer);
    if (!norm->track) {
        return normd_batch_norm_forward(pass, error);
    }
    if (pass->mask != NULL) { /* it changes nothing, but a wrong one is a mistake */
        normd_status status = normd_batch_norm_check_mask(norm, pass, error);
        if (status != NORMD_OK) {
            return status;
        }
    }
    normd_batch_norm_normalize_running(pass, pass->derived);
    return NORMD_OK;
}
