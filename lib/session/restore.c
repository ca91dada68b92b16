// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>

#include "lib/session/description.h"
#include "lib/session/image_state.h"

static normd_status check_layout(const normd_model *model, uint64_t layout, normd_error *error)
{
    uint64_t own = normd_image_layout(model);
    if (own == layout) {
        return NORMD_OK;
    }
    return normd_error_set(error, NORMD_BAD_ARGUMENT,
        "description.layout: expected %016" PRIx64
        ", the layout that this program gives the state, got %016" PRIx64
        "; the state is another program's",
        own, layout);
}

static normd_status check_size(
    const char *part, size_t expected, const normd_image_bytes *bytes, normd_error *error)
{
    if (bytes->size == expected) {
        return NORMD_OK;
    }
    return normd_error_set(
        error, NORMD_BAD_ARGUMENT, "%s: expected %zu bytes, got %zu", part, expected, bytes->size);
}

static normd_status check_parts(
    const normd_model *model, const normd_image_source *source, normd_error *error)
{
    static const char *const name[] = {
        [NORMD_IMAGE_PARAMETERS] = "parameters",
        [NORMD_IMAGE_STATISTICS] = "statistics",
        [NORMD_IMAGE_SLOTS] = "slots",
        [NORMD_IMAGE_ACCUMULATED] = "accumulated",
    };
    const size_t size[] = {
        [NORMD_IMAGE_PARAMETERS] = model->parameter_bytes,
        [NORMD_IMAGE_STATISTICS] = model->statistic_bytes,
        [NORMD_IMAGE_SLOTS] = model->slot_bytes,
        [NORMD_IMAGE_ACCUMULATED] = model->parameter_bytes,
    };
    normd_status status = NORMD_OK;
    for (size_t p = 0; p < NORMD_IMAGE_RECALIBRATION && status == NORMD_OK; p++) {
        if (p != NORMD_IMAGE_ACCUMULATED || source->part[p].size != 0) {
            status = check_size(name[p], size[p], &source->part[p], error);
        }
    }
    const normd_image_bytes *recalibration = &source->part[NORMD_IMAGE_RECALIBRATION];
    if (status == NORMD_OK && recalibration->size != 0) {
        status = normd_recalibration_check(model, recalibration, error);
    }
    return status;
}

static normd_slab *copied(normd_slab_shelf *shelf, const normd_image_bytes *bytes)
{
    normd_slab *slab = normd_slab_take(shelf);
    if (slab != NULL && bytes->size > 0) {
        memcpy(normd_slab_data(slab), bytes->data, bytes->size);
    }
    return slab;
}

/* Publishes the parts in a session of their model. */
static normd_status move_in(
    normd_session *session, const normd_image_source *source, normd_error *error)
{
    normd_status status = check_parts(session->model, source, error);
    if (status != NORMD_OK) {
        return status;
    }
    const normd_image_bytes *part = source->part;
    bool accumulated = part[NORMD_IMAGE_ACCUMULATED].size > 0;
    bool recalibrates = part[NORMD_IMAGE_RECALIBRATION].size > 0;
    normd_change change = {
        .parameters = copied(session->parameter_shelf, &part[NORMD_IMAGE_PARAMETERS]),
        .statistics = copied(session->statistic_shelf, &part[NORMD_IMAGE_STATISTICS]),
        .slots = copied(session->slot_shelf, &part[NORMD_IMAGE_SLOTS]),
        .accumulated =
            accumulated ? copied(session->parameter_shelf, &part[NORMD_IMAGE_ACCUMULATED]) : NULL,
        .drops_accumulated = true,
        .version = source->version,
        .steps = source->steps,
    };
    normd_blob *collected = recalibrates ? normd_blob_create(part[NORMD_IMAGE_RECALIBRATION].data,
                                               part[NORMD_IMAGE_RECALIBRATION].size)
                                         : NULL;
    if (change.parameters == NULL || change.statistics == NULL || change.slots == NULL ||
        (accumulated && change.accumulated == NULL) || (recalibrates && collected == NULL)) {
        normd_change_release(&change);
        normd_blob_release(collected);
        return normd_error_no_memory(error);
    }
    status = normd_session_publish(session, &change, error);
    if (status != NORMD_OK) {
        normd_blob_release(collected);
        return status;
    }
    normd_recalibration_drop(session);
    session->collected = collected;
    return NORMD_OK;
}

/* The model of a description. */
static normd_status make_model(const normd_engine *engine, const normd_image_words *words,
    normd_model **model, normd_error *error)
{
    json_t *stripped = normd_description_strip_arrays(words->configuration);
    normd_status status = stripped == NULL
                              ? normd_error_no_memory(error)
                              : normd_session_create_model(engine, stripped, NULL, model, error);
    json_decref(stripped);
    if (status != NORMD_OK) {
        return status;
    }
    normd_description_restore_arrays(*model, words->configuration);
    if (words->created != NULL) {
        (*model)->created = strdup(words->created);
        if ((*model)->created == NULL) {
            status = normd_error_no_memory(error);
        }
    }
    if (status == NORMD_OK) {
        status = check_layout(*model, words->layout, error);
    }
    if (status != NORMD_OK) {
        normd_model_release(*model);
        *model = NULL;
    }
    return status;
}

normd_status normd_session_restore(const normd_engine *engine, const normd_image_source *source,
    normd_session **session, normd_error *error)
{
    *session = NULL;
    normd_image_words words;
    normd_model *model = NULL;
    normd_session *made = NULL;
    normd_status status = normd_image_read(source->description, &words, error);
    if (status == NORMD_OK) {
        status = make_model(engine, &words, &model, error);
    }
    if (status == NORMD_OK) {
        status = normd_session_open(engine, model, true, &made, error);
    }
    if (status == NORMD_OK) {
        made->digest = words.digest;
        made->last_step = source->last_step;
        status = move_in(made, source, error);
    }
    json_decref(words.root);
    if (status != NORMD_OK) {
        normd_session_destroy(made);
        return status;
    }
    *session = made;
    return NORMD_OK;
}

/* Whether it is what the session itself would say. */
static normd_status check_description(
    const normd_session *session, const char *description, normd_error *error)
{
    normd_image_words words;
    normd_status status = normd_image_read(description, &words, error);
    if (status != NORMD_OK) {
        return status;
    }
    json_t *own = normd_model_configuration(session->model, session->model->convention);
    const char *created = session->model->created;
    bool same_origin = (created == NULL) == (words.created == NULL) &&
                       (created == NULL || strcmp(created, words.created) == 0);
    if (own == NULL) {
        status = normd_error_no_memory(error);
    } else if (!same_origin || words.digest != session->digest ||
               !json_equal(own, words.configuration)) {
        status = normd_error_set(error, NORMD_BAD_ARGUMENT,
            "description: expected that of this session, got another one");
    } else {
        status = check_layout(session->model, words.layout, error);
    }
    json_decref(own);
    json_decref(words.root);
    return status;
}

normd_status normd_session_assign(
    normd_session *session, const normd_image_source *source, normd_error *error)
{
    normd_status status = source->description == NULL
                              ? NORMD_OK
                              : check_description(session, source->description, error);
    if (status == NORMD_OK) {
        status = move_in(session, source, error);
    }
    if (status == NORMD_OK) {
        uint64_t kept = session->newest != NULL ? session->newest->step : 0;
        session->last_step = source->last_step > kept ? source->last_step : kept;
    }
    return status;
}
