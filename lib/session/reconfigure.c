// SPDX-License-Identifier: Apache-2.0
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/session/description.h"
#include "lib/session/session_state.h"
#include "lib/session/tensor_names.h"

static const char *optimizer_type(const json_t *configuration)
{
    const json_t *optimizer = json_object_get(configuration, "optimizer");
    const char *type = json_string_value(json_object_get(optimizer, "type"));
    return type != NULL ? type : "";
}

static char *slab_of(const normd_change *change, const normd_tensor_place *place)
{
    normd_slab *slab =
        place->tensor->slab == NORMD_SLAB_PARAMETERS ? change->parameters : change->statistics;
    return normd_slab_data(place->is_slot ? change->slots : slab);
}

/* The buffer of momentum holds gradients in PyTorch's form and steps in Keras'. */
static bool means_the_same(
    const normd_model *from, const normd_model *model, const normd_tensor_place *place)
{
    return !place->is_slot || place->is_scalar || from->convention == model->convention ||
           strcmp(normd_optimizer_slot(from->optimizer, place->slot)->name, "momentum_buffer") != 0;
}

/* The values of a lazy layer are none yet, or start from a wrong fan. */
static bool is_unknown(const normd_model *model, const normd_tensor_place *place)
{
    return !place->is_scalar && model->layer[place->layer]->lazy;
}

/* Copies every tensor that both models have under one name, in one shape and type. */
static void carry_over(
    const normd_snapshot *from, const normd_model *model, bool slots, const normd_change *to)
{
    normd_change old = {
        .parameters = from->parameters,
        .statistics = from->statistics,
        .slots = from->slots,
    };
    normd_tensor_place place = {.layer = 0};
    while (normd_tensor_next(from->model, &place)) {
        char name[NORMD_TENSOR_NAME_BYTES];
        normd_tensor_place target;
        normd_tensor_name(from->model, &place, name);
        if ((place.is_slot && !slots) || !means_the_same(from->model, model, &place) ||
            is_unknown(from->model, &place) || !normd_tensor_locate(model, name, &target) ||
            target.tensor->dtype != place.tensor->dtype ||
            !normd_shape_equal(&target.tensor->shape, &place.tensor->shape)) {
            continue;
        }
        memcpy(slab_of(to, &target) + normd_tensor_offset(model, &target),
            slab_of(&old, &place) + normd_tensor_offset(from->model, &place),
            place.tensor->elements * normd_dtype_size(place.tensor->dtype));
    }
}

/* Averages of weights that the old model did not train begin with the weights. */
static void begin_averages(
    const normd_model *before, const normd_model *model, const normd_change *change)
{
    size_t average = normd_optimizer_slot_of(model->optimizer, NORMD_SLOT_AVERAGE);
    normd_tensor_place place = {.layer = 0};
    while (normd_tensor_next(model, &place)) {
        char name[NORMD_TENSOR_NAME_BYTES];
        normd_tensor_place old;
        normd_tensor_name(model, &place, name);
        if (place.is_slot && !place.is_scalar && place.slot == average &&
            !normd_tensor_locate(before, name, &old)) {
            memcpy(normd_slab_data(change->slots) + normd_tensor_offset(model, &place),
                normd_slab_data(change->parameters) + place.tensor->offset,
                place.tensor->elements * normd_dtype_size(place.tensor->dtype));
        }
    }
}

/* Whether gradients of the one model are gradients of the other. */
static bool same_gradients(const normd_model *a, const normd_model *b)
{
    bool same = a->layers == b->layers && a->parameter_bytes == b->parameter_bytes &&
                a->compute.dtype == b->compute.dtype;
    for (size_t i = 0; i < a->layers && same; i++) {
        const normd_layer *of_a = a->layer[i];
        const normd_layer *of_b = b->layer[i];
        same = of_a->tensors == of_b->tensors;
        for (size_t t = 0; t < of_a->tensors && same; t++) {
            same = of_a->tensor[t].slab == of_b->tensor[t].slab &&
                   of_a->tensor[t].trainable == of_b->tensor[t].trainable &&
                   normd_shape_equal(&of_a->tensor[t].shape, &of_b->tensor[t].shape);
        }
    }
    return same;
}

/* Publishes in `made`, which has its initial values yet, the state of `session`. */
static normd_status move_in(normd_session *made, const normd_session *session, uint64_t version,
    bool same_optimizer, normd_error *error)
{
    const normd_snapshot *from = session->current;
    const normd_snapshot *initial = made->current;
    const normd_model *model = made->model;
    normd_change change = {
        .parameters =
            normd_slab_copy(made->parameter_shelf, initial->parameters, model->parameter_bytes),
        .statistics =
            normd_slab_copy(made->statistic_shelf, initial->statistics, model->statistic_bytes),
        .slots = normd_slab_copy(made->slot_shelf, initial->slots, model->slot_bytes),
        .version = version,
        .steps = same_optimizer ? from->steps : 0,
    };
    bool accumulated = from->accumulated != NULL && same_gradients(from->model, model);
    if (accumulated) {
        change.accumulated =
            normd_slab_copy(made->parameter_shelf, from->accumulated, model->parameter_bytes);
    }
    if (change.parameters == NULL || change.statistics == NULL || change.slots == NULL ||
        (accumulated && change.accumulated == NULL)) {
        normd_change_release(&change);
        return normd_error_no_memory(error);
    }
    carry_over(from, model, same_optimizer, &change);
    begin_averages(from->model, model, &change);
    normd_optimizer_carried(model->optimizer, from->model->optimizer,
        normd_model_scalars(model, normd_slab_data(change.slots)));
    return normd_session_publish(made, &change, error);
}

#define SWAP(type, a, b)                                                                           \
    do {                                                                                           \
        type swapped = (a);                                                                        \
        (a) = (b);                                                                                 \
        (b) = swapped;                                                                             \
    } while (0)

/* The kept steps of `made`; the session has none then. */
static void swap_contexts(normd_session *session, normd_session *made)
{
    assert(session->oldest == NULL);
    SWAP(normd_context *, session->oldest, made->oldest);
    SWAP(normd_context *, session->newest, made->newest);
    SWAP(size_t, session->context_charge, made->context_charge);
    atomic_store(&session->context_bytes, atomic_exchange(&made->context_bytes, 0));
    atomic_store(&session->oldest_born, atomic_exchange(&made->oldest_born, UINT64_MAX));
}

/* What belongs to one model changes hands; the session keeps its kept steps, if they fit. */
void normd_session_adopt(normd_session *session, normd_session *made)
{
    if (!same_gradients(session->model, made->model)) {
        normd_context_drop_all(session);
    }
    SWAP(normd_slab *, session->gradients, made->gradients);
    if (made->oldest != NULL) {
        swap_contexts(session, made);
    }
    normd_recalibration_drop(session);
    SWAP(normd_recalibration *, session->recalibration, made->recalibration);
    SWAP(normd_blob *, session->collected, made->collected);
    pthread_mutex_lock(&session->lock);
    SWAP(normd_model *, session->model, made->model);
    SWAP(normd_slab_shelf *, session->parameter_shelf, made->parameter_shelf);
    SWAP(normd_slab_shelf *, session->statistic_shelf, made->statistic_shelf);
    SWAP(normd_slab_shelf *, session->slot_shelf, made->slot_shelf);
    SWAP(normd_slab_shelf *, session->snapshot_shelf, made->snapshot_shelf);
    SWAP(normd_snapshot *, session->current, made->current);
    pthread_mutex_unlock(&session->lock);
    SWAP(size_t, session->reserved, made->reserved);
    for (size_t i = 0; i < NORMD_SESSION_PLANS; i++) {
        SWAP(normd_plan *, session->plan[i], made->plan[i]);
    }
}

json_t *normd_session_configuration(const normd_session *session)
{
    return normd_model_configuration(session->model, session->model->convention);
}

normd_status normd_session_remake(const normd_session *session, const json_t *configuration,
    uint64_t version, normd_session **made, normd_error *error)
{
    *made = NULL;
    char *created = normd_description_created(session->model);
    json_t *before = normd_session_configuration(session);
    json_t *stripped = normd_description_strip_arrays(configuration);
    normd_status status = created == NULL || before == NULL || stripped == NULL
                              ? normd_error_no_memory(error)
                              : normd_session_create(session->engine, stripped, NULL, made, error);
    if (status == NORMD_OK) {
        normd_description_restore_arrays((*made)->model, configuration);
        (*made)->model->created = created;
        (*made)->digest = session->digest;
        created = NULL;
        bool same = strcmp(optimizer_type(before), optimizer_type(configuration)) == 0;
        status = move_in(*made, session, version, same, error);
    }
    if (status != NORMD_OK) {
        normd_session_destroy(*made);
        *made = NULL;
    }
    json_decref(stripped);
    json_decref(before);
    free(created);
    return status;
}

normd_status normd_session_reconfigure(
    normd_session *session, const json_t *configuration, uint64_t *version, normd_error *error)
{
    normd_session *made;
    uint64_t next = session->current->version + 1;
    normd_status status = normd_session_remake(session, configuration, next, &made, error);
    if (status == NORMD_OK) {
        normd_session_adopt(session, made);
    }
    normd_session_destroy(made);
    *version = session->current->version;
    return status;
}
