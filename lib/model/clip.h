// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_MODEL_CLIP_H
#define NORMD_MODEL_CLIP_H

#include "lib/model/model.h"

/* What the optimizer's clipping by norm multiplies the gradients of each of its tiles by: doubles
   in a buffer, the caller's to release; NULL where nothing is clipped by its norm. Norms are summed
   in double, tile after tile, so that they do not depend on threads; frozen parameters are no part
   of them. INTERNAL when out of memory. */
normd_status normd_clip_factors(
    const normd_model *model, const char *gradients, normd_buffer **factors, normd_error *error);

#endif
