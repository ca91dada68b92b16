// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "lib/session/session_state.h"

normd_context *normd_context_take(normd_session *session)
{
    normd_context *context = session->spare;
    if (context == NULL) {
        context = calloc(1, sizeof *context);
    } else {
        session->spare = context->next;
        *context = (normd_context){.step = 0};
    }
    if (context != NULL) {
        atomic_init(&context->references, 1);
    }
    return context;
}

/* True for the last reference. */
static bool give_up(normd_context *context)
{
    if (atomic_fetch_sub_explicit(&context->references, 1, memory_order_acq_rel) != 1) {
        return false;
    }
    normd_model_release(context->model);
    normd_slab_release(context->parameters);
    normd_slab_release(context->statistics);
    normd_buffer_release(context->x);
    normd_buffer_release(context->mask);
    return true;
}

void normd_context_release(normd_context *context)
{
    if (give_up(context)) {
        free(context);
    }
}

void normd_context_drop(normd_session *session, normd_context *context)
{
    normd_plan_release(context->plan);
    normd_buffer_release(context->arena);
    context->plan = NULL;
    context->arena = NULL;
    if (give_up(context)) {
        context->next = session->spare;
        session->spare = context;
    }
}

static void note_oldest(normd_session *session)
{
    uint64_t born = session->oldest != NULL ? session->oldest->born : UINT64_MAX;
    atomic_store_explicit(&session->oldest_born, born, memory_order_relaxed);
}

static void drop_oldest(normd_session *session)
{
    normd_context *oldest = session->oldest;
    normd_context_remove(session, oldest);
    normd_context_drop(session, oldest);
}

/* ---- Budgets ---- */

static bool charges_parameters(const normd_session *session, const normd_context *context)
{
    bool charges = context->used != 0;
    for (const normd_context *at = session->oldest; at != NULL && charges; at = at->next) {
        charges = at == context || at->used == 0 || at->parameters != context->parameters;
    }
    return charges;
}

/* Buffers, and the slabs that nothing but the wish to make the answer again keeps. */
static void measure(const normd_session *session, normd_context *context)
{
    context->buffer_bytes = context->x->capacity;
    context->buffer_bytes += context->arena != NULL ? context->arena->capacity : 0;
    context->buffer_bytes += context->mask != NULL ? context->mask->capacity : 0;
    context->bytes = context->buffer_bytes;
    context->bytes += context->repeatable ? context->model->statistic_bytes : 0;
    context->bytes += charges_parameters(session, context) ? context->model->parameter_bytes : 0;
}

/* False when there is no room: in the session's budget, or in that of all sessions. */
static bool charge(normd_session *session, const normd_context *context)
{
    if (context->bytes > session->context_budget ||
        session->context_charge > session->context_budget - context->bytes ||
        (session->totals != NULL &&
            !normd_budget_take(&session->totals->contexts, context->bytes))) {
        return false;
    }
    session->context_charge += context->bytes;
    atomic_fetch_add_explicit(&session->context_bytes, context->buffer_bytes, memory_order_relaxed);
    return true;
}

static void discharge(normd_session *session, const normd_context *context)
{
    session->context_charge -= context->bytes;
    atomic_fetch_sub_explicit(&session->context_bytes, context->buffer_bytes, memory_order_relaxed);
    if (session->totals != NULL) {
        normd_budget_give(&session->totals->contexts, context->bytes);
    }
}

/* Takes it out of the list alone. */
static void unlink_context(normd_session *session, normd_context *context)
{
    normd_context *before = NULL;
    for (normd_context *at = session->oldest; at != context; at = at->next) {
        before = at;
    }
    *(before != NULL ? &before->next : &session->oldest) = context->next;
    if (session->newest == context) {
        session->newest = before;
    }
    session->used_steps -= context->used != 0;
    session->repeatable_steps -= context->repeatable;
    note_oldest(session);
}

void normd_context_remove(normd_session *session, normd_context *context)
{
    unlink_context(session, context);
    discharge(session, context);
}

/* The oldest used one but that; or NULL. */
static normd_context *oldest_used(const normd_session *session, const normd_context *but)
{
    normd_context *context = session->oldest;
    while (context != NULL && (context->used == 0 || context == but)) {
        context = context->next;
    }
    return context;
}

static bool drop_oldest_used(normd_session *session, const normd_context *but)
{
    normd_context *used = oldest_used(session, but);
    if (used != NULL) {
        normd_context_remove(session, used);
        normd_context_drop(session, used);
    }
    return used != NULL;
}

/* Makes room for one more repeatable step; used ones go first. */
static void limit_repeatable(normd_session *session)
{
    if (session->repeatable_steps < NORMD_SESSION_REPEATABLE_STEPS ||
        drop_oldest_used(session, NULL)) {
        return;
    }
    normd_context *oldest = session->oldest;
    while (!oldest->repeatable) {
        oldest = oldest->next;
    }
    normd_context_remove(session, oldest);
    normd_context_drop(session, oldest);
}

void normd_context_keep(normd_session *session, normd_context *context)
{
    if (context->repeatable) {
        limit_repeatable(session);
    }
    measure(session, context);
    bool never = context->bytes > session->context_budget;
    while (never || !charge(session, context)) {
        if (never || session->oldest == NULL) {
            normd_context_drop(session, context);
            return;
        }
        if (!drop_oldest_used(session, NULL)) {
            drop_oldest(session);
        }
    }
    context->next = NULL;
    if (session->newest != NULL) {
        session->newest->next = context;
    } else {
        session->oldest = context;
    }
    session->newest = context;
    session->used_steps += context->used != 0;
    session->repeatable_steps += context->repeatable;
    note_oldest(session);
}

void normd_context_use(normd_session *session, normd_context *context)
{
    if (!context->repeatable) {
        normd_context_remove(session, context);
        normd_context_drop(session, context);
        return;
    }
    discharge(session, context);
    normd_buffer_release(context->arena);
    context->arena = NULL;
    context->used = ++session->uses;
    session->used_steps++;
    measure(session, context);
    while (!charge(session, context)) {
        if (!drop_oldest_used(session, context)) {
            unlink_context(session, context);
            normd_context_drop(session, context);
            return;
        }
    }
    if (session->used_steps > NORMD_SESSION_USED_STEPS) {
        drop_oldest_used(session, context);
    }
}

void normd_context_go_back(normd_session *session, uint64_t last_step, uint64_t uses)
{
    normd_context *next;
    for (normd_context *at = session->oldest; at != NULL; at = next) {
        next = at->next;
        if (at->step > last_step) {
            normd_context_remove(session, at);
            normd_context_drop(session, at);
        } else if (at->used > uses) {
            at->used = 0;
            session->used_steps--;
        }
    }
}

void normd_context_expire(normd_session *session, uint64_t now)
{
    while (normd_session_expires(session, now)) {
        drop_oldest(session);
    }
}

bool normd_session_expires(const normd_session *session, uint64_t now_milliseconds)
{
    uint64_t born = atomic_load_explicit(&session->oldest_born, memory_order_relaxed);
    return session->context_milliseconds != 0 && now_milliseconds > born &&
           now_milliseconds - born > session->context_milliseconds;
}

void normd_session_expire(normd_session *session, uint64_t now_milliseconds)
{
    normd_context_expire(session, now_milliseconds);
}

normd_context *normd_context_find(normd_session *session, uint64_t step)
{
    normd_context *context = session->oldest;
    while (context != NULL && context->step != step) {
        context = context->next;
    }
    return context;
}

normd_status normd_context_lost(const normd_session *session, uint64_t step, normd_error *error)
{
    return normd_error_set(error, NORMD_CONTEXT_LOST,
        "step: expected a forward step that is still kept (the last was %llu), got %llu",
        (unsigned long long)session->last_step, (unsigned long long)step);
}

void normd_context_drop_all(normd_session *session)
{
    while (session->oldest != NULL) {
        drop_oldest(session);
    }
}
