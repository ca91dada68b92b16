// SPDX-License-Identifier: Apache-2.0
#include "lib/model/plan.h"

#include <stdlib.h>

/* Reserves room at the end of the arena. */
static bool reserve(normd_plan *plan, size_t bytes, size_t *offset)
{
    *offset = plan->arena_bytes;
    size_t most = SIZE_MAX / 2 - NORMD_ALIGNMENT;
    if (bytes > most || plan->arena_bytes > most - bytes) {
        return false;
    }
    plan->arena_bytes += normd_round_to_line(bytes);
    return true;
}

/* A layer may write over its input when nobody reads that again: not the layer itself, not one
   before, and it is not the caller's x. One that keeps the values may in any case. */
static bool writes_over_input(const normd_model *model, const normd_plan *plan, size_t index)
{
    const normd_layer_operations *operations = model->layer[index]->operations;
    return index > 0 && operations->in_place &&
           (operations->keeps_values ||
               (!operations->backward_reads_x && !plan->step[index - 1].read_again));
}

/* An absorbed ReLU has no backward of its own. */
static bool reads_output(const normd_model *model, const normd_plan *plan, size_t index, bool over)
{
    const normd_layer *layer = model->layer[index];
    bool before = over && layer->operations->keeps_values && plan->step[index - 1].read_again;
    return before || (layer->operations->backward_reads_y && !layer->absorbed);
}

static bool plan_layer(
    const normd_model *model, normd_plan *plan, size_t index, const normd_shape *x)
{
    const normd_layer *layer = model->layer[index];
    normd_plan_step *step = &plan->step[index];
    size_t elements = 0;
    bool ok = normd_shape_elements(&step->y_shape, &elements);
    bool over = writes_over_input(model, plan, index);
    step->read_again = reads_output(model, plan, index, over);
    if (over) {
        step->y_offset = plan->step[index - 1].y_offset;
    } else if (index + 1 == model->layers && !layer->operations->backward_reads_y) {
        step->y_offset = (size_t)NORMD_PLAN_OUTSIDE;
    } else {
        ok = ok && reserve(plan, elements * normd_dtype_size(layer->dtype), &step->y_offset);
    }
    normd_layer_need need = {0};
    if (layer->operations->need != NULL) {
        layer->operations->need(layer, x, &need);
    }
    size_t gradients = normd_model_array_bytes(model, &step->y_shape);
    if (!layer->operations->in_place) {
        gradients = normd_bytes_add(gradients, normd_model_array_bytes(model, x));
    }
    if (gradients > plan->gradient_bytes) {
        plan->gradient_bytes = gradients;
    }
    if (need.scratch > plan->scratch_bytes) {
        plan->scratch_bytes = need.scratch;
    }
    return ok && reserve(plan, need.kept, &step->kept_offset);
}

static normd_status fill(
    const normd_model *model, const normd_shape *x, normd_plan *plan, normd_error *error)
{
    char text[NORMD_SHAPE_TEXT_BYTES];
    normd_shape shape;
    normd_status status = normd_model_output_shape(model, x, &shape, NULL, error);
    if (status != NORMD_OK) {
        return status;
    }
    size_t elements = 0;
    if (normd_shape_elements(x, &elements) && elements == 0) {
        return normd_error_set(error, NORMD_BAD_SHAPE, "x: expected a batch with values, got %s",
            normd_shape_format(x, text, sizeof text));
    }
    shape = *x;
    for (size_t i = 0; i < model->layers; i++) {
        normd_shape before = shape;
        status = normd_model_layer_shape(model, i, x, &before, &shape, error);
        if (status != NORMD_OK) {
            return status;
        }
        plan->step[i].y_shape = shape;
        if (!plan_layer(model, plan, i, &before)) {
            return normd_error_set(error, NORMD_TOO_LARGE,
                "x: expected a batch whose activations fit in memory, got %s",
                normd_shape_format(x, text, sizeof text));
        }
    }
    return NORMD_OK;
}

normd_status normd_plan_create(
    const normd_model *model, const normd_shape *x, normd_plan **plan, normd_error *error)
{
    *plan = NULL;
    normd_plan *made = calloc(1, sizeof *made + model->layers * sizeof made->step[0]);
    if (made == NULL) {
        return normd_error_no_memory(error);
    }
    made->references = 1;
    made->x_shape = *x;
    made->steps = model->layers;
    normd_status status = fill(model, x, made, error);
    if (status != NORMD_OK) {
        free(made);
        return status;
    }
    *plan = made;
    return NORMD_OK;
}

void normd_plan_release(normd_plan *plan)
{
    if (plan != NULL && --plan->references == 0) {
        free(plan);
    }
}

const normd_shape *normd_plan_output(const normd_plan *plan)
{
    return &plan->step[plan->steps - 1].y_shape;
}
