// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_MODEL_PENALIZE_H
#define NORMD_MODEL_PENALIZE_H

#include "lib/model/model.h"

/* The regularizers and constraints of all trainable parameters of a model; frozen ones have none,
   as in Keras. All are the same for any number of threads. */

/* The sum of all penalties. INTERNAL when out of memory. */
normd_status normd_model_penalty(
    const normd_model *model, const char *parameters, double *penalty, normd_error *error);

/* Adds the gradient of that at `parameters` to `gradients`, slabs both. */
void normd_model_add_penalty_gradients(
    const normd_model *model, const char *parameters, char *gradients);

/* Whether any trained parameter has a constraint. */
bool normd_model_constrains(const normd_model *model);
/* Brings new parameters back to their constraints, in place. */
void normd_model_constrain(const normd_model *model, char *parameters);

#endif
