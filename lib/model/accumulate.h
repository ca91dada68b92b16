// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_MODEL_ACCUMULATE_H
#define NORMD_MODEL_ACCUMULATE_H

#include "lib/model/pass.h"

/* New slots with the gradients added to the accumulator; one more batch waits. False when a value
   is not finite. */
bool normd_accumulate(const normd_model_update *update);

/* What a step is made with: the gradients of the update or, where the optimizer accumulates, the
   mean of them and of what waits, written into the new accumulator (which the step then clears);
   the new count of waiting batches is 0. The new scalars are copied before. False when a value is
   not finite. */
bool normd_accumulate_mean(const normd_model_update *update, const char **gradients);

#endif
