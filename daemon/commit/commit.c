// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "daemon/commit/durable_state.h"
#include "daemon/request.h"

static bool room(normd_group *group)
{
    size_t pieces = normd_record_pieces(&group->writer);
    if (pieces > group->piece_capacity) {
        normd_store_bytes *grown = realloc(group->piece, 2 * pieces * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        group->piece = grown;
        group->piece_capacity = 2 * pieces;
    }
    if (group->records > group->out_capacity) {
        normd_store_record *grown = realloc(group->out, group->capacity * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        group->out = grown;
        group->out_capacity = group->capacity;
    }
    return true;
}

static normd_status write_group(normd_durable *durable, normd_error *error)
{
    normd_group *group = &durable->group;
    if (group->records == 0) {
        return NORMD_OK;
    }
    if (!room(group) || !normd_record_finish(&group->writer, group->piece)) {
        return normd_error_no_memory(error);
    }
    size_t begin = 0;
    for (size_t i = 0; i < group->records; i++) {
        group->out[i] = (normd_store_record){
            .piece = group->piece + begin, .pieces = group->record[i].pieces - begin};
        begin = group->record[i].pieces;
    }
    return normd_store_append(durable->store, group->out, group->records, error);
}

static void let_go(normd_durable *durable, normd_request *request, const normd_error *error)
{
    if (error != NULL && request->connection != NULL) {
        normd_request_fail(request, error);
    }
    if (request->mutation.ticket != 0) {
        atomic_fetch_add_explicit(&request->entry->durable->ended, 1, memory_order_release);
    }
    durable->options.done(durable->options.context, request);
}

/* Requests that are linked by mutation.next; failed where there is an error. */
static uint64_t let_all_go(normd_durable *durable, normd_request *request, const normd_error *error)
{
    uint64_t count = 0;
    for (normd_request *next; request != NULL; request = next) {
        next = request->mutation.next;
        let_go(durable, request, error);
        count++;
    }
    return count;
}

/* What changed nothing fails only behind something that did. */
static void let_passed_go(normd_durable *durable, normd_request *request, const normd_error *stale)
{
    for (normd_request *next; request != NULL; request = next) {
        next = request->mutation.next;
        let_go(durable, request, normd_group_is_stale(request) ? stale : NULL);
    }
}

/* Says once when the store begins to fail, and once when it works again. */
static void tell(normd_durable *durable, const normd_error *error)
{
    if (error != NULL && !durable->failing) {
        normd_log_write(durable->options.log, NORMD_LOG_ERROR,
            "cannot store changes, which are refused until it works again: %s", error->message);
    } else if (error == NULL && durable->failing) {
        normd_log_write(durable->options.log, NORMD_LOG_WARNING, "changes are stored again");
    }
    durable->failing = error != NULL;
}

static void count(normd_durable *durable, uint64_t commits, bool failed)
{
    pthread_mutex_lock(&durable->lock);
    durable->figures.commits += failed ? 0 : commits;
    durable->figures.groups += failed ? 0 : 1;
    durable->figures.failed_groups += failed;
    durable->figures.journal_bytes = normd_store_journal_bytes(durable->store);
    pthread_mutex_unlock(&durable->lock);
}

/* Whether its turn has come: turns of a session follow one another, but what they give away may
   overtake. */
static bool is_next(const normd_request *request)
{
    return request->mutation.ticket == 0 ||
           request->mutation.ticket == request->entry->durable->taken + 1;
}

/* Takes those out of the list whose turn has come, in order; the others stay in it. */
static normd_request *take_next(normd_request **list, normd_request **last)
{
    normd_request *taken = NULL;
    normd_request **end = &taken;
    for (normd_request **at = list; *at != NULL;) {
        normd_request *request = *at;
        if (!is_next(request)) {
            at = &request->next;
            continue;
        }
        if (request->mutation.ticket != 0) {
            request->entry->durable->taken++;
        }
        *at = request->next;
        request->next = NULL;
        *end = request;
        end = &request->next;
        *last = request;
    }
    return taken;
}

/* What may be committed now; the rest waits for what it overtook, which is on its way. */
static normd_request *in_order(normd_durable *durable, normd_request *first)
{
    normd_request **end = &durable->early;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = first;
    normd_request *last = NULL;
    normd_request *taken = take_next(&durable->early, &last);
    for (normd_request *more = taken; durable->early != NULL && more != NULL;) {
        normd_request *before = last;
        more = take_next(&durable->early, &last);
        before->next = more;
    }
    return taken;
}

void normd_durable_commit(normd_durable *durable, normd_request *first)
{
    first = in_order(durable, first);
    if (first == NULL) {
        return;
    }
    normd_group *group = &durable->group;
    normd_error error;
    normd_error stale;
    normd_error_set(&stale, NORMD_STORE_FAILED,
        "a change before this one could not be stored; nothing was changed, send it again");
    normd_status status = normd_group_build(durable, first) ? write_group(durable, &error)
                                                            : normd_error_no_memory(&error);
    bool failed = status != NORMD_OK;
    if (failed) {
        error.status = NORMD_STORE_FAILED;
        normd_group_abandon(durable);
    } else {
        normd_group_commit(durable);
    }
    if (group->records > 0) {
        tell(durable, failed ? &error : NULL);
    }
    /* Before the records: behind one that deletes or replaces a session, its entry has another one.
     */
    let_passed_go(durable, group->passed, &stale);
    let_all_go(durable, group->refused, failed ? &error : &stale);
    uint64_t commits = 0;
    for (size_t i = 0; i < group->records; i++) {
        commits += let_all_go(durable, group->record[i].first, failed ? &error : NULL);
    }
    count(durable, commits, failed);
}
