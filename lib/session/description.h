// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_SESSION_DESCRIPTION_H
#define NORMD_SESSION_DESCRIPTION_H

#include "lib/model/model.h"

/*
 * Making a model again from its own description. Initial values that came as arrays are in the
 * tensors by then: the description only says {"name": "array"}, which nothing can be created from.
 */

/* A copy of the configuration without such initial values; NULL when out of memory. */
json_t *normd_description_strip_arrays(const json_t *configuration);

/* Puts them back into the description of a model that was made from the stripped one and that no
   other thread sees yet. */
void normd_description_restore_arrays(normd_model *model, const json_t *configuration);

/* The configuration that the model's session was created from, as JSON text with sorted keys: the
   model's own, unless it was reconfigured. The caller frees it; NULL when out of memory. */
char *normd_description_created(const normd_model *model);

#endif
