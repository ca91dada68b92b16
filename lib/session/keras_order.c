// SPDX-License-Identifier: Apache-2.0
#include "lib/session/keras_order.h"

#include <stdlib.h>
#include <string.h>

/* How Keras' optimizers list their variables (build() of each, Keras 3.15): group behind group,
   within a group variable by variable. Adam, AdamW and Nadam have the two averages in one group;
   all else has a group of its own. */
enum {
    GROUP_WEIGHTS,
    GROUP_EMA,
    GROUP_ACCUMULATOR,
    GROUP_AVERAGES,
    GROUP_SQUARES,
    GROUP_MOMENTUM,
    GROUP_MEAN,
    GROUP_LARGEST,
    GROUP_REST,    /* what Keras does not have */
    GROUP_PRODUCT, /* Nadam's, one number */
    GROUPS
};

static int group_of_rule(const char *slot)
{
    static const struct {
        const char *slot;
        int group;
    } rows[] = {
        {"exp_avg", GROUP_AVERAGES},
        {"exp_avg_sq", GROUP_AVERAGES},
        {"square_avg", GROUP_SQUARES},
        {"sum", GROUP_SQUARES},
        {"momentum_buffer", GROUP_MOMENTUM},
        {"grad_avg", GROUP_MEAN},
        {"max_exp_avg_sq", GROUP_LARGEST},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].slot, slot) == 0) {
            return rows[i].group;
        }
    }
    return GROUP_REST;
}

static int group_of(const normd_model *model, const normd_tensor_place *place)
{
    if (!place->is_slot) {
        return GROUP_WEIGHTS;
    }
    if (place->is_scalar) {
        return GROUP_PRODUCT;
    }
    const normd_slot *slot = normd_optimizer_slot(model->optimizer, place->slot);
    if (slot->use == NORMD_SLOT_RULE) {
        return group_of_rule(slot->name);
    }
    return slot->use == NORMD_SLOT_ACCUMULATOR ? GROUP_ACCUMULATOR : GROUP_EMA;
}

/* Group by group; within one in the order of normd_tensor_next. */
static void sort_places(
    const normd_model *model, normd_tensor_place *place, size_t count, normd_tensor_place *spare)
{
    size_t used = 0;
    for (int group = 0; group < GROUPS; group++) {
        for (size_t i = 0; i < count; i++) {
            if (group_of(model, &place[i]) == group) {
                spare[used++] = place[i];
            }
        }
    }
    memcpy(place, spare, used * sizeof *place);
}

/* Whether Keras has such a thing. Of the scalars it has the rule's product alone, one for all. */
static bool has_place(const normd_model *model, const normd_tensor_place *place)
{
    if (place->is_scalar) {
        size_t index = (size_t)(place->tensor - model->scalar);
        return index == normd_optimizer_scalar_of(model->optimizer, NORMD_SCALAR_PRODUCT);
    }
    return !place->tensor->own && normd_dtype_is_float(place->tensor->dtype);
}

bool normd_keras_order_make(const normd_model *model, normd_keras_order *order)
{
    *order = (normd_keras_order){.place = NULL};
    size_t count = 0;
    normd_tensor_place place = {.layer = 0};
    while (normd_tensor_next(model, &place)) {
        count++;
    }
    order->place = calloc(count + 1, sizeof *order->place);
    normd_tensor_place *spare = calloc(count + 1, sizeof *spare);
    if (order->place == NULL || spare == NULL) {
        free(spare);
        normd_keras_order_free(order);
        return false;
    }
    size_t used = 0;
    place = (normd_tensor_place){.layer = 0};
    while (normd_tensor_next(model, &place)) {
        if (has_place(model, &place)) {
            order->place[used++] = place;
            (*(place.is_slot ? &order->slots : &order->weights))++;
        }
    }
    sort_places(model, order->place, used, spare);
    free(spare);
    return true;
}

void normd_keras_order_free(normd_keras_order *order)
{
    free(order->place);
    *order = (normd_keras_order){.place = NULL};
}

uint64_t normd_keras_iteration(const normd_model *model, char *slots, uint64_t steps)
{
    uint64_t each = normd_optimizer_accumulate_steps(model->optimizer);
    uint64_t waiting = 0;
    if (each > 1) {
        size_t scalar = normd_optimizer_scalar_of(model->optimizer, NORMD_SCALAR_ACCUMULATED);
        waiting = (uint64_t)normd_model_scalars(model, slots)[scalar];
    }
    bool fits = steps <= ((uint64_t)NORMD_MAX_COUNT - waiting) / each;
    return fits ? steps * each + waiting : (uint64_t)NORMD_MAX_COUNT;
}

uint64_t normd_keras_steps(const normd_model *model, char *slots, uint64_t iteration)
{
    uint64_t each = normd_optimizer_accumulate_steps(model->optimizer);
    if (each > 1) {
        size_t scalar = normd_optimizer_scalar_of(model->optimizer, NORMD_SCALAR_ACCUMULATED);
        normd_model_scalars(model, slots)[scalar] = (double)(iteration % each);
    }
    return iteration / each;
}
