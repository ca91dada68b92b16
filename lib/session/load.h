// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_SESSION_LOAD_H
#define NORMD_SESSION_LOAD_H

#include "lib/exchange/safetensors.h"
#include "lib/session/session_state.h"

/* Reads every tensor of the file into new slabs of `change`, and the number of steps when the file
   has the optimizer's slots (else steps and slots stay those of the session). Strict: every tensor
   of the file must be known, fit in shape and type (any float type for floats), and hold finite
   values; none of the model's may be missing; of the slots, all or none. On failure the change
   holds no slabs. BAD_ARGUMENT, BAD_SHAPE, NOT_FINITE. */
normd_status normd_session_load(normd_session *session, const normd_safetensors *tensors,
    normd_change *change, normd_error *error);

/* A number from 0 to `most` in the file's metadata; *value stays when there is none.
   BAD_ARGUMENT. */
normd_status normd_load_number(const normd_safetensors *tensors, const char *key, uint64_t most,
    uint64_t *value, normd_error *error);

#endif
