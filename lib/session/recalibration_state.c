// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "lib/session/image_state.h"
#include "lib/session/recalibration.h"

/* A recalibration as bytes: this, and then the moments of `features` features. */
typedef struct stored {
    uint64_t mode;
    uint64_t batches;
    uint64_t features;
} stored;

normd_status normd_recalibration_begin(const normd_model *model, normd_recalibration_mode mode,
    normd_recalibration **recalibration, normd_error *error)
{
    normd_recalibration *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return normd_error_no_memory(error);
    }
    made->mode = mode;
    normd_status status = normd_statistics_collection_open(&made->total, model, NULL, true, error);
    if (status == NORMD_OK) {
        status = normd_statistics_collection_open(&made->batch, model, NULL, true, error);
    }
    if (status != NORMD_OK) {
        normd_recalibration_destroy(made);
        return status;
    }
    *recalibration = made;
    return NORMD_OK;
}

void normd_recalibration_destroy(normd_recalibration *recalibration)
{
    if (recalibration != NULL) {
        normd_statistics_collection_close(&recalibration->total);
        normd_statistics_collection_close(&recalibration->batch);
        free(recalibration);
    }
}

void normd_recalibration_changed(normd_session *session)
{
    normd_blob_release(session->collected);
    session->collected = NULL;
}

void normd_recalibration_drop(normd_session *session)
{
    normd_recalibration_destroy(session->recalibration);
    session->recalibration = NULL;
    normd_recalibration_changed(session);
}

bool normd_recalibration_store(normd_session *session)
{
    const normd_recalibration *going = session->recalibration;
    if (going == NULL || session->collected != NULL) {
        return true;
    }
    size_t features = going->total.begin[going->total.model->layers];
    stored header = {.mode = going->mode, .batches = going->batches, .features = features};
    size_t bytes = features * sizeof *going->total.moments;
    normd_blob *blob = normd_blob_create(NULL, sizeof header + bytes);
    if (blob == NULL) {
        return false;
    }
    memcpy(blob->data, &header, sizeof header);
    memcpy(blob->data + sizeof header, going->total.moments, bytes);
    session->collected = blob;
    return true;
}

normd_status normd_recalibration_wake(normd_session *session, normd_error *error)
{
    const normd_blob *blob = session->collected;
    if (blob == NULL || session->recalibration != NULL) {
        return NORMD_OK;
    }
    stored header;
    memcpy(&header, blob->data, sizeof header);
    normd_recalibration *made = NULL;
    normd_status status = normd_recalibration_begin(
        session->model, (normd_recalibration_mode)header.mode, &made, error);
    if (made != NULL) {
        made->batches = header.batches;
        memcpy(made->total.moments, blob->data + sizeof header, blob->size - sizeof header);
        session->recalibration = made;
    }
    return status;
}

/* Features of all layers that a recalibration collects for. */
static size_t collected_features(const normd_model *model)
{
    size_t features = 0;
    for (size_t i = 0; i < model->layers; i++) {
        const normd_batch_norm *norm = normd_statistics_norm(model, i);
        features += norm != NULL && norm->track ? norm->features : 0;
    }
    return features;
}

normd_status normd_recalibration_check(
    const normd_model *model, const normd_image_bytes *bytes, normd_error *error)
{
    stored header = {.features = 0};
    size_t features = collected_features(model);
    size_t expected = sizeof header + features * sizeof(normd_moments);
    if (bytes->size != expected) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "recalibration: expected %zu bytes, got %zu", expected, bytes->size);
    }
    memcpy(&header, bytes->data, sizeof header);
    if (header.mode > NORMD_RECALIBRATE_MEAN_OF_VARIANCES || header.features != features ||
        header.batches == 0 || header.batches > (uint64_t)NORMD_MAX_COUNT) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "recalibration: expected batches of %zu features, got other bytes", features);
    }
    return NORMD_OK;
}
