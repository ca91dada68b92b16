// SPDX-License-Identifier: Apache-2.0
#include "lib/session/image_state.h"

normd_image *normd_session_image(normd_session *session)
{
    if (!normd_recalibration_store(session)) {
        return NULL;
    }
    normd_slab *home = normd_slab_take(session->image_shelf);
    if (home == NULL) {
        return NULL;
    }
    normd_image *image = (normd_image *)(void *)normd_slab_data(home);
    *image = (normd_image){
        .home = home,
        .snapshot = normd_snapshot_retain(session->current),
        .recalibration = normd_blob_retain(session->collected),
        .last_step = session->last_step,
        .uses = session->uses,
    };
    return image;
}

normd_image *normd_image_retain(normd_image *image)
{
    normd_slab_retain(image->home);
    return image;
}

void normd_image_release(normd_image *image)
{
    /* The slab counts, and with its last reference goes what the image holds. */
    if (image == NULL ||
        atomic_fetch_sub_explicit(&image->home->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    normd_snapshot_release(image->snapshot);
    normd_blob_release(image->recalibration);
    atomic_init(&image->home->references, 1);
    normd_slab_release(image->home);
}

static normd_image_bytes bytes_of(normd_slab *slab, size_t size)
{
    bool any = slab != NULL && size > 0;
    return (normd_image_bytes){.data = any ? normd_slab_data(slab) : NULL, .size = any ? size : 0};
}

normd_image_bytes normd_image_part_of(const normd_image *image, normd_image_part part)
{
    const normd_snapshot *snapshot = image->snapshot;
    const normd_model *model = snapshot->model;
    switch (part) {
    case NORMD_IMAGE_PARAMETERS:
        return bytes_of(snapshot->parameters, model->parameter_bytes);
    case NORMD_IMAGE_STATISTICS:
        return bytes_of(snapshot->statistics, model->statistic_bytes);
    case NORMD_IMAGE_SLOTS:
        return bytes_of(snapshot->slots, model->slot_bytes);
    case NORMD_IMAGE_ACCUMULATED:
        return bytes_of(snapshot->accumulated, model->parameter_bytes);
    case NORMD_IMAGE_RECALIBRATION:
        if (image->recalibration != NULL) {
            return (normd_image_bytes){image->recalibration->data, image->recalibration->size};
        }
        break;
    case NORMD_IMAGE_PARTS:
        break;
    }
    return (normd_image_bytes){.data = NULL};
}

uint64_t normd_image_version(const normd_image *image)
{
    return image->snapshot->version;
}

uint64_t normd_image_steps(const normd_image *image)
{
    return image->snapshot->steps;
}

uint64_t normd_image_last_step(const normd_image *image)
{
    return image->last_step;
}

normd_snapshot *normd_image_snapshot(const normd_image *image)
{
    return normd_snapshot_retain(image->snapshot);
}

/* A model never changes, and belongs to one digest. */
const void *normd_image_identity(const normd_image *image)
{
    return image->snapshot->model;
}

char *normd_image_description(const normd_image *image)
{
    return normd_image_describe(image->snapshot->model, image->snapshot->digest);
}
