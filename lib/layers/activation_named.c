// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/activation.h"
#include "lib/layers/relu.h"
#include "lib/layers/softmax.h"

/* The functions' names, and what else Keras calls them. */
static const struct {
    const char *name;
    const normd_layer_operations *operations;
} names[] = {
    {"relu", &normd_relu_operations},
#define NAME(kind, name, reads_x) {#name, &normd_activation_operations[NORMD_ACTIVATION_##kind]},
    NORMD_ACTIVATION_MAP(NAME)
#undef NAME
        {"swish", &normd_activation_operations[NORMD_ACTIVATION_SILU]},
    {"hard_swish", &normd_activation_operations[NORMD_ACTIVATION_HARDSWISH]},
    {"hard_silu", &normd_activation_operations[NORMD_ACTIVATION_HARDSWISH]},
    {"softmax", &normd_softmax_operations},
    {"log_softmax", &normd_log_softmax_operations},
};

enum { NAME_COUNT = sizeof names / sizeof *names };

static normd_layer *named_create(const normd_layer_source *source)
{
    const char *words[NAME_COUNT + 1] = {NULL};
    for (size_t i = 0; i < NAME_COUNT; i++) {
        words[i] = names[i].name;
    }
    normd_options *options = source->options;
    if (options->error.status == NORMD_OK && !normd_options_has(options, "activation")) {
        normd_options_fail(options, "activation", "expected the name of a function, got nothing");
    }
    int word = normd_options_kind(options, "activation", words, 0);
    return options->error.status == NORMD_OK ? names[word].operations->create(source) : NULL;
}

const normd_layer_operations normd_activation_named_operations = {
    .type = "activation",
    .create = named_create,
};
