// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "lib/session/description.h"
#include "lib/session/session_state.h"

/* Publishes in `made`, which has its initial values yet, the state of the snapshot. Both models
   come from one configuration, so that their slabs are laid out alike. */
static normd_status move_in(
    normd_session *made, const normd_snapshot *from, bool average, normd_error *error)
{
    const normd_model *model = made->model;
    normd_change change = {
        .parameters =
            normd_slab_copy(made->parameter_shelf, from->parameters, model->parameter_bytes),
        .statistics =
            normd_slab_copy(made->statistic_shelf, from->statistics, model->statistic_bytes),
        .slots = normd_slab_copy(made->slot_shelf, from->slots, model->slot_bytes),
        .version = from->version,
        .steps = from->steps,
    };
    normd_status status = NORMD_OK;
    if (change.parameters == NULL || change.statistics == NULL || change.slots == NULL) {
        status = normd_error_no_memory(error);
    } else if (average && !normd_model_average(model, normd_slab_data(change.slots),
                              normd_slab_data(change.parameters))) {
        status = normd_error_set(error, NORMD_BAD_ARGUMENT,
            "weights: expected \"current\", since the session has no average of its weights yet "
            "(its optimizer needs the option averaging, and a step); got \"average\"");
    }
    if (status != NORMD_OK) {
        normd_change_release(&change);
        return status;
    }
    return normd_session_publish(made, &change, error);
}

/* A session of the snapshot's model, with its initial values. */
static normd_status make_alike(const normd_engine *engine, const normd_snapshot *snapshot,
    normd_session **made, normd_error *error)
{
    const normd_model *model = snapshot->model;
    json_t *configuration = normd_model_configuration(model, model->convention);
    json_t *stripped = configuration == NULL ? NULL : normd_description_strip_arrays(configuration);
    char *created = model->created == NULL ? NULL : strdup(model->created);
    bool ready = stripped != NULL && (created != NULL || model->created == NULL);
    normd_status status = ready ? normd_session_create(engine, stripped, NULL, made, error)
                                : normd_error_no_memory(error);
    if (status == NORMD_OK) {
        normd_description_restore_arrays((*made)->model, configuration);
        (*made)->model->created = created;
        (*made)->digest = snapshot->digest;
        created = NULL;
    }
    free(created);
    json_decref(stripped);
    json_decref(configuration);
    return status;
}

normd_status normd_session_copy(const normd_engine *engine, const normd_snapshot *snapshot,
    bool average, normd_session **session, normd_error *error)
{
    normd_session *made = NULL;
    *session = NULL;
    normd_status status = make_alike(engine, snapshot, &made, error);
    if (status == NORMD_OK) {
        status = move_in(made, snapshot, average, error);
    }
    if (status != NORMD_OK) {
        normd_session_destroy(made);
        return status;
    }
    *session = made;
    return NORMD_OK;
}
