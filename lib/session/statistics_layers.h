// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_SESSION_STATISTICS_LAYERS_H
#define NORMD_SESSION_STATISTICS_LAYERS_H

#include "lib/layers/batch_norm_measure.h"
#include "lib/session/session_state.h"
#include "lib/session/statistics.h"

/* What the statistics service shares: which layers it is about, and their moments in a batch. */

/* The batch norm at that place, or NULL. */
const normd_batch_norm *normd_statistics_norm(const normd_model *model, size_t index);

/* Whether the layer of that place is asked for by `layer`, a name or NULL. */
bool normd_statistics_asked(const normd_model *model, size_t index, const char *layer);

/* BAD_ARGUMENT when `layer` is a name that no batch norm has, or when there is none at all. With
   `tracked` it must have running statistics. */
normd_status normd_statistics_check(
    const normd_model *model, const char *layer, bool tracked, normd_error *error);

/* The moments of one batch at every batch norm that is asked for. */
typedef struct normd_statistics_collection {
    const normd_model *model;
    size_t *begin; /* of each layer: its first feature in `moments`; `layers` + 1 of them */
    normd_moments *moments;
} normd_statistics_collection;

/* With `tracked` only layers that have running statistics. INTERNAL when out of memory. */
normd_status normd_statistics_collection_open(normd_statistics_collection *collection,
    const normd_model *model, const char *layer, bool tracked, normd_error *error);
void normd_statistics_collection_close(normd_statistics_collection *collection);
/* An observer that fills it; valid as long as the collection stays where it is. */
normd_observer normd_statistics_observer(normd_statistics_collection *collection);

/* Fills it by a training-mode forward that changes nothing. Errors as normd_session_forward. */
normd_status normd_statistics_collect(normd_session *session, const normd_array *x,
    const normd_array *mask, normd_statistics_collection *collection, normd_error *error);

/* Room for the measures of the collection's layers, arrays not filled. INTERNAL. */
normd_status normd_measures_make(const normd_statistics_collection *collection, const char *first,
    const char *second, normd_measures *measures, normd_error *error);

#endif
