// SPDX-License-Identifier: Apache-2.0
#include "lib/session/session_state.h"

static normd_slab *chosen(normd_slab *new_one, normd_slab *current)
{
    return new_one != NULL || current == NULL ? new_one : normd_slab_retain(current);
}

void normd_change_release(normd_change *change)
{
    normd_slab_release(change->parameters);
    normd_slab_release(change->statistics);
    normd_slab_release(change->slots);
    normd_slab_release(change->accumulated);
    change->parameters = NULL;
    change->statistics = NULL;
    change->slots = NULL;
    change->accumulated = NULL;
}

normd_status normd_session_publish(
    normd_session *session, const normd_change *change, normd_error *error)
{
    normd_slab *home = normd_slab_take(session->snapshot_shelf);
    if (home == NULL) {
        normd_change lost = *change;
        normd_change_release(&lost);
        return normd_error_no_memory(error);
    }
    normd_snapshot *old = session->current;
    normd_snapshot *made = (normd_snapshot *)(void *)normd_slab_data(home);
    *made = (normd_snapshot){
        .home = home,
        .model = normd_model_retain(session->model),
        .derived = normd_slab_data(home) + normd_round_to_line(sizeof *made),
        .digest = session->digest,
        .version = change->version,
        .steps = change->steps,
    };
    atomic_init(&made->references, 1);
    if (old == NULL) {
        made->parameters = change->parameters;
        made->statistics = change->statistics;
        made->slots = change->slots;
        made->accumulated = change->accumulated;
    } else {
        made->parameters = chosen(change->parameters, old->parameters);
        made->statistics = chosen(change->statistics, old->statistics);
        made->slots = chosen(change->slots, old->slots);
        made->accumulated =
            chosen(change->accumulated, change->drops_accumulated ? NULL : old->accumulated);
    }
    normd_model_derive(session->model, normd_slab_data(made->parameters),
        normd_slab_data(made->statistics), made->derived);
    pthread_mutex_lock(&session->lock);
    session->current = made;
    pthread_mutex_unlock(&session->lock);
    normd_snapshot_release(old);
    return NORMD_OK;
}

normd_snapshot *normd_snapshot_retain(normd_snapshot *snapshot)
{
    atomic_fetch_add_explicit(&snapshot->references, 1, memory_order_relaxed);
    return snapshot;
}

normd_snapshot *normd_session_snapshot(normd_session *session)
{
    pthread_mutex_lock(&session->lock);
    normd_snapshot *snapshot = normd_snapshot_retain(session->current);
    pthread_mutex_unlock(&session->lock);
    return snapshot;
}

void normd_snapshot_release(normd_snapshot *snapshot)
{
    if (snapshot == NULL ||
        atomic_fetch_sub_explicit(&snapshot->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    normd_slab_release(snapshot->parameters);
    normd_slab_release(snapshot->statistics);
    normd_slab_release(snapshot->slots);
    normd_slab_release(snapshot->accumulated);
    normd_model_release(snapshot->model);
    normd_slab_release(snapshot->home);
}

uint64_t normd_snapshot_version(const normd_snapshot *snapshot)
{
    return snapshot->version;
}

normd_convention normd_snapshot_convention(const normd_snapshot *snapshot)
{
    return snapshot->model->convention;
}

uint64_t normd_snapshot_cost(const normd_snapshot *snapshot, const normd_shape *x)
{
    return normd_model_cost(snapshot->model, x);
}
