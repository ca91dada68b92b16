// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/mutations.h"

#include <string.h>

static normd_image *image_of(normd_session *session)
{
    normd_image *image = normd_session_image(session);
    assert_non_null(image);
    return image;
}

static void go_back(normd_session *session, const normd_image *image)
{
    normd_error error;
    if (normd_session_rollback(session, image, &error) != NORMD_OK) {
        fail_msg("%s", error.message);
    }
}

static void after_a_rollback_the_same_mutations_give_the_same_bits(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t s = 0; s < mutations_subject_count; s++) {
        for (uint64_t before = 0; before < 16; before += 1 + before / 4) {
            normd_session *session = fixture_session(&f, mutations_subjects[s].configuration);
            mutations_run(&f, session, 0, before);
            normd_image *image = image_of(session);
            uint64_t first = mutations_run(&f, session, before, 12);
            normd_image *late = image_of(session);
            go_back(session, image);
            normd_image *now = image_of(session);
            bool same = mutations_same_image(image, now);
            normd_image_release(now);
            uint64_t again = mutations_run(&f, session, before, 12);
            now = image_of(session);
            if (!same || first != again || !mutations_same_image(late, now)) {
                fail_msg("%s is another after %zu mutations", mutations_subjects[s].name,
                    (size_t)before);
            }
            normd_image_release(image);
            normd_image_release(late);
            normd_image_release(now);
            normd_session_destroy(session);
        }
    }
    fixture_close(&f);
}

static void a_reconfiguration_can_be_taken_back(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session_totals totals = {.sessions = {.limit = 0}};
    f.engine.totals = &totals;
    normd_session *session = fixture_session(&f, mutations_subjects[0].configuration);
    normd_session *untouched = fixture_session(&f, mutations_subjects[0].configuration);
    size_t reserved = normd_budget_used(&totals.sessions);
    mutations_run(&f, session, 0, 10);
    mutations_run(&f, untouched, 0, 10);
    normd_image *image = image_of(session);
    json_t *changes = fixture_json("{'averaging': 'ema'}");
    uint64_t version;
    normd_error error;
    assert_int_equal(normd_session_optimizer_set(session, changes, &version, &error), NORMD_OK);
    assert_true(normd_budget_used(&totals.sessions) > reserved);
    json_decref(changes);
    mutations_run(&f, session, 40, 5);
    go_back(session, image);
    assert_int_equal(normd_budget_used(&totals.sessions), reserved);
    assert_true(mutations_same(session, untouched));
    assert_true(mutations_run(&f, session, 10, 9) == mutations_run(&f, untouched, 10, 9));
    assert_true(mutations_same(session, untouched));
    normd_image_release(image);
    normd_session_destroy(session);
    normd_session_destroy(untouched);
    assert_int_equal(normd_budget_used(&totals.sessions), 0);
    assert_int_equal(totals.bytes, 0);
    fixture_close(&f);
}

/* Averaging is taken away and would need its room again. */
static void without_room_for_the_model_before_nothing_changes(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session_totals totals = {.sessions = {.limit = 0}};
    f.engine.totals = &totals;
    normd_session *session = fixture_session(&f,
        "{'layers': [{'type': 'linear', 'in': 6, 'out': 4}], 'loss': 'cross_entropy', "
        "'optimizer': {'type': 'sgd', 'lr': 1, 'averaging': 'ema'}}");
    normd_image *before = image_of(session);
    json_t *changes = fixture_json("{'averaging': 'none'}");
    uint64_t version;
    normd_error error;
    assert_int_equal(normd_session_optimizer_set(session, changes, &version, &error), NORMD_OK);
    json_decref(changes);
    normd_image *after = image_of(session);
    totals.sessions.limit = normd_budget_used(&totals.sessions) + 1;
    assert_int_equal(normd_session_rollback(session, before, &error), NORMD_BUSY);
    normd_image *now = image_of(session);
    assert_true(mutations_same_image(after, now));
    assert_int_equal(normd_budget_used(&totals.sessions), totals.sessions.limit - 1);
    totals.sessions.limit = 0;
    go_back(session, before);
    normd_image_release(now);
    now = image_of(session);
    assert_true(mutations_same_image(before, now));
    normd_image_release(before);
    normd_image_release(after);
    normd_image_release(now);
    normd_session_destroy(session);
    fixture_close(&f);
}

static uint64_t forward(const fixture *f, normd_session *session, const normd_array *x, bool keeps)
{
    normd_tensor copy = fixture_copy(f, x);
    normd_forward_options options = {.update_stats = true, .repeatable = keeps};
    normd_tensor y;
    normd_forward_result result;
    normd_error error;
    assert_int_equal(
        normd_session_forward(session, &copy, &options, &y, &result, &error), NORMD_OK);
    normd_tensor_release(&y);
    return result.step;
}

static normd_status backward(const fixture *f, normd_session *session, const normd_array *dy,
    uint64_t step, normd_tensor *dx)
{
    normd_tensor copy = fixture_copy(f, dy);
    uint64_t version;
    normd_error error;
    return normd_session_backward(session, step, true, &copy, 0, dx, &version, &error);
}

static void kept_steps_are_as_they_were(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f,
        "{'layers': [{'type': 'linear', 'in': 6, 'out': 4}, {'type': 'batch_norm'}, "
        "{'type': 'dropout'}]}");
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {12, 6}}, 1);
    normd_tensor dy = fixture_normal(&f, NORMD_F32, (normd_shape){2, {12, 4}}, 2);
    normd_tensor first, again, none;
    uint64_t early = forward(&f, session, &x.array, true);
    uint64_t step = forward(&f, session, &x.array, true);
    uint64_t once = forward(&f, session, &x.array, false);
    assert_int_equal(backward(&f, session, &dy.array, early, &none), NORMD_OK);
    normd_tensor_release(&none);
    normd_image *image = image_of(session);
    uint64_t late = forward(&f, session, &x.array, true);
    assert_int_equal(backward(&f, session, &dy.array, step, &first), NORMD_OK);
    assert_int_equal(backward(&f, session, &dy.array, once, &none), NORMD_OK);
    normd_tensor_release(&none);
    assert_int_equal(backward(&f, session, &dy.array, step, &none), NORMD_CONTEXT_LOST);
    normd_image *before = image_of(session);
    go_back(session, image);
    assert_int_equal(backward(&f, session, &dy.array, early, &none), NORMD_CONTEXT_LOST);
    assert_int_equal(backward(&f, session, &dy.array, late, &none), NORMD_CONTEXT_LOST);
    assert_int_equal(backward(&f, session, &dy.array, once, &none), NORMD_CONTEXT_LOST);
    assert_int_equal(forward(&f, session, &x.array, true), late);
    assert_int_equal(backward(&f, session, &dy.array, step, &again), NORMD_OK);
    assert_memory_equal(first.array.data, again.array.data, normd_array_bytes(&first.array));
    assert_int_equal(backward(&f, session, &dy.array, step, &none), NORMD_CONTEXT_LOST);
    normd_image_release(image);
    normd_image_release(before);
    normd_tensor_release(&first);
    normd_tensor_release(&again);
    normd_tensor_release(&x);
    normd_tensor_release(&dy);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void steps_are_numbered_from_where_one_says(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, "{'layers': [{'type': 'batch_norm'}]}");
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {12, 6}}, 1);
    normd_session_number_steps_from(session, UINT64_C(3) << 32);
    /* Also by the first batch, which tells the features. */
    assert_true(forward(&f, session, &x.array, true) == (UINT64_C(3) << 32) + 1);
    normd_session_number_steps_from(session, 7);
    assert_true(forward(&f, session, &x.array, true) == (UINT64_C(3) << 32) + 2);
    normd_tensor_release(&x);
    normd_session_destroy(session);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_a_rollback_the_same_mutations_give_the_same_bits),
        cmocka_unit_test(a_reconfiguration_can_be_taken_back),
        cmocka_unit_test(without_room_for_the_model_before_nothing_changes),
        cmocka_unit_test(kept_steps_are_as_they_were),
        cmocka_unit_test(steps_are_numbered_from_where_one_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
