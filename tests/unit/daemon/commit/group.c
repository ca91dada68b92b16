// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/commit/durable_state.h"
#include "daemon/request.h"
#include "protocol/methods.h"

/* Groups of mutations of real sessions, with requests that nobody sent. */
enum { SESSIONS = 2, REQUESTS = 16 };

typedef struct fixture {
    normd_engine engine;
    normd_durable durable;
    normd_session *session[SESSIONS];
    normd_session_entry *entry[SESSIONS];
    normd_request request[REQUESTS];
    size_t requests;
} fixture;

static normd_session *make_session(const normd_engine *engine)
{
    json_t *configuration =
        json_pack("{s:[{s:s,s:i}]}", "layers", "type", "batch_norm", "features", 3);
    normd_attachments none = {.count = 0};
    normd_session *session;
    normd_error error;
    assert_int_equal(
        normd_session_create(engine, configuration, &none, &session, &error), NORMD_OK);
    json_decref(configuration);
    return session;
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->engine = (normd_engine){.kernels = normd_kernels_choose("baseline"),
        .buffers = normd_buffer_cache_create(0),
        .context_bytes = 1 << 20};
    for (size_t i = 0; i < SESSIONS; i++) {
        f->session[i] = make_session(&f->engine);
        f->entry[i] = calloc(1, sizeof *f->entry[i] + 8);
        assert_non_null(f->entry[i]);
        f->entry[i]->session = f->session[i];
        f->entry[i]->durable =
            normd_durable_session_create(i + 1, "s", 1, normd_session_image(f->session[i]));
        assert_non_null(f->entry[i]->durable);
    }
    f->durable.last_id = SESSIONS;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    while (f->durable.dirty != NULL) {
        normd_durable_clear_dirty(&f->durable, f->durable.dirty);
    }
    for (size_t i = 0; i < REQUESTS; i++) {
        normd_mutation_clear(&f->request[i].mutation);
    }
    for (size_t i = 0; i < SESSIONS; i++) {
        normd_durable_session_release(f->entry[i]->durable);
        normd_session_destroy(f->session[i]);
        free(f->entry[i]);
    }
    normd_group_free(&f->durable.group);
    normd_buffer_cache_destroy(f->engine.buffers);
    free(f);
    return 0;
}

/* A request to the session, its mutation done: the image is of now. */
static normd_request *ask(fixture *f, size_t session, normd_method_id method)
{
    assert_in_range(f->requests, 0, REQUESTS - 1);
    normd_request *request = &f->request[f->requests++];
    normd_durable_session *durable = f->entry[session]->durable;
    request->method = normd_method_get(method);
    request->entry = f->entry[session];
    request->mutation.kind = NORMD_MUTATION_CHANGE;
    request->mutation.epoch = atomic_load(&durable->epoch);
    request->mutation.image = normd_session_image(f->session[session]);
    if (f->requests > 1) {
        request[-1].next = request;
    }
    return request;
}

/* A forward; with `repeatable` its step is one to be done again. */
static normd_request *forward(fixture *f, size_t session, bool repeatable)
{
    const normd_shape shape = {2, {4, 3}};
    normd_tensor x;
    normd_tensor y;
    normd_error error;
    assert_int_equal(normd_tensor_take(f->engine.buffers, NORMD_F32, &shape, &x, &error), NORMD_OK);
    for (size_t i = 0; i < 12; i++) {
        ((float *)x.array.data)[i] = (float)(i * (f->requests + 1) % 5);
    }
    normd_forward_options options = {.update_stats = true, .repeatable = repeatable};
    normd_forward_result result;
    assert_int_equal(
        normd_session_forward(f->session[session], &x, &options, &y, &result, &error), NORMD_OK);
    normd_tensor_release(&y);
    normd_request *request = ask(f, session, NORMD_METHOD_FORWARD);
    request->mutation.repeatable = repeatable;
    request->mutation.step = result.step;
    if (repeatable) {
        assert_int_equal(
            normd_kept_list_take(f->session[session], &request->mutation.kept, &error), NORMD_OK);
    }
    return request;
}

static void build(fixture *f)
{
    assert_true(normd_group_build(&f->durable, f->request));
}

static size_t length_of(const normd_request *request)
{
    size_t length = 0;
    for (; request != NULL; request = request->mutation.next) {
        length++;
    }
    return length;
}

static void require_record(
    const fixture *f, size_t at, size_t session, normd_record_kind kind, uint64_t order, size_t of)
{
    assert_in_range(at, 0, f->durable.group.records - 1);
    const normd_group_record *record = &f->durable.group.record[at];
    assert_ptr_equal(record->session, f->entry[session]->durable);
    assert_int_equal(record->kind, kind);
    assert_int_equal(record->order, order);
    assert_int_equal(length_of(record->first), of);
}

static void states_of_a_session_become_one_record_with_the_last(void **state)
{
    fixture *f = *state;
    forward(f, 0, false);
    forward(f, 1, false);
    forward(f, 0, false);
    const normd_request *last = forward(f, 0, false);
    build(f);
    assert_int_equal(f->durable.group.records, 2);
    require_record(f, 0, 0, NORMD_RECORD_STATE, 1, 3);
    require_record(f, 1, 1, NORMD_RECORD_STATE, 1, 1);
    assert_ptr_equal(f->durable.group.record[0].last, last);
    normd_durable_session *session = f->entry[0]->durable;
    assert_int_equal(normd_image_version(session->image), 0);
    normd_group_commit(&f->durable);
    assert_ptr_equal(session->image, last->mutation.image);
    assert_int_equal(normd_image_version(session->image), 3);
    assert_int_equal(session->order, 1);
    assert_int_equal(f->durable.dirty_count, 2);
    assert_false(session->in_group);
}

static void a_step_that_is_done_again_stands_between_states(void **state)
{
    fixture *f = *state;
    forward(f, 0, false);
    const normd_request *kept = forward(f, 0, true);
    forward(f, 0, false);
    forward(f, 0, false);
    build(f);
    assert_int_equal(f->durable.group.records, 3);
    require_record(f, 0, 0, NORMD_RECORD_STATE, 1, 1);
    require_record(f, 1, 0, NORMD_RECORD_REQUEST, 2, 1);
    require_record(f, 2, 0, NORMD_RECORD_STATE, 3, 2);
    normd_durable_session *session = f->entry[0]->durable;
    normd_group_commit(&f->durable);
    assert_int_equal(session->order, 3);
    assert_true(normd_durable_session_replays(session, kept->mutation.step));
    assert_false(normd_durable_session_replays(session, kept->mutation.step + 1));
    assert_non_null(normd_kept_list_find(session->kept, kept->mutation.step));
}

static void an_import_begins_a_record_of_the_whole_state(void **state)
{
    fixture *f = *state;
    forward(f, 0, false);
    forward(f, 0, false);
    ask(f, 0, NORMD_METHOD_SESSION_IMPORT);
    uint64_t version;
    normd_error error;
    assert_int_equal(
        normd_session_reset_statistics(f->session[0], NULL, &version, &error), NORMD_OK);
    normd_image_release(f->request[2].mutation.image);
    f->request[2].mutation.image = normd_session_image(f->session[0]);
    build(f);
    assert_int_equal(f->durable.group.records, 2);
    require_record(f, 1, 0, NORMD_RECORD_STATE, 2, 1);
    assert_non_null(f->durable.group.record[0].from);
    assert_null(f->durable.group.record[1].from);
    normd_group_commit(&f->durable);
}

static void what_changes_nothing_is_not_written(void **state)
{
    fixture *f = *state;
    ask(f, 0, NORMD_METHOD_SESSION_CREATE);
    ask(f, 1, NORMD_METHOD_FORWARD)->mutation.kind = NORMD_MUTATION_KEPT;
    build(f);
    assert_int_equal(f->durable.group.records, 0);
    assert_int_equal(length_of(f->durable.group.passed), 2);
    normd_group_commit(&f->durable);
    assert_int_equal(f->entry[0]->durable->order, 0);
    assert_int_equal(f->durable.dirty_count, 0);
}

static void what_was_done_on_a_state_that_is_not_to_be_is_refused(void **state)
{
    fixture *f = *state;
    forward(f, 0, false);
    forward(f, 1, false);
    atomic_fetch_add(&f->entry[0]->durable->epoch, 1);
    build(f);
    assert_int_equal(f->durable.group.records, 1);
    require_record(f, 0, 1, NORMD_RECORD_STATE, 1, 1);
    assert_ptr_equal(f->durable.group.refused, &f->request[0]);
    normd_group_commit(&f->durable);
    assert_int_equal(normd_image_version(f->entry[0]->durable->image), 0);
    assert_int_equal(normd_image_version(f->entry[1]->durable->image), 1);
}

static void a_group_that_is_abandoned_leaves_all_as_it_was(void **state)
{
    fixture *f = *state;
    forward(f, 0, true);
    build(f);
    normd_group_commit(&f->durable);
    f->requests = 1;
    f->request[0].next = NULL;
    normd_durable_session *session = f->entry[0]->durable;
    const normd_image *image = session->image;
    normd_request *second = forward(f, 0, true);
    forward(f, 0, false);
    f->request[0].next = NULL;
    assert_true(normd_group_build(&f->durable, second));
    assert_int_equal(f->durable.group.records, 2);
    normd_group_abandon(&f->durable);
    assert_ptr_equal(session->image, image);
    assert_int_equal(session->order, 1);
    assert_int_equal(atomic_load(&session->epoch), 1);
    assert_int_equal(atomic_load(&f->entry[1]->durable->epoch), 0);
    assert_true(normd_durable_session_replays(session, f->request[0].mutation.step));
    assert_false(normd_durable_session_replays(session, second->mutation.step));
    assert_true(normd_group_is_stale(second));
    assert_false(session->in_group);
}

static void a_deletion_is_a_record_and_the_end(void **state)
{
    fixture *f = *state;
    forward(f, 0, false);
    normd_request *request = ask(f, 0, NORMD_METHOD_SESSION_DELETE);
    request->mutation.kind = NORMD_MUTATION_DELETE;
    normd_image_release(request->mutation.image);
    request->mutation.image = NULL;
    build(f);
    assert_int_equal(f->durable.group.records, 2);
    require_record(f, 1, 0, NORMD_RECORD_DELETE, 2, 1);
    normd_group_commit(&f->durable);
    assert_true(f->entry[0]->durable->deleted);
}

static void steps_are_found_by_their_number_and_only_kept_ones_stay(void **state)
{
    fixture *f = *state;
    normd_durable_session *session = f->entry[0]->durable;
    uint64_t kept = forward(f, 0, true)->mutation.step;
    assert_true(normd_durable_session_reserve_steps(session, 100));
    for (uint64_t step = kept; step < kept + 200; step += 2) {
        normd_durable_session_add_step(session, step);
    }
    for (uint64_t step = kept; step < kept + 200; step++) {
        assert_int_equal(normd_durable_session_replays(session, step), step % 2 == kept % 2);
    }
    session->kept = normd_kept_list_retain(f->request[0].mutation.kept);
    normd_durable_session_keep_steps(session);
    assert_int_equal(session->replayable_count, 1);
    assert_true(normd_durable_session_replays(session, kept));
    assert_null(normd_kept_list_find(session->kept, kept + 1));
    assert_null(normd_kept_list_find(NULL, kept));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(states_of_a_session_become_one_record_with_the_last),
        TEST(a_step_that_is_done_again_stands_between_states),
        TEST(an_import_begins_a_record_of_the_whole_state),
        TEST(what_changes_nothing_is_not_written),
        TEST(what_was_done_on_a_state_that_is_not_to_be_is_refused),
        TEST(a_group_that_is_abandoned_leaves_all_as_it_was),
        TEST(a_deletion_is_a_record_and_the_end),
        TEST(steps_are_found_by_their_number_and_only_kept_ones_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
