// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_MODEL_AVERAGE_H
#define NORMD_MODEL_AVERAGE_H

#include "lib/model/pass.h"

/* Writes the new average of `count` values that begin at byte `from` of the slabs, where the
   optimizer averages the weights, when their new weights are there; these take the average when it
   is time for that. `trained`: else the old average stays. */
void normd_average_values(
    const normd_model_update *update, bool trained, size_t from, size_t count);

/* Counts the step in the new scalars, when its weights went into the average. After the tiles. */
void normd_average_count(const normd_model_update *update);

#endif
