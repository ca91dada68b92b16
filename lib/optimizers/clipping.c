// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "lib/optimizers/rule.h"

/* The names of each way to clip: torch.nn.utils' functions, Keras' arguments. */
static const struct {
    const char *pytorch, *keras;
} names[] = {
    [NORMD_CLIP_VALUE] = {"clip_grad_value", "clipvalue"},
    [NORMD_CLIP_NORM_EACH] = {"clip_grad_norm_each", "clipnorm"},
    [NORMD_CLIP_NORM] = {"clip_grad_norm", "global_clipnorm"},
};

void normd_clipping_read(normd_optimizer *optimizer, normd_options *options)
{
    const char *chosen = NULL;
    for (int kind = NORMD_CLIP_VALUE; kind <= NORMD_CLIP_NORM; kind++) {
        const char *key =
            normd_rule_key(options, optimizer->convention, names[kind].pytorch, names[kind].keras);
        bool none = !normd_options_has(options, key);
        double most = normd_options_number_or_null(options, key, 0.0, 0.0, INFINITY, &none);
        if (none) {
            continue;
        }
        if (most == 0.0) {
            normd_options_fail(options, key, "expected a number above 0 or null, got 0");
        }
        if (chosen != NULL) {
            normd_options_fail(
                options, key, "expected one way to clip gradients, got \"%s\" as well", chosen);
        }
        chosen = key;
        optimizer->clipping = (normd_clipping){.kind = (normd_clipping_kind)kind, .most = most};
    }
}

bool normd_clipping_describe(
    const normd_optimizer *optimizer, normd_convention convention, json_t *description)
{
    bool ok = true;
    for (int kind = NORMD_CLIP_VALUE; kind <= NORMD_CLIP_NORM && ok; kind++) {
        const char *key = convention == NORMD_KERAS ? names[kind].keras : names[kind].pytorch;
        bool chosen = (int)optimizer->clipping.kind == kind;
        json_t *value = chosen ? json_real(optimizer->clipping.most) : json_null();
        ok = json_object_set_new(description, key, value) == 0;
    }
    return ok;
}

const normd_clipping *normd_optimizer_clipping(const normd_optimizer *optimizer)
{
    return &optimizer->clipping;
}

double normd_optimizer_clip_factor(const normd_optimizer *optimizer, double norm)
{
    double most = optimizer->clipping.most;
    if (optimizer->convention == NORMD_KERAS) {
        return norm > most ? most / norm : 1.0;
    }
    double factor = most / (norm + 1e-6);
    return factor < 1.0 ? factor : 1.0;
}
