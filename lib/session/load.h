// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_SESSION_LOAD_H
#define NORMD_SESSION_LOAD_H

#include "lib/exchange/npz.h"
#include "lib/exchange/safetensors.h"
#include "lib/session/tensor_names.h"

/* Reads every tensor of the file into new slabs of `change`, and the number of steps when the file
   has the optimizer's slots (else steps and slots stay those of the session). Strict: every tensor
   of the file must be known, fit in shape and type (any float type for floats), and hold finite
   values; none of the model's may be missing; of the slots, all or none. On failure the change
   holds no slabs. BAD_ARGUMENT, BAD_SHAPE, NOT_FINITE. */
normd_status normd_session_load(normd_session *session, const normd_safetensors *tensors,
    normd_change *change, normd_error *error);

/* The same from an .npz, by the order, names and layouts of lib/session/keras_order.h. The rate
   among the optimizer's variables is read but not set: it is an option of the session. */
normd_status normd_session_load_npz(
    normd_session *session, normd_npz *npz, normd_change *change, normd_error *error);

/* ---- What the two share (load.c) ---- */

/* Takes new slabs, the session's steps, and what a file need not have: copies of its statistics and
   slots. On failure the change holds no slabs. */
normd_status normd_load_begin(normd_session *session, normd_change *change, normd_error *error);
/* Releases the slabs when `status` is a failure, or those of slots that the file does not have.
   Returns `status`. */
normd_status normd_load_end(normd_change *change, normd_status status, bool has_slots);
/* Where the tensor's values lie in the change. */
char *normd_load_target(
    const normd_model *model, const normd_tensor_place *place, const normd_change *change);
/* Copies the array to `to` in the tensor's type, when it has its shape and its values can be. */
normd_status normd_load_tensor(const normd_model *model, const normd_tensor_place *place,
    const char *name, const normd_array *array, char *to, normd_error *error);

/* A number from 0 to `most` in the file's metadata; *value stays when there is none.
   BAD_ARGUMENT. */
normd_status normd_load_number(const normd_safetensors *tensors, const char *key, uint64_t most,
    uint64_t *value, normd_error *error);

#endif
