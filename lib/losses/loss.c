// SPDX-License-Identifier: Apache-2.0
#include "lib/losses/loss.h"

#include <stdlib.h>
#include <string.h>

#include "lib/losses/kind.h"

/* Every kind of loss, once. */
static const normd_loss_kind *const kinds[] = {
    &normd_loss_cross_entropy,
    &normd_loss_categorical,
    &normd_loss_sparse_categorical,
    &normd_loss_binary_logits,
    &normd_loss_binary,
    &normd_loss_mse,
    &normd_loss_l1,
    &normd_loss_smooth_l1,
    &normd_loss_huber,
};

enum { KINDS = sizeof kinds / sizeof *kinds };

/* The kind at `key`, under any of its names. */
static const normd_loss_kind *read_kind(normd_options *options, const char *key)
{
    const char *words[KINDS * NORMD_LOSS_NAMES + 1] = {NULL};
    const normd_loss_kind *kind[KINDS * NORMD_LOSS_NAMES + 1] = {NULL};
    size_t count = 0;
    for (size_t name = 0; name < NORMD_LOSS_NAMES; name++) {
        for (size_t i = 0; i < KINDS; i++) {
            if (kinds[i]->name[name] != NULL) {
                words[count] = kinds[i]->name[name];
                kind[count++] = kinds[i];
            }
        }
    }
    if (options->error.status == NORMD_OK && !normd_options_has(options, key)) {
        normd_options_fail(options, key, "expected the kind of loss, got nothing");
    }
    return kind[normd_options_kind(options, key, words, 0)];
}

static void read_options(normd_loss *loss, normd_options *options, const normd_shape *output)
{
    loss->reduction = normd_reduction_read(options, loss->convention, loss->kind->rows);
    if (loss->kind->read != NULL) {
        loss->kind->read(loss, options, output);
    }
}

/* A name alone stands for a map with that type, but messages name "loss" then; and so does what
   Keras serializes. */
static normd_status read_loss(const normd_loss_source *source, normd_loss *loss, normd_error *error)
{
    bool named = json_is_string(source->option);
    json_t *map = named ? json_pack("{s:s}", "loss", json_string_value(source->option))
                        : normd_options_deserialize(source->option);
    if (map == NULL) {
        return normd_error_no_memory(error);
    }
    normd_options options;
    normd_options_begin(&options, map, source->attachments, "%s", named ? "" : "loss");
    loss->kind = read_kind(&options, named ? "loss" : "type");
    if (options.error.status == NORMD_OK) {
        read_options(loss, &options, &source->output);
    }
    normd_status status = normd_options_finish(&options, error);
    json_decref(map);
    return status;
}

static normd_status no_metrics(const json_t *metrics, normd_error *error)
{
    if (metrics == NULL || json_is_null(metrics) ||
        (json_is_array(metrics) && json_array_size(metrics) == 0)) {
        return NORMD_OK;
    }
    return normd_error_set(
        error, NORMD_BAD_ARGUMENT, "metrics: expected a loss beside them, got none");
}

/* Keras keeps probabilities between epsilon and 1 - epsilon, both rounded to their type: next to 1
   a float32 is a fifth further away from it. */
static void set_bounds(normd_loss *loss, normd_dtype dtype)
{
    const double epsilon = 1e-7; /* keras.config.epsilon() */
    bool f32 = dtype == NORMD_F32;
    loss->lowest = f32 ? (double)(float)epsilon : epsilon;
    loss->highest = f32 ? (double)(float)(1.0 - epsilon) : 1.0 - epsilon;
}

normd_status normd_loss_create(
    const normd_loss_source *source, normd_loss **loss, normd_error *error)
{
    *loss = NULL;
    if (source->option == NULL || json_is_null(source->option)) {
        return no_metrics(source->metrics, error);
    }
    normd_loss *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return normd_error_no_memory(error);
    }
    made->convention = source->convention;
    set_bounds(made, source->dtype);
    normd_status status = read_loss(source, made, error);
    if (status == NORMD_OK) {
        status = normd_metrics_read(source->metrics, made->kind->metrics,
            made->kind->described[made->convention], &made->metrics, error);
    }
    if (status != NORMD_OK) {
        normd_loss_destroy(made);
        return status;
    }
    *loss = made;
    return NORMD_OK;
}

void normd_loss_destroy(normd_loss *loss)
{
    if (loss != NULL) {
        normd_weights_clear(&loss->weight);
        normd_weights_clear(&loss->class_weight);
        normd_weights_clear(&loss->pos_weight);
        free(loss);
    }
}

json_t *normd_loss_describe(const normd_loss *loss, normd_convention convention)
{
    if (loss == NULL) {
        return json_null();
    }
    json_t *map = json_pack("{s:s, s:s}", "type", loss->kind->described[convention], "reduction",
        normd_reduction_word(loss->reduction, convention, loss->kind->rows));
    if (map != NULL && loss->kind->describe != NULL &&
        !loss->kind->describe(loss, convention, map)) {
        json_decref(map);
        return NULL;
    }
    return map;
}

json_t *normd_loss_describe_metrics(const normd_loss *loss)
{
    return loss == NULL ? json_array() : normd_metrics_describe(&loss->metrics);
}
