// SPDX-License-Identifier: Apache-2.0
#include "lib/model/configuration.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_EXTENT = INT32_MAX };

static bool read_extent(const json_t *value, size_t *extent)
{
    if (json_is_null(value)) {
        *extent = 0;
        return true;
    }
    json_int_t number = json_is_integer(value) ? json_integer_value(value) : 0;
    *extent = (size_t)number;
    return number >= 1 && number <= MAX_EXTENT;
}

/* `input`: a number of features, or the shape of x without the batch axis, null where it is free.
 */
static void read_input(normd_model *model, normd_options *options)
{
    const json_t *input = normd_options_any(options, "input");
    if (input == NULL || json_is_null(input)) {
        return;
    }
    bool list = json_is_array(input);
    size_t rank = list ? json_array_size(input) : 1;
    bool ok = rank >= 1 && rank < NORMD_MAX_RANK;
    normd_shape shape = {.rank = (uint32_t)rank + 1};
    for (size_t i = 0; i < rank && ok; i++) {
        const json_t *extent = list ? json_array_get(input, i) : input;
        ok = read_extent(extent, &shape.dim[i + 1]);
    }
    if (!ok) {
        char text[128];
        normd_options_fail(options, "input",
            "expected a number of features, or a list of 1 to %d extents of x without the batch "
            "axis (numbers from 1, or null), got %s",
            NORMD_MAX_RANK - 1, normd_options_show(input, text, sizeof text));
        return;
    }
    model->input = shape;
}

void normd_model_input_text(const normd_model *model, char *text, size_t size)
{
    const normd_flow flow = {.shape = model->input};
    normd_flow_format(&flow, text, size);
}

static void read_scalars(normd_model *model, normd_options *options)
{
    static const char *const conventions[] = {"pytorch", "keras", NULL};
    static const char *const types[] = {"float32", "float64", NULL};
    model->convention =
        (normd_convention)normd_options_word(options, "convention", conventions, NORMD_PYTORCH);
    model->compute.dtype =
        normd_options_word(options, "dtype", types, 0) == 0 ? NORMD_F32 : NORMD_F64;
    model->seed = (uint64_t)normd_options_integer(options, "seed", 0, 0, INT64_MAX);
}

/* Leaves in `flow` what is known of the output. */
static normd_status read_layers(normd_model *model, const json_t *layers,
    const normd_attachments *attachments, normd_flow *flow, normd_error *error)
{
    size_t count = json_is_array(layers) ? json_array_size(layers) : 0;
    if (count < 1 || count > NORMD_MODEL_MAX_LAYERS) {
        char text[128];
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "layers: expected a list of 1 to %d maps, got %s", NORMD_MODEL_MAX_LAYERS,
            layers == NULL ? "nothing" : normd_options_show(layers, text, sizeof text));
    }
    model->layer = calloc(count, sizeof(normd_layer *));
    if (model->layer == NULL) {
        return normd_error_no_memory(error);
    }
    *flow = (normd_flow){.shape = model->input};
    if (model->input.rank == 2) {
        flow->features = model->input.dim[1];
    }
    normd_layer_source source = {
        .convention = model->convention,
        .dtype = model->compute.dtype,
        .seed = model->seed,
        .flow = flow,
    };
    for (size_t i = 0; i < count; i++) {
        normd_status status = normd_layer_create(
            json_array_get(layers, i), attachments, i, &source, &model->layer[i], error);
        if (status != NORMD_OK) {
            return status;
        }
        model->layers = i + 1;
    }
    return NORMD_OK;
}

static normd_status read_loss(normd_model *model, const json_t *loss, const json_t *metrics,
    const normd_attachments *attachments, const normd_flow *output, normd_error *error)
{
    normd_loss_source source = {
        .option = loss,
        .metrics = metrics,
        .attachments = attachments,
        .dtype = model->compute.dtype,
        .convention = model->convention,
        .output = output->shape,
    };
    return normd_loss_create(&source, &model->loss, error);
}

normd_status normd_model_read_configuration(normd_model *model, const json_t *configuration,
    const normd_attachments *attachments, normd_error *error)
{
    normd_options options;
    normd_options_begin(&options, configuration, attachments, "%s", "");
    read_scalars(model, &options);
    read_input(model, &options);
    const json_t *layers = normd_options_any(&options, "layers");
    const json_t *loss = normd_options_any(&options, "loss");
    const json_t *metrics = normd_options_any(&options, "metrics");
    const json_t *optimizer = normd_options_any(&options, "optimizer");
    normd_status status = normd_options_finish(&options, error);
    normd_flow output;
    if (status == NORMD_OK) {
        status = read_layers(model, layers, attachments, &output, error);
    }
    if (status == NORMD_OK) {
        status = read_loss(model, loss, metrics, attachments, &output, error);
    }
    if (status == NORMD_OK) {
        bool given = optimizer != NULL && !json_is_null(optimizer);
        status = normd_optimizer_create(
            given ? optimizer : NULL, model->convention, &model->optimizer, error);
    }
    return status;
}
