// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "lib/model/pass.h"

enum { INPUT_NAME_BYTES = 48 };

static const char *input_name(size_t index, char *text)
{
    if (index == 0) {
        return "x";
    }
    snprintf(text, INPUT_NAME_BYTES, "layers[%zu]'s input", index);
    return text;
}

normd_status normd_pass_forward(const normd_pass *pass, void *y, normd_error *error)
{
    const normd_model *model = pass->model;
    const normd_plan *plan = pass->plan;
    const void *x = pass->x;
    for (size_t i = 0; i < model->layers; i++) {
        const normd_plan_step *step = &plan->step[i];
        const normd_layer *layer = model->layer[i];
        bool outside = step->y_offset == (size_t)NORMD_PLAN_OUTSIDE;
        char name[INPUT_NAME_BYTES];
        normd_layer_pass one = {
            .compute = &model->compute,
            .layer = layer,
            .input_name = input_name(i, name),
            .shape = i == 0 ? plan->x_shape : plan->step[i - 1].y_shape,
            .y_shape = step->y_shape,
            .parameters = pass->parameters,
            .statistics = pass->statistics,
            .derived = pass->derived + layer->derived_offset,
            .new_statistics = pass->new_statistics,
            .mask = pass->mask,
            .mask_shape = &pass->mask_shape,
            .positions = pass->positions,
            .x = x,
            .y = outside ? y : pass->arena + step->y_offset,
            .kept = pass->arena + step->kept_offset,
            .scratch = pass->scratch,
        };
        normd_status status = layer->operations->forward(&one, error);
        if (status == NORMD_OK && pass->observer != NULL) {
            status = pass->observer->see(pass->observer->context, i, &one, error);
        }
        if (status != NORMD_OK) {
            return status;
        }
        x = one.y;
    }
    if (x != y) {
        memcpy(y, x, normd_model_array_bytes(model, normd_plan_output(plan)));
    }
    return NORMD_OK;
}
