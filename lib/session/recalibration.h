// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_SESSION_RECALIBRATION_H
#define NORMD_SESSION_RECALIBRATION_H

#include "lib/session/statistics_layers.h"

/* What was collected so far, for every layer with running statistics: pooled, `total` holds the
   moments of all values; else the means over the batches, with the batch's variance in m2. */
struct normd_recalibration {
    normd_recalibration_mode mode;
    uint64_t batches;
    normd_statistics_collection total;
    normd_statistics_collection batch;
};

/* One without batches. INTERNAL, out of memory. */
normd_status normd_recalibration_begin(const normd_model *model, normd_recalibration_mode mode,
    normd_recalibration **recalibration, normd_error *error);
/* NULL is let pass. */
void normd_recalibration_destroy(normd_recalibration *recalibration);

#endif
