// SPDX-License-Identifier: Apache-2.0
#include "lib/optimizers/rule.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Stochastic gradient descent with momentum. The frameworks' forms differ: PyTorch's buffer holds
   gradients and weight decay is part of the gradient; Keras' holds steps, so that a new rate acts
   only on new gradients, and weight decay stands beside the step. */

typedef enum sgd_form {
    PYTORCH_PLAIN,
    PYTORCH_MOMENTUM,
    PYTORCH_NESTEROV,
    KERAS_PLAIN,
    KERAS_MOMENTUM,
    KERAS_NESTEROV,
    SGD_FORM_COUNT
} sgd_form;

typedef struct sgd_scalars {
    double lr;
    double decay;
    double momentum;
    double keep; /* of the old buffer, PyTorch only: 0 at the first step, when b = g */
    double take; /* of the gradient */
} sgd_scalars;

#define REAL float
#define LOOP(name) name##_f32
#include "lib/optimizers/sgd_loops.h"
#undef REAL
#undef LOOP

#define REAL double
#define LOOP(name) name##_f64
#include "lib/optimizers/sgd_loops.h"
#undef REAL
#undef LOOP

static void sgd_read(normd_optimizer *optimizer, normd_options *options)
{
    normd_sgd_options *sgd = &optimizer->sgd;
    bool keras = optimizer->convention == NORMD_KERAS;
    sgd->momentum = normd_options_number(options, "momentum", 0.0, 0.0, keras ? 1.0 : INFINITY);
    if (!keras) {
        sgd->dampening = normd_options_number(options, "dampening", 0.0, -INFINITY, INFINITY);
    }
    sgd->nesterov = normd_options_bool(options, "nesterov", false);
    sgd->weight_decay = normd_rule_weight_decay(optimizer, options);
    if (!keras && sgd->nesterov && (sgd->momentum == 0.0 || sgd->dampening != 0.0)) {
        normd_options_fail(options, "nesterov",
            "expected a momentum above 0 and a dampening of 0 beside true, got %g and %g",
            sgd->momentum, sgd->dampening);
    }
}

static void sgd_describe(
    const normd_optimizer *optimizer, normd_convention convention, json_t *description)
{
    (void)convention; /* the frameworks use the same words */
    const normd_sgd_options *sgd = &optimizer->sgd;
    json_object_set_new(description, "momentum", json_real(sgd->momentum));
    if (optimizer->convention == NORMD_PYTORCH) {
        json_object_set_new(description, "dampening", json_real(sgd->dampening));
    }
    json_object_set_new(description, "nesterov", json_boolean(sgd->nesterov));
    json_object_set_new(description, "weight_decay", json_real(sgd->weight_decay));
}

static const char *sgd_slot_name(const normd_optimizer *optimizer, size_t slot)
{
    return slot == 0 && optimizer->sgd.momentum != 0.0 ? "momentum_buffer" : NULL;
}

static void sgd_update(const normd_optimizer *optimizer, double lr, const normd_update *update)
{
    const normd_sgd_options *sgd = &optimizer->sgd;
    bool first = update->step == 1;
    sgd_scalars scalars = {
        .lr = lr,
        .decay = sgd->weight_decay,
        .momentum = sgd->momentum,
        .keep = first ? 0.0 : sgd->momentum,
        .take = first ? 1.0 : 1.0 - sgd->dampening,
    };
    int kind = sgd->momentum == 0.0 ? PYTORCH_PLAIN
               : sgd->nesterov      ? PYTORCH_NESTEROV
                                    : PYTORCH_MOMENTUM;
    sgd_form form = (sgd_form)(optimizer->convention == NORMD_KERAS ? kind + KERAS_PLAIN : kind);
    if (update->dtype == NORMD_F32) {
        update_f32(&scalars, form, update);
    } else {
        update_f64(&scalars, form, update);
    }
}

const normd_optimizer_rule normd_sgd_rule = {
    .type = "sgd",
    .read = sgd_read,
    .describe = sgd_describe,
    .slot_name = sgd_slot_name,
    .update = sgd_update,
    .pytorch_lr = 1e-3,
    .keras_lr = 1e-2,
};
