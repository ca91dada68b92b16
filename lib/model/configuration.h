// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_MODEL_CONFIGURATION_H
#define NORMD_MODEL_CONFIGURATION_H

#include "lib/model/model.h"

/* Fills convention, type, seed, input, layers, loss and optimizer of a zeroed model. What was made
   before a mistake is released with the model. */
normd_status normd_model_read_configuration(normd_model *model, const json_t *configuration,
    const normd_attachments *attachments, normd_error *error);

/* Writes the shape that x must have, as far as `input` tells it: "(N, 3, ?, ?)". */
void normd_model_input_text(const normd_model *model, char *text, size_t size);

#endif
