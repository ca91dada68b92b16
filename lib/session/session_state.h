// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_SESSION_SESSION_STATE_H
#define NORMD_SESSION_SESSION_STATE_H

#include <pthread.h>

#include "lib/model/pass.h"
#include "lib/session/blob.h"
#include "lib/session/session.h"
#include "lib/session/slab.h"

/*
 * The inside of a session. What readers may see lies in snapshots, which never change: a mutation
 * writes new slabs beside the old ones and, when nothing can fail any more, publishes a snapshot of
 * them. Everything else belongs to the one thread that changes the session.
 */
struct normd_snapshot {
    atomic_size_t references;
    normd_slab *home; /* the slab that this struct and `derived` lie in */
    normd_model *model;
    normd_slab *parameters;
    normd_slab *statistics;
    normd_slab *slots;       /* of the optimizer */
    normd_slab *accumulated; /* gradients that backward accumulated, laid out as the parameters; or
                                NULL */
    char *derived;
    uint64_t version;
    uint64_t steps;
    uint64_t digest; /* the session's */
};

/* A forward step that is kept for backward. `pass` points into what the context owns. References
   are the session's one and those of normd_kept_steps, whose holders may look at x, mask and slabs;
   all else is the session's thread's. */
typedef struct normd_context {
    atomic_size_t references;
    uint64_t step;
    uint64_t born;       /* milliseconds */
    uint64_t used;       /* 0: not yet; else the session's count of uses when backward took it */
    bool repeatable;     /* stays kept when it was used */
    bool update_stats;   /* the forward's */
    size_t bytes;        /* charged to the budgets */
    size_t buffer_bytes; /* of them, of buffers; the others are in slabs, counted there, too */
    normd_pass pass;
    normd_model *model; /* that made it; a reference */
    normd_plan *plan;
    normd_slab *parameters;
    normd_slab *statistics; /* before the step, of a repeatable one; else NULL */
    normd_buffer *x;
    normd_buffer *arena; /* NULL: to be made again from the rest, which a repeatable one can */
    normd_buffer *mask;  /* or NULL */
    struct normd_context *next;
} normd_context;

typedef struct normd_recalibration normd_recalibration;

enum {
    NORMD_SESSION_PLANS = 8,
    NORMD_SESSION_USED_STEPS = 64, /* repeatable ones that stay kept when they were used */
    /* All repeatable ones: what is durable of a session goes through this list at each change. */
    NORMD_SESSION_REPEATABLE_STEPS = 256,
};

struct normd_session {
    const normd_engine *engine;
    normd_model *model;
    uint64_t digest;              /* of the initial values, some of which came as arrays */
    normd_session_totals *totals; /* the engine's, or NULL */
    size_t context_budget;
    uint64_t context_milliseconds;

    normd_slab_shelf *parameter_shelf;
    normd_slab_shelf *statistic_shelf;
    normd_slab_shelf *slot_shelf;
    normd_slab_shelf *snapshot_shelf;
    normd_slab_shelf *image_shelf;

    /* Held by other threads to read the model, a shelf or `current`, and by the session's own to
       replace them. */
    pthread_mutex_t lock;
    normd_snapshot *current;

    normd_plan *plan[NORMD_SESSION_PLANS]; /* by the shape of x, or NULL */
    uint64_t plan_clock;

    /* Of the running mutation: laid out as the parameters, zero where no gradient is. NULL: to be
       taken by normd_session_take_gradients. */
    normd_slab *gradients;

    uint64_t last_step; /* the number of the last forward */
    uint64_t uses;      /* backward steps that used a kept one */
    normd_context *oldest;
    normd_context *newest;
    normd_context *spare;
    size_t used_steps;            /* kept ones that were used */
    size_t repeatable_steps;      /* kept ones that are repeatable, used or not */
    size_t context_charge;        /* bytes of the kept contexts as budgets see them */
    atomic_size_t context_bytes;  /* of their buffers */
    _Atomic uint64_t oldest_born; /* of the kept contexts, for any thread; UINT64_MAX: none */
    const void
        *again_parameters; /* that normd_session_keep_again copied last, and for which step */
    const void *again_statistics;
    uint64_t again_step;
    size_t reserved; /* of the totals */

    /* A recalibration that goes on: as it computes, and as bytes; NULL where it has not that form.
       Both: they agree. Neither: there is none. */
    normd_recalibration *recalibration;
    normd_blob *collected;
};

/* ---- session.c ---- */

/* The model of a configuration, as normd_session_create reads it. */
normd_status normd_session_create_model(const normd_engine *engine, const json_t *configuration,
    const normd_attachments *attachments, normd_model **model, normd_error *error);

/* A session of the model, which it takes, also when it fails; without a snapshot: one must be
   published before anything else is done with it. `reserves`: takes its bytes from the budget of
   all sessions. BUSY, TOO_LARGE, INTERNAL. */
normd_status normd_session_open(const normd_engine *engine, normd_model *model, bool reserves,
    normd_session **session, normd_error *error);

/* Makes sure that there are session->gradients. INTERNAL, out of memory. */
normd_status normd_session_take_gradients(normd_session *session, normd_error *error);

/* The model, a reference; any thread. */
normd_model *normd_session_model(normd_session *session);

/* ---- snapshot.c ---- */

/* What a mutation leaves: each slab may be NULL, then the current one stays. */
typedef struct normd_change {
    normd_slab *parameters;
    normd_slab *statistics;
    normd_slab *slots;
    normd_slab *accumulated;
    bool drops_accumulated; /* there are no accumulated gradients any more */
    uint64_t version;
    uint64_t steps;
} normd_change;

/* Publishes a snapshot of the change. Takes the slabs, also when it fails: INTERNAL, out of memory,
   and the session is as before. */
normd_status normd_session_publish(
    normd_session *session, const normd_change *change, normd_error *error);

/* Releases the slabs. */
void normd_change_release(normd_change *change);

/* One more reference. */
normd_snapshot *normd_snapshot_retain(normd_snapshot *snapshot);

/* ---- context.c ---- */

/* Room for one more context, all zero; NULL when out of memory. */
normd_context *normd_context_take(normd_session *session);
/* Gives up the session's reference; with the last one what it owns is released. */
void normd_context_drop(normd_session *session, normd_context *context);
/* Gives up another one. Any thread. */
void normd_context_release(normd_context *context);
/* Keeps the context, as far as the budget allows. */
void normd_context_keep(normd_session *session, normd_context *context);
/* Drops what is older than the session's limit. */
void normd_context_expire(normd_session *session, uint64_t now);
/* The kept context of that step, used or not, or NULL; it stays kept. */
normd_context *normd_context_find(normd_session *session, uint64_t step);
/* CONTEXT_LOST. */
normd_status normd_context_lost(const normd_session *session, uint64_t step, normd_error *error);
/* Backward has used it: a repeatable one stays kept as far as the budget allows, another goes. */
void normd_context_use(normd_session *session, normd_context *context);
/* Drops what came after `last_step`, and has not been used what was used after that many uses. */
void normd_context_go_back(normd_session *session, uint64_t last_step, uint64_t uses);
/* Takes it out of the kept ones. */
void normd_context_remove(normd_session *session, normd_context *context);
void normd_context_drop_all(normd_session *session);

/* ---- reconfigure.c ---- */

/* Another session at `version` with the configuration (of which initial values that are arrays are
   left out) and with all of this one's state that fits into it. Errors as normd_session_create. */
normd_status normd_session_remake(const normd_session *session, const json_t *configuration,
    uint64_t version, normd_session **made, normd_error *error);

/* Gives the session what `made` is, all but its place among the others; `made` is to be destroyed
   then. */
void normd_session_adopt(normd_session *session, normd_session *made);

/* ---- lazy.c ---- */

/* Of a session whose features only the first batch tells: another one that knows them, from an x of
   this shape. What is to be done with the batch is done there; the session adopts it when that
   succeeded. `publishes`: it makes a new version of its own. BAD_SHAPE when the layers do not take
   such an x; errors as normd_session_create. */
normd_status normd_session_materialize(const normd_session *session, const normd_shape *x,
    bool publishes, normd_session **made, normd_error *error);

/* The model that such a session would have. BAD_SHAPE, TOO_LARGE, INTERNAL. */
normd_status normd_session_known_model(const normd_engine *engine, const normd_model *lazy,
    const normd_shape *x, normd_model **model, normd_error *error);

/* ---- recalibrate.c ---- */

/* Forgets the batches of a recalibration that is not finished. */
void normd_recalibration_drop(normd_session *session);

/* ---- backward.c ---- */

/* The backward pass of a kept step, whose gradients become the session's: dy, which is of any float
   type, becomes dx. BAD_SHAPE, BAD_ARGUMENT, TOO_LARGE, INTERNAL. */
normd_status normd_context_backward(
    normd_session *session, const normd_context *context, normd_tensor *dy, normd_error *error);

/* ---- repeat.c ---- */

/* The forward pass of a repeatable context once more. The arena and y are the caller's to release.
   INTERNAL; errors of the forward. */
normd_status normd_context_run(
    const normd_context *context, normd_buffer **arena, normd_tensor *y, normd_error *error);

/* ---- work.c ---- */

/* What one mutation takes and gives back; zeroed at first. */
typedef struct normd_work {
    normd_session *session;
    normd_plan *plan;
    normd_buffer *x; /* NULL: x is the caller's */
    normd_buffer *arena;
    normd_buffer *scratch;
    normd_buffer *mask;
    normd_tensor y; /* the output; then the gradient that travels back */
    normd_slab *new_statistics;
    normd_pass pass;
} normd_work;

/* What the mutation is: a forward that gives its output back, or a whole training step. */
typedef enum normd_work_kind { NORMD_WORK_FORWARD, NORMD_WORK_TRAIN } normd_work_kind;

/* The plan for an x of this shape, one more reference. BAD_SHAPE, TOO_LARGE, INTERNAL. */
normd_status normd_session_plan(
    normd_session *session, const normd_shape *x, normd_plan **plan, normd_error *error);

/* Plans for an x of this shape, takes the memory, and points the pass at it and at the current
   snapshot. The statistics are copied for an update if `update_stats`. BAD_SHAPE, TOO_LARGE. */
normd_status normd_work_begin(normd_work *work, normd_session *session, normd_work_kind kind,
    const normd_shape *x, bool update_stats, normd_error *error);
/* Checks the type of x and gives its values in the session's type: x itself, or converted into
   work->x. */
normd_status normd_work_input(normd_work *work, const normd_array *x, normd_error *error);
/* Checks a mask but for its shape, which the layers check, and counts its valid positions.
   BAD_ARGUMENT. */
normd_status normd_work_check_mask(
    const normd_model *model, const normd_array *mask, size_t *positions, normd_error *error);
/* Copies the mask into the work: a context keeps it for backward. BAD_ARGUMENT. */
normd_status normd_work_mask(normd_work *work, const normd_array *mask, normd_error *error);
/* The forward pass, with the check of x where no layer does it. */
normd_status normd_work_forward(normd_work *work, normd_error *error);
/* Copies what a loss found (train.c). */
void normd_work_take_result(const normd_loss_pass *pass, normd_train_result *result);
/* BAD_ARGUMENT when there is no loss. */
normd_status normd_work_check_loss(const normd_model *model, normd_error *error);
/* Releases what is still there. */
void normd_work_end(normd_work *work);

/* A buffer with the array's values in the model's type. BAD_ARGUMENT for what is not float. */
normd_status normd_work_convert(const normd_model *model, const char *field,
    const normd_array *array, normd_buffer **buffer, normd_error *error);
/* Whether the values can be used as they lie. */
bool normd_work_usable(const normd_model *model, const normd_array *array);

/* ---- evaluate.c ---- */

/* Inference over an x that stays the caller's, under the mask (or NULL), told to the observer (or
   NULL); y is the caller's to release. BAD_SHAPE (also for an x without elements), BAD_ARGUMENT,
   TOO_LARGE. */
normd_status normd_snapshot_observe(const normd_snapshot *snapshot, const normd_array *x,
    const normd_array *mask, const normd_observer *observer, normd_tensor *y, normd_error *error);

/* ---- apply.c ---- */

/* Checks that the session's gradients are finite; `what` names their source in the message. */
normd_status normd_session_check_gradients(
    normd_session *session, const char *what, normd_error *error);
/* The optimizer takes the session's gradients: it steps, or keeps them until enough batches are
   there (`accumulate_steps`). New statistics (or NULL; taken) are published with it. `loss`, of the
   batch, is for the schedule; NULL: not known. `takes_accumulated`: what backward accumulated is
   among the gradients, and waits no longer. */
normd_status normd_session_apply(normd_session *session, normd_slab *new_statistics,
    const double *loss, bool takes_accumulated, normd_error *error);
/* The optimizer's `lr` in the next step. */
double normd_session_next_rate(const normd_session *session);

#endif
