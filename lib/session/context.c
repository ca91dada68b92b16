// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "lib/session/session_state.h"

normd_context *normd_context_take(normd_session *session)
{
    normd_context *context = session->spare;
    if (context == NULL) {
        return calloc(1, sizeof *context);
    }
    session->spare = context->next;
    *context = (normd_context){.step = 0};
    return context;
}

void normd_context_drop(normd_session *session, normd_context *context)
{
    normd_model_release(context->model);
    normd_plan_release(context->plan);
    normd_slab_release(context->parameters);
    normd_buffer_release(context->x);
    normd_buffer_release(context->arena);
    normd_buffer_release(context->mask);
    context->next = session->spare;
    session->spare = context;
}

static size_t kept_bytes(normd_session *session)
{
    return atomic_load_explicit(&session->context_bytes, memory_order_relaxed);
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

/* From the budget of all sessions. */
static bool take_total(normd_session *session, size_t bytes)
{
    return session->totals == NULL || normd_budget_take(&session->totals->contexts, bytes);
}

void normd_context_keep(normd_session *session, normd_context *context)
{
    context->bytes = context->x->capacity + context->arena->capacity;
    context->bytes += context->mask != NULL ? context->mask->capacity : 0;
    if (context->bytes > session->context_budget) {
        normd_context_drop(session, context);
        return;
    }
    while (kept_bytes(session) > session->context_budget - context->bytes) {
        drop_oldest(session);
    }
    while (!take_total(session, context->bytes)) {
        if (session->oldest == NULL) {
            normd_context_drop(session, context);
            return;
        }
        drop_oldest(session);
    }
    context->next = NULL;
    if (session->newest != NULL) {
        session->newest->next = context;
    } else {
        session->oldest = context;
    }
    session->newest = context;
    note_oldest(session);
    atomic_fetch_add_explicit(&session->context_bytes, context->bytes, memory_order_relaxed);
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

void normd_context_remove(normd_session *session, normd_context *context)
{
    normd_context *before = NULL;
    for (normd_context *at = session->oldest; at != context; at = at->next) {
        before = at;
    }
    *(before != NULL ? &before->next : &session->oldest) = context->next;
    if (session->newest == context) {
        session->newest = before;
    }
    note_oldest(session);
    atomic_fetch_sub_explicit(&session->context_bytes, context->bytes, memory_order_relaxed);
    if (session->totals != NULL) {
        normd_budget_give(&session->totals->contexts, context->bytes);
    }
}

void normd_context_drop_all(normd_session *session)
{
    while (session->oldest != NULL) {
        drop_oldest(session);
    }
}
