// SPDX-License-Identifier: Apache-2.0
#include "daemon/commit/checkpoint_blobs.h"

#include <stdlib.h>

/* At most so many new ones a step. */
enum { STEP_BLOBS = 4 };

static uint32_t add(normd_blobs *blobs, normd_image_bytes bytes)
{
    for (size_t i = 0; i < blobs->count; i++) {
        if (blobs->blob[i].data == bytes.data && blobs->blob[i].size == bytes.size) {
            return (uint32_t)i;
        }
    }
    blobs->blob[blobs->count] = bytes;
    return (uint32_t)blobs->count++;
}

static uint32_t add_part(normd_blobs *blobs, normd_image_bytes bytes, normd_image_part part)
{
    normd_image_bytes own = normd_image_part_of(blobs->image, part);
    return own.data == bytes.data && own.size == bytes.size ? NORMD_BLOB_IMAGE : add(blobs, bytes);
}

static uint32_t add_array(normd_blobs *blobs, const normd_array *array)
{
    return add(blobs, (normd_image_bytes){.data = array->data, .size = normd_array_bytes(array)});
}

normd_status normd_blobs_gather(normd_blobs *blobs, const normd_kept_list *kept, normd_error *error)
{
    size_t count = kept != NULL ? kept->steps.count : 0;
    blobs->row = calloc(count + 1, sizeof *blobs->row);
    blobs->blob = calloc(STEP_BLOBS * count + 1, sizeof *blobs->blob);
    if (blobs->row == NULL || blobs->blob == NULL) {
        return normd_error_no_memory(error);
    }
    for (size_t i = 0; i < count; i++) {
        const normd_kept_step *step = &kept->steps.step[i];
        bool masked = step->mask.data != NULL;
        blobs->row[blobs->rows++] = (normd_kept_row){
            .step = step->step,
            .used = step->used,
            .update_stats = step->update_stats,
            .x = step->x,
            .mask = step->mask,
            .has_mask = masked,
            .x_blob = add_array(blobs, &step->x),
            .mask_blob = masked ? add_array(blobs, &step->mask) : NORMD_BLOB_NONE,
            .parameters_blob = add_part(blobs, step->parameters, NORMD_IMAGE_PARAMETERS),
            .statistics_blob = add_part(blobs, step->statistics, NORMD_IMAGE_STATISTICS),
        };
    }
    return NORMD_OK;
}

normd_status normd_blobs_put(
    const normd_blobs *blobs, normd_store_batch *batch, uint64_t id, normd_error *error)
{
    normd_status status = NORMD_OK;
    for (size_t i = 0; i < blobs->count && status == NORMD_OK; i++) {
        normd_state_key key = {.id = id, .what = NORMD_STATE_BLOBS, .number = (uint32_t)i};
        status =
            normd_checkpoint_put_bytes(batch, key, blobs->blob[i].data, blobs->blob[i].size, error);
    }
    return status;
}

void normd_blobs_free(normd_blobs *blobs)
{
    free(blobs->row);
    free(blobs->blob);
}
