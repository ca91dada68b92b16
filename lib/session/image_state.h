// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_SESSION_IMAGE_STATE_H
#define NORMD_SESSION_IMAGE_STATE_H

#include "lib/session/image.h"
#include "lib/session/session_state.h"

/* The inside of images. */
struct normd_image {
    normd_slab *home; /* that this struct lies in, and that counts the references */
    normd_snapshot *snapshot;
    normd_blob *recalibration; /* or NULL */
    uint64_t last_step;
    uint64_t uses; /* of kept steps, so far */
};

/* ---- image_description.c ---- */

/* What tells layouts of slabs apart: names, types, shapes and places of all tensors, the
   optimizer's slots and scalars, and the sizes of the slabs. */
uint64_t normd_image_layout(const normd_model *model);

/* The description of a state of that model. The caller frees it; NULL when out of memory. */
char *normd_image_describe(const normd_model *model, uint64_t digest);

/* A description, read. The pointers are into `root`, which json_decref releases. */
typedef struct normd_image_words {
    json_t *root;
    const json_t *configuration;
    const char *created; /* or NULL: the configuration */
    uint64_t digest;
    uint64_t layout;
} normd_image_words;

/* BAD_ARGUMENT. */
normd_status normd_image_read(const char *text, normd_image_words *words, normd_error *error);

/* ---- recalibration_state.c ---- */

/* Brings session->collected up to date; false when out of memory. */
bool normd_recalibration_store(normd_session *session);
/* Brings session->recalibration up to date. INTERNAL, out of memory. */
normd_status normd_recalibration_wake(normd_session *session, normd_error *error);
/* Forgets the bytes, which no longer agree. */
void normd_recalibration_changed(normd_session *session);
/* BAD_ARGUMENT when the bytes are no recalibration of this model. */
normd_status normd_recalibration_check(
    const normd_model *model, const normd_image_bytes *bytes, normd_error *error);

#endif
