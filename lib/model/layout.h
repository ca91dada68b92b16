// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_MODEL_LAYOUT_H
#define NORMD_MODEL_LAYOUT_H

#include "lib/model/model.h"

/* Gives every tensor its place in its slab, and cuts the parameters into the optimizer's tiles.
   TOO_LARGE, also when the session would be over its limit; INTERNAL. */
normd_status normd_model_lay_out(normd_model *model, normd_error *error);

#endif
