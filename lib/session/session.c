// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "lib/session/description.h"
#include "lib/session/hash.h"
#include "lib/session/image_state.h"
#include "lib/session/session_state.h"

normd_status normd_session_take_gradients(normd_session *session, normd_error *error)
{
    if (session->gradients == NULL) {
        session->gradients = normd_slab_take(session->parameter_shelf);
        if (session->gradients == NULL) {
            return normd_error_no_memory(error);
        }
        /* Backward writes what is trainable; checks and sums go over the whole. */
        memset(normd_slab_data(session->gradients), 0, session->model->parameter_bytes);
    }
    return NORMD_OK;
}

enum { DIGEST_PIECE = 1 << 18 };

typedef struct digest_loop {
    const char *bytes;
    size_t count;
    uint64_t *hash; /* of each piece */
} digest_loop;

static void digest_piece(void *argument, size_t piece)
{
    const digest_loop *loop = argument;
    size_t begin = piece * DIGEST_PIECE;
    size_t count = loop->count - begin < DIGEST_PIECE ? loop->count - begin : DIGEST_PIECE;
    loop->hash[piece] = normd_hash_bytes(NORMD_HASH_BEGIN, loop->bytes + begin, count);
}

/* Goes on from `digest` with the hashes of pieces of the slab, which the pool makes. */
static bool digest_slab(
    const normd_compute *compute, normd_slab *slab, size_t bytes, uint64_t *digest)
{
    size_t pieces = bytes / DIGEST_PIECE + (bytes % DIGEST_PIECE != 0);
    digest_loop loop = {.bytes = normd_slab_data(slab), .count = bytes};
    loop.hash = calloc(pieces + 1, sizeof *loop.hash);
    if (loop.hash == NULL) {
        return false;
    }
    normd_compute_tiles(compute, bytes, pieces, digest_piece, &loop);
    *digest = normd_hash_bytes(*digest, loop.hash, pieces * sizeof *loop.hash);
    free(loop.hash);
    return true;
}

static bool make_digest(normd_session *session, const normd_change *initial)
{
    const normd_model *model = session->model;
    const normd_compute *compute = &model->compute;
    session->digest = NORMD_HASH_BEGIN;
    return digest_slab(compute, initial->parameters, model->parameter_bytes, &session->digest) &&
           digest_slab(compute, initial->statistics, model->statistic_bytes, &session->digest);
}

static normd_slab_shelf *make_shelf(const normd_session *session, size_t bytes)
{
    normd_slab_shelf *shelf = normd_slab_shelf_create(bytes);
    if (shelf != NULL && session->totals != NULL) {
        normd_slab_shelf_count_in(shelf, &session->totals->bytes);
    }
    return shelf;
}

static bool make_shelves(normd_session *session)
{
    const normd_model *model = session->model;
    size_t snapshot = normd_round_to_line(sizeof(normd_snapshot)) + model->derived_bytes;
    session->parameter_shelf = make_shelf(session, model->parameter_bytes);
    session->statistic_shelf = make_shelf(session, model->statistic_bytes);
    session->slot_shelf = make_shelf(session, model->slot_bytes);
    session->snapshot_shelf = make_shelf(session, snapshot);
    session->image_shelf = normd_slab_shelf_create(sizeof(normd_image));
    normd_error ignored;
    return session->parameter_shelf != NULL && session->statistic_shelf != NULL &&
           session->slot_shelf != NULL && session->snapshot_shelf != NULL &&
           session->image_shelf != NULL &&
           normd_session_take_gradients(session, &ignored) == NORMD_OK;
}

/* Version 0. */
static normd_status publish_initial(normd_session *session, const json_t *configuration,
    const normd_attachments *attachments, normd_error *error)
{
    normd_change initial = {
        .parameters = normd_slab_take(session->parameter_shelf),
        .statistics = normd_slab_take(session->statistic_shelf),
        .slots = normd_slab_take(session->slot_shelf),
    };
    normd_status status = NORMD_OK;
    if (initial.parameters == NULL || initial.statistics == NULL || initial.slots == NULL) {
        status = normd_error_no_memory(error);
    } else {
        status = normd_model_initialize(session->model, configuration, attachments,
            normd_slab_data(initial.parameters), normd_slab_data(initial.statistics), error);
    }
    if (status == NORMD_OK) {
        normd_model_initialize_slots(session->model, normd_slab_data(initial.slots));
    }
    if (status == NORMD_OK && !make_digest(session, &initial)) {
        status = normd_error_no_memory(error);
    }
    if (status != NORMD_OK) {
        normd_change_release(&initial);
        return status;
    }
    return normd_session_publish(session, &initial, error);
}

/* From the budget of all sessions, before the memory is taken. */
static normd_status reserve(normd_session *session, normd_error *error)
{
    if (session->totals == NULL) {
        return NORMD_OK;
    }
    normd_budget *sessions = &session->totals->sessions;
    size_t bytes = session->model->session_bytes;
    normd_status status =
        normd_limit_check(sessions->limit, bytes, "session: expected one that takes", "", error);
    if (status != NORMD_OK) {
        return status;
    }
    if (!normd_budget_take(sessions, bytes)) {
        return normd_error_set(error, NORMD_BUSY,
            "session: expected one that fits in what sessions may take together: they have %zu of "
            "%zu bytes, this one takes %zu; delete some",
            normd_budget_used(sessions), sessions->limit, bytes);
    }
    session->reserved = bytes;
    return NORMD_OK;
}

normd_status normd_session_create_model(const normd_engine *engine, const json_t *configuration,
    const normd_attachments *attachments, normd_model **model, normd_error *error)
{
    normd_compute compute = {
        .pool = engine->pool, .buffers = engine->buffers, .caches = engine->caches};
    return normd_model_create(
        &compute, engine->kernels, &engine->limits, configuration, attachments, model, error);
}

normd_status normd_session_open(const normd_engine *engine, normd_model *model, bool reserves,
    normd_session **session, normd_error *error)
{
    *session = NULL;
    normd_session *made = calloc(1, sizeof *made);
    if (made == NULL) {
        normd_model_release(model);
        return normd_error_no_memory(error);
    }
    pthread_mutex_init(&made->lock, NULL);
    atomic_init(&made->context_bytes, 0);
    atomic_init(&made->oldest_born, UINT64_MAX);
    made->engine = engine;
    made->model = model;
    made->totals = engine->totals;
    made->context_budget = engine->context_bytes;
    made->context_milliseconds = engine->context_milliseconds;
    normd_status status = reserves ? reserve(made, error) : NORMD_OK;
    if (status == NORMD_OK && !make_shelves(made)) {
        status = normd_error_no_memory(error);
    }
    if (status != NORMD_OK) {
        normd_session_destroy(made);
        return status;
    }
    *session = made;
    return NORMD_OK;
}

normd_status normd_session_create(const normd_engine *engine, const json_t *configuration,
    const normd_attachments *attachments, normd_session **session, normd_error *error)
{
    *session = NULL;
    normd_model *model = NULL;
    normd_session *made = NULL;
    normd_status status =
        normd_session_create_model(engine, configuration, attachments, &model, error);
    if (status == NORMD_OK) {
        status = normd_session_open(engine, model, true, &made, error);
    }
    if (status == NORMD_OK) {
        status = publish_initial(made, configuration, attachments, error);
    }
    if (status != NORMD_OK) {
        normd_session_destroy(made);
        return status;
    }
    *session = made;
    return NORMD_OK;
}

void normd_session_unreserve(normd_session *session)
{
    if (session->totals != NULL) {
        normd_budget_give(&session->totals->sessions, session->reserved);
        session->reserved = 0;
    }
}

void normd_session_destroy(normd_session *session)
{
    if (session == NULL) {
        return;
    }
    normd_context_drop_all(session);
    normd_recalibration_drop(session);
    while (session->spare != NULL) {
        normd_context *next = session->spare->next;
        free(session->spare);
        session->spare = next;
    }
    for (size_t i = 0; i < NORMD_SESSION_PLANS; i++) {
        normd_plan_release(session->plan[i]);
    }
    normd_snapshot_release(session->current);
    normd_slab_release(session->gradients);
    normd_slab_shelf_release(session->parameter_shelf);
    normd_slab_shelf_release(session->statistic_shelf);
    normd_slab_shelf_release(session->slot_shelf);
    normd_slab_shelf_release(session->snapshot_shelf);
    normd_slab_shelf_release(session->image_shelf);
    normd_session_unreserve(session);
    normd_model_release(session->model);
    pthread_mutex_destroy(&session->lock);
    free(session);
}

normd_model *normd_session_model(normd_session *session)
{
    pthread_mutex_lock(&session->lock);
    normd_model *model = normd_model_retain(session->model);
    pthread_mutex_unlock(&session->lock);
    return model;
}

bool normd_session_same_configuration(const normd_session *a, const normd_session *b)
{
    char *of_a = normd_description_created(a->model);
    char *of_b = normd_description_created(b->model);
    bool same = of_a != NULL && of_b != NULL && strcmp(of_a, of_b) == 0 && a->digest == b->digest;
    free(of_a);
    free(of_b);
    return same;
}

size_t normd_session_bytes(normd_session *session)
{
    pthread_mutex_lock(&session->lock);
    size_t slabs = normd_slab_shelf_bytes(session->parameter_shelf) +
                   normd_slab_shelf_bytes(session->statistic_shelf) +
                   normd_slab_shelf_bytes(session->slot_shelf) +
                   normd_slab_shelf_bytes(session->snapshot_shelf);
    pthread_mutex_unlock(&session->lock);
    return slabs + atomic_load_explicit(&session->context_bytes, memory_order_relaxed);
}
