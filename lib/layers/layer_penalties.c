// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "lib/layers/layer.h"

/* By the name of a tensor's initializer in Keras, the names of its two options. */
static const struct names {
    const char *initializer;
    const char *regularizer[NORMD_CONVENTION_COUNT];
    const char *constraint[NORMD_CONVENTION_COUNT];
} table[] = {
    {"kernel_initializer", {"weight_regularizer", "kernel_regularizer"},
        {"weight_constraint", "kernel_constraint"}},
    {"gamma_initializer", {"weight_regularizer", "gamma_regularizer"},
        {"weight_constraint", "gamma_constraint"}},
    {"beta_initializer", {"bias_regularizer", "beta_regularizer"},
        {"bias_constraint", "beta_constraint"}},
    {"bias_initializer", {"bias_regularizer", "bias_regularizer"},
        {"bias_constraint", "bias_constraint"}},
};

enum { ROWS = sizeof table / sizeof *table };

static const struct names *names_of(const normd_layer_tensor *tensor)
{
    const char *initializer = tensor->init_name[NORMD_KERAS];
    for (size_t i = 0; initializer != NULL && i < ROWS; i++) {
        if (strcmp(table[i].initializer, initializer) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

/* The name that is there, of both frameworks'; the convention's own when none is. */
static const char *key_of(
    const normd_layer_source *source, const char *const names[NORMD_CONVENTION_COUNT])
{
    normd_convention other = source->convention == NORMD_KERAS ? NORMD_PYTORCH : NORMD_KERAS;
    return normd_layer_key(source->options, names[source->convention], names[other]);
}

void normd_layer_read_penalties(normd_layer_tensor *tensor, const normd_layer_source *source)
{
    const struct names *names = names_of(tensor);
    if (names == NULL || tensor->slab != NORMD_SLAB_PARAMETERS) {
        return;
    }
    tensor->regularizer =
        normd_regularizer_read(source->options, key_of(source, names->regularizer));
    tensor->constraint = normd_constraint_read(
        source->options, key_of(source, names->constraint), &tensor->shape, tensor->keras_axes);
}

bool normd_layer_put_penalties(
    json_t *map, const normd_layer_tensor *tensor, normd_convention convention)
{
    const struct names *names = names_of(tensor);
    bool ok = true;
    if (names != NULL && tensor->regularizer.name != NULL) {
        ok = normd_layer_put(
            map, names->regularizer[convention], normd_regularizer_describe(&tensor->regularizer));
    }
    if (names != NULL && tensor->constraint.kind != NORMD_CONSTRAINT_NONE) {
        ok = ok && normd_layer_put(map, names->constraint[convention],
                       normd_constraint_describe(&tensor->constraint));
    }
    return ok;
}
