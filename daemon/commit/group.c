// SPDX-License-Identifier: Apache-2.0
#include <assert.h>
#include <stdlib.h>

#include "daemon/commit/durable_state.h"
#include "daemon/request.h"

/* A part that changed by less than this is written down, however small the batch. */
enum { SMALL_CHANGE_BYTES = 64 * 1024, LARGE_CHANGE_FACTOR = 4 };

static size_t changed_bytes(const normd_image *from, const normd_image *to)
{
    size_t bytes = 0;
    for (int i = 0; i < NORMD_IMAGE_PARTS; i++) {
        normd_image_bytes before = normd_image_part_of(from, (normd_image_part)i);
        normd_image_bytes after = normd_image_part_of(to, (normd_image_part)i);
        bytes += before.data != after.data || before.size != after.size ? after.size + 1 : 0;
    }
    return bytes;
}

static bool changes_nothing(const normd_image *from, const normd_image *to)
{
    return changed_bytes(from, to) == 0 && normd_image_version(from) == normd_image_version(to) &&
           normd_image_steps(from) == normd_image_steps(to) &&
           normd_image_identity(from) == normd_image_identity(to);
}

/* Whether it is better, or must, be done again from its batch than written down by its result. */
static bool is_done_again(const normd_durable_session *session, const normd_request *request)
{
    const normd_mutation *mutation = &request->mutation;
    const normd_image *from = session->group_image;
    if (mutation->kind != NORMD_MUTATION_CHANGE) {
        return false;
    }
    /* The first forward of a session whose features were left open makes its model as well. */
    if (request->method->id != NORMD_METHOD_FORWARD &&
        normd_image_identity(from) != normd_image_identity(mutation->image)) {
        return false;
    }
    size_t changed;
    switch (request->method->id) {
    case NORMD_METHOD_FORWARD:
        return mutation->repeatable && normd_kept_list_find(mutation->kept, mutation->step) != NULL;
    case NORMD_METHOD_BACKWARD:
        return mutation->dy.buffer != NULL &&
               normd_durable_session_replays(session, mutation->step);
    case NORMD_METHOD_TRAIN:
    case NORMD_METHOD_STEP:
        changed = changed_bytes(from, mutation->image);
        return changed > SMALL_CHANGE_BYTES &&
               changed / LARGE_CHANGE_FACTOR > normd_mutation_batch_bytes(request);
    default:
        return false;
    }
}

static normd_group_record *add_record(normd_group *group)
{
    if (group->records == group->capacity) {
        size_t capacity = group->capacity == 0 ? 64 : 2 * group->capacity;
        normd_group_record *grown = realloc(group->record, capacity * sizeof *grown);
        if (grown == NULL) {
            return NULL;
        }
        group->record = grown;
        group->capacity = capacity;
    }
    return &group->record[group->records++];
}

static void enter(normd_durable_session *session)
{
    if (!session->in_group) {
        session->in_group = true;
        session->group_image = session->image;
        session->group_kept = NULL;
        session->group_order = session->order;
        session->group_record = SIZE_MAX;
        session->group_replayable = session->replayable_count;
    }
}

/* A record may take one more request: what counts of a state is the last. */
static bool joins(const normd_group *group, const normd_durable_session *session)
{
    return session->group_record != SIZE_MAX &&
           group->record[session->group_record].kind == NORMD_RECORD_STATE;
}

static normd_durable_session *make_session(normd_durable *durable, const normd_request *request)
{
    return normd_durable_session_create(++durable->last_id, request->entry->name,
        request->entry->name_length, normd_image_retain(request->mutation.image));
}

static void append_request(normd_group_record *record, normd_request *request)
{
    if (record->last != NULL) {
        record->last->mutation.next = request;
    } else {
        record->first = request;
    }
    record->last = request;
}

static normd_record_kind kind_of(const normd_mutation *mutation, bool again)
{
    if (mutation->kind == NORMD_MUTATION_DELETE) {
        return NORMD_RECORD_DELETE;
    }
    return again ? NORMD_RECORD_REQUEST : NORMD_RECORD_STATE;
}

/* Whether nothing of the session before lasts, kept steps included: a recovery takes a whole state
   for that. */
static bool begins_anew(const normd_request *request)
{
    return request->mutation.kind == NORMD_MUTATION_MAKE ||
           request->method->id == NORMD_METHOD_SESSION_IMPORT;
}

static bool begin_record(
    normd_group *group, normd_durable_session *session, bool again, normd_request *request)
{
    const normd_mutation *mutation = &request->mutation;
    bool keeps = again && request->method->id == NORMD_METHOD_FORWARD;
    if (keeps && !normd_durable_session_reserve_steps(session, 1)) {
        return false;
    }
    normd_group_record *record = add_record(group);
    if (record == NULL) {
        return false;
    }
    if (keeps) {
        normd_durable_session_add_step(session, mutation->step);
    }
    *record = (normd_group_record){
        .session = session,
        .kind = kind_of(mutation, again),
        .order = ++session->group_order,
        .from = begins_anew(request) ? NULL : session->group_image,
    };
    session->group_record = group->records - 1;
    append_request(record, request);
    return true;
}

static void pass(normd_group *group, normd_request *request)
{
    request->mutation.next = group->passed;
    group->passed = request;
}

/* Puts a request into a record. */
static bool place(normd_durable *durable, normd_request *request)
{
    normd_group *group = &durable->group;
    normd_mutation *mutation = &request->mutation;
    normd_durable_session *session = request->entry->durable;
    if (mutation->kind == NORMD_MUTATION_MAKE) {
        session = mutation->made = make_session(durable, request);
        if (session == NULL) {
            return false;
        }
    }
    enter(session);
    if (mutation->kept != NULL) {
        session->group_kept = mutation->kept;
    }
    bool change = mutation->kind == NORMD_MUTATION_CHANGE;
    bool again = is_done_again(session, request);
    if (mutation->kind == NORMD_MUTATION_KEPT ||
        (change && !again && request->once.row == NULL &&
            changes_nothing(session->group_image, mutation->image))) {
        pass(group, request);
        return true;
    }
    if (change && !again && !begins_anew(request) && joins(group, session)) {
        append_request(&group->record[session->group_record], request);
    } else if (!begin_record(group, session, again, request)) {
        return false;
    }
    if (mutation->image != NULL) {
        session->group_image = mutation->image;
    }
    return true;
}

bool normd_group_is_stale(const normd_request *request)
{
    const normd_durable_session *session = request->entry->durable;
    return session != NULL && request->mutation.epoch != atomic_load(&session->epoch);
}

static void refuse(normd_group *group, normd_request *request)
{
    request->mutation.next = group->refused;
    group->refused = request;
}

bool normd_group_build(normd_durable *durable, normd_request *first)
{
    normd_group *group = &durable->group;
    normd_record_reset(&group->writer);
    group->records = 0;
    group->passed = NULL;
    group->refused = NULL;
    bool fits = true;
    for (normd_request *request = first, *next; request != NULL; request = next) {
        next = request->next;
        request->mutation.next = NULL;
        if (!fits || normd_group_is_stale(request)) {
            refuse(group, request);
        } else if (!place(durable, request)) {
            fits = false;
            refuse(group, request);
        }
    }
    for (size_t i = 0; i < group->records && fits; i++) {
        fits = normd_group_encode(durable, &group->record[i]);
    }
    return fits;
}

static void leave(normd_durable_session *session)
{
    session->in_group = false;
    session->group_image = NULL;
    session->group_kept = NULL;
}

static void take_kept(normd_durable_session *session, const normd_request *request)
{
    if (request->mutation.kept != NULL && request->mutation.kept == session->group_kept) {
        normd_kept_list_release(session->kept);
        session->kept = normd_kept_list_retain(request->mutation.kept);
    }
}

static void commit_record(normd_durable *durable, normd_group_record *record)
{
    normd_durable_session *session = record->session;
    session->order = record->order;
    for (normd_request *request = record->first; request != NULL;
         request = request->mutation.next) {
        take_kept(session, request);
        if (record->kind == NORMD_RECORD_REQUEST) {
            durable->replay_nanoseconds += request->mutation.nanoseconds;
        }
    }
    normd_durable_session *replaced = record->first->entry->durable;
    if (record->first->mutation.kind == NORMD_MUTATION_MAKE && replaced != NULL) {
        replaced->deleted = true;
        normd_durable_mark_dirty(durable, replaced);
    }
    if (record->kind == NORMD_RECORD_DELETE) {
        session->deleted = true;
    } else {
        normd_durable_session_commit(session, normd_image_retain(record->last->mutation.image));
    }
    normd_durable_mark_dirty(durable, session);
}

static void leave_list(normd_request *request)
{
    for (; request != NULL; request = request->mutation.next) {
        if (request->entry->durable != NULL) {
            leave(request->entry->durable);
        }
    }
}

static void leave_all(normd_group *group)
{
    for (size_t i = 0; i < group->records; i++) {
        leave(group->record[i].session);
    }
    leave_list(group->passed);
    leave_list(group->refused);
}

void normd_group_commit(normd_durable *durable)
{
    normd_group *group = &durable->group;
    for (size_t i = 0; i < group->records; i++) {
        commit_record(durable, &group->record[i]);
    }
    for (normd_request *request = group->passed; request != NULL;
         request = request->mutation.next) {
        take_kept(request->entry->durable, request);
    }
    leave_all(group);
}

void normd_group_abandon(normd_durable *durable)
{
    normd_group *group = &durable->group;
    for (size_t i = 0; i < group->records; i++) {
        normd_durable_session *session = group->record[i].session;
        if (session->in_group) {
            session->replayable_count = session->group_replayable;
            session->in_group = false;
            atomic_fetch_add_explicit(&session->epoch, 1, memory_order_release);
        }
    }
    for (normd_request *request = group->refused; request != NULL;
         request = request->mutation.next) {
        if (request->entry->durable != NULL && !normd_group_is_stale(request)) {
            atomic_fetch_add_explicit(&request->entry->durable->epoch, 1, memory_order_release);
        }
    }
    leave_all(group);
}

void normd_group_free(normd_group *group)
{
    normd_record_free(&group->writer);
    free(group->record);
    free(group->piece);
    free(group->out);
}
