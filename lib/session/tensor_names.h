// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_SESSION_TENSOR_NAMES_H
#define NORMD_SESSION_TENSOR_NAMES_H

#include "lib/session/session_state.h"

/*
 * The names of a session's tensors in files: "1.running_mean" as in the state_dict of a
 * torch.nn.Sequential, "optimizer.0.weight.exp_avg" for the optimizer's slots, and
 * "optimizer.accumulated_batches" for its scalars.
 */
enum { NORMD_TENSOR_NAME_BYTES = 96 };

typedef struct normd_tensor_place {
    size_t layer;
    const normd_layer_tensor *tensor;
    bool is_slot; /* of the slab of slots */
    size_t slot;
    bool is_scalar; /* one of the optimizer's scalars, which belong to no layer; is_slot, too */
} normd_tensor_place;

void normd_tensor_name(
    const normd_model *model, const normd_tensor_place *place, char name[NORMD_TENSOR_NAME_BYTES]);

/* False when the model has no tensor of that name. */
bool normd_tensor_locate(const normd_model *model, const char *name, normd_tensor_place *place);

/* Goes through all tensors of the model, all slots of the trainable ones, all scalars. `place`
   starts zeroed; false behind the last. */
bool normd_tensor_next(const normd_model *model, normd_tensor_place *place);

/* The place's bytes within its slab; for a slot, within the slots. */
size_t normd_tensor_offset(const normd_model *model, const normd_tensor_place *place);

/* A view of its values in a snapshot (export.c). */
normd_array normd_snapshot_tensor(const normd_snapshot *snapshot, const normd_tensor_place *place);

/* Keys of a file's metadata. */
#define NORMD_METADATA_CONFIGURATION "normd.configuration"
#define NORMD_METADATA_CREATED "normd.created" /* where it is another */
#define NORMD_METADATA_VERSION "normd.version"
#define NORMD_METADATA_STEPS "normd.steps"
#define NORMD_METADATA_DIGEST "normd.digest"

#endif
