// SPDX-License-Identifier: Apache-2.0
#include "lib/optimizers/rule.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Adam (Kingma and Ba, 2015). PyTorch corrects both averages before the division; Keras has the
   corrections in the rate, which makes its epsilon another one ("epsilon hat" in the paper). The
   corrections are computed in double also for float parameters, where 1 - beta2^t would lose half
   of its digits. */

typedef struct adam_scalars {
    double lr;
    double decay;
    double take_1; /* 1 - beta1 */
    double keep_2; /* beta2 */
    double take_2; /* 1 - beta2 */
    double step;   /* the rate with the corrections that belong to it */
    double root_correction;
    double eps;
} adam_scalars;

#define REAL float
#define LOOP(name) name##_f32
#define SQRT sqrtf
#include "lib/optimizers/adam_loops.h"
#undef REAL
#undef LOOP
#undef SQRT

#define REAL double
#define LOOP(name) name##_f64
#define SQRT sqrt
#include "lib/optimizers/adam_loops.h"
#undef REAL
#undef LOOP
#undef SQRT

/* A beta is in [0, 1). */
static void check_beta(normd_options *options, const char *key, double beta)
{
    if (beta >= 1.0) {
        normd_options_fail(options, key, "expected a number below 1, got %g", beta);
    }
}

/* Keras' way to write the betas. */
static void read_beta_keys(normd_adam_options *adam, normd_options *options)
{
    adam->beta_1 = normd_options_number(options, "beta_1", adam->beta_1, 0.0, 1.0);
    adam->beta_2 = normd_options_number(options, "beta_2", adam->beta_2, 0.0, 1.0);
    check_beta(options, "beta_1", adam->beta_1);
    check_beta(options, "beta_2", adam->beta_2);
}

static void read_betas(normd_adam_options *adam, normd_options *options)
{
    const json_t *betas = normd_options_any(options, "betas");
    if (betas == NULL) {
        return;
    }
    double beta[2] = {-1.0, -1.0};
    for (size_t i = 0; i < 2 && json_array_size(betas) == 2; i++) {
        const json_t *value = json_array_get(betas, i);
        beta[i] = json_is_number(value) ? json_number_value(value) : -1.0;
    }
    if (!(beta[0] >= 0.0 && beta[0] < 1.0 && beta[1] >= 0.0 && beta[1] < 1.0)) {
        char got[NORMD_OPTIONS_SHOW_BYTES];
        normd_options_fail(options, "betas", "expected a list of two numbers in [0, 1), got %s",
            normd_options_show(betas, got, sizeof got));
        return;
    }
    adam->beta_1 = beta[0];
    adam->beta_2 = beta[1];
}

static void adam_read(normd_optimizer *optimizer, normd_options *options)
{
    normd_adam_options *adam = &optimizer->adam;
    bool keras = optimizer->convention == NORMD_KERAS;
    adam->beta_1 = 0.9;
    adam->beta_2 = 0.999;
    if (keras && (normd_options_has(options, "beta_1") || normd_options_has(options, "beta_2"))) {
        read_beta_keys(adam, options);
    } else {
        read_betas(adam, options);
    }
    const char *eps_key = keras && normd_options_has(options, "epsilon") ? "epsilon" : "eps";
    adam->eps = normd_options_number(options, eps_key, keras ? 1e-7 : 1e-8, 0.0, INFINITY);
    adam->weight_decay = normd_rule_weight_decay(optimizer, options);
}

static void adam_describe(
    const normd_optimizer *optimizer, normd_convention convention, json_t *description)
{
    bool keras = convention == NORMD_KERAS;
    const normd_adam_options *adam = &optimizer->adam;
    if (keras) {
        json_object_set_new(description, "beta_1", json_real(adam->beta_1));
        json_object_set_new(description, "beta_2", json_real(adam->beta_2));
    } else {
        json_object_set_new(description, "betas", json_pack("[f, f]", adam->beta_1, adam->beta_2));
    }
    json_object_set_new(description, keras ? "epsilon" : "eps", json_real(adam->eps));
    json_object_set_new(description, "weight_decay", json_real(adam->weight_decay));
}

static const char *adam_slot_name(const normd_optimizer *optimizer, size_t slot)
{
    (void)optimizer;
    return slot == 0 ? "exp_avg" : slot == 1 ? "exp_avg_sq" : NULL;
}

static void adam_update(const normd_optimizer *optimizer, double lr, const normd_update *update)
{
    const normd_adam_options *adam = &optimizer->adam;
    bool keras = optimizer->convention == NORMD_KERAS;
    double correction_1 = 1.0 - pow(adam->beta_1, (double)update->step);
    double root_correction = sqrt(1.0 - pow(adam->beta_2, (double)update->step));
    adam_scalars scalars = {
        .lr = lr,
        .decay = adam->weight_decay,
        .take_1 = 1.0 - adam->beta_1,
        .keep_2 = adam->beta_2,
        .take_2 = 1.0 - adam->beta_2,
        .step = keras ? lr * root_correction / correction_1 : lr / correction_1,
        .root_correction = root_correction,
        .eps = adam->eps,
    };
    if (update->dtype == NORMD_F32) {
        update_f32(&scalars, keras, update);
    } else {
        update_f64(&scalars, keras, update);
    }
}

const normd_optimizer_rule normd_adam_rule = {
    .type = "adam",
    .read = adam_read,
    .describe = adam_describe,
    .slot_name = adam_slot_name,
    .update = adam_update,
    .pytorch_lr = 1e-3,
    .keras_lr = 1e-3,
};
