// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_OPTIMIZERS_RULE_H
#define NORMD_OPTIMIZERS_RULE_H

#include "lib/optimizers/optimizer.h"

/*
 * What a rule gives to the table in optimizer.c. Adding a rule: a file with these four functions, a
 * struct in the union below, a row of the table.
 */
typedef struct normd_optimizer_rule {
    const char *type; /* as in the option */
    /* Reads the options beside type, lr, weight_lr and bias_lr into the optimizer. */
    void (*read)(normd_optimizer *optimizer, normd_options *options);
    /* Adds them to the description, in the words of `convention`. */
    void (*describe)(
        const normd_optimizer *optimizer, normd_convention convention, json_t *description);
    /* The name of a slot, NULL after the last. */
    const char *(*slot_name)(const normd_optimizer *optimizer, size_t slot);
    /* `lr` is the rate of the parameter's role. */
    void (*update)(const normd_optimizer *optimizer, double lr, const normd_update *update);
    double pytorch_lr, keras_lr; /* default rates */
} normd_optimizer_rule;

typedef struct normd_sgd_options {
    double momentum;
    double dampening;
    double weight_decay;
    bool nesterov;
} normd_sgd_options;

typedef struct normd_adam_options {
    double beta_1;
    double beta_2;
    double eps;
    double weight_decay;
} normd_adam_options;

struct normd_optimizer {
    const normd_optimizer_rule *rule;
    normd_convention convention;
    double lr;
    double weight_lr;
    double bias_lr;
    uint64_t accumulate_steps;
    size_t slots;
    normd_slot slot[NORMD_OPTIMIZER_MAX_SLOTS];
    size_t scalars;
    normd_scalar scalar[NORMD_OPTIMIZER_MAX_SCALARS];
    union {
        normd_sgd_options sgd;
        normd_adam_options adam;
    };
};

extern const normd_optimizer_rule normd_sgd_rule;
extern const normd_optimizer_rule normd_adam_rule;

/* `weight_decay`, which is null in Keras when there is none. */
double normd_rule_weight_decay(const normd_optimizer *optimizer, normd_options *options);

/* Values that a loop computes before it writes them: new_weight may be the weight itself, and a
   loop that reads the one and writes the other could not be vectorized. */
enum { NORMD_RULE_BLOCK = 512 };

#endif
