// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_SESSION_IMAGE_H
#define NORMD_SESSION_IMAGE_H

#include "lib/session/session.h"

/*
 * What must be kept of a session so that it goes on to the same bits: for a store, and to go back.
 */

/* The parts of a state that are plain bytes, laid out by the model. */
typedef enum normd_image_part {
    NORMD_IMAGE_PARAMETERS,
    NORMD_IMAGE_STATISTICS,
    NORMD_IMAGE_SLOTS,
    NORMD_IMAGE_ACCUMULATED,   /* gradients that backward accumulated; size 0: none */
    NORMD_IMAGE_RECALIBRATION, /* a recalibration that is not finished; size 0: none */
    NORMD_IMAGE_PARTS
} normd_image_part;

/* `data` NULL and size 0: there is none. Two images whose parts have the same address hold the same
   bytes there, as long as both are held. */
typedef struct normd_image_bytes {
    const void *data;
    size_t size;
} normd_image_bytes;

/* A whole state, never changed, counted. Any thread, but for taking one. */
typedef struct normd_image normd_image;

/* The session's state now, by references: nothing large is copied but the moments of a
   recalibration that has seen another batch since the image before. On the session's thread. NULL
   when out of memory. */
normd_image *normd_session_image(normd_session *session);
normd_image *normd_image_retain(normd_image *image);
void normd_image_release(normd_image *image); /* NULL is let pass */

normd_image_bytes normd_image_part_of(const normd_image *image, normd_image_part part);
uint64_t normd_image_version(const normd_image *image);
uint64_t normd_image_steps(const normd_image *image);           /* of the optimizer */
uint64_t normd_image_last_step(const normd_image *image);       /* number of the last forward */
normd_snapshot *normd_image_snapshot(const normd_image *image); /* a new reference, for readers */

/* Same identity: same description, as long as both images are held. */
const void *normd_image_identity(const normd_image *image);
/* Everything else, as JSON text with sorted keys: configuration, what it was created from, digest,
   a fingerprint of the layout of the parts. The caller frees it; NULL when out of memory. */
char *normd_image_description(const normd_image *image);

/* ---- Coming back ---- */

typedef struct normd_image_source {
    const char *description; /* terminated; of normd_session_assign: NULL, it is the session's */
    uint64_t version, steps, last_step;
    normd_image_bytes part[NORMD_IMAGE_PARTS]; /* may be unaligned */
} normd_image_source;

/* A session that goes on from there. BAD_ARGUMENT naming what does not fit (sizes, fingerprint,
   wrong JSON); else as normd_session_create. */
normd_status normd_session_restore(const normd_engine *engine, const normd_image_source *source,
    normd_session **session, normd_error *error);
/* The same for a living session of the same description; kept steps stay, and their numbers count.
   Errors as above. On the session's thread. */
normd_status normd_session_assign(
    normd_session *session, const normd_image_source *source, normd_error *error);
/* Back to an earlier image of its own; kept steps that came later (step > last_step of the image)
   are dropped, those used since become usable again as far as they are still kept. Cannot fail when
   the model is the same; else INTERNAL, BUSY (out of memory), the session is as it was. */
normd_status normd_session_rollback(
    normd_session *session, const normd_image *image, normd_error *error);

/* The number that the next forward gives is at least this + 1. */
void normd_session_number_steps_from(normd_session *session, uint64_t last_step);

/* ---- Kept steps ---- */

/* A forward step as it can be stored and made again. References, valid until
   normd_kept_steps_release. */
typedef struct normd_kept_step {
    uint64_t step;
    bool used; /* by a backward already; kept so that its answer can be made again */
    bool update_stats;
    normd_array x;                /* in the session's type */
    normd_array mask;             /* data NULL: none */
    normd_image_bytes parameters; /* that it ran on */
    normd_image_bytes statistics; /* before it */
} normd_kept_step;

typedef struct normd_kept_steps {
    size_t count;
    normd_kept_step *step; /* the oldest first */
    void *held;
} normd_kept_steps;

/* The kept steps marked repeatable (normd_forward_options.repeatable) that were made with the
   session's present model. A step that backward has used stays kept with its x, parameters and
   statistics: the newest NORMD_SESSION_USED_STEPS (64) of a session, which go first when a budget
   needs room. One may hold them while the session goes on. On the session's thread;
   INTERNAL. */
normd_status normd_session_kept_steps(
    normd_session *session, normd_kept_steps *steps, normd_error *error);
void normd_kept_steps_release(normd_kept_steps *steps); /* any thread */

/* Makes a kept step again, to the same bits: what recovery calls after normd_session_restore, the
   oldest first. Parameters and statistics are copied; those equal (same address) to the ones of the
   call before, or to the session's own, share their memory. Nothing is computed: backward runs the
   forward pass again when it comes to the step. BAD_ARGUMENT when a part does not fit the session,
   or the number is not after those kept; BAD_SHAPE; INTERNAL. */
normd_status normd_session_keep_again(normd_session *session, const normd_kept_step *step,
    uint64_t now_milliseconds, normd_error *error);

/* The output of a repeatable forward once more, also when backward has used it; changes nothing.
   CONTEXT_LOST when it is not kept any more. */
normd_status normd_session_forward_again(
    normd_session *session, uint64_t step, normd_tensor *y, normd_error *error);
/* dx of a repeatable step that backward has used, from the same dy (taken). CONTEXT_LOST. */
normd_status normd_session_backward_again(
    normd_session *session, uint64_t step, normd_tensor *dy, normd_tensor *dx, normd_error *error);

#endif
