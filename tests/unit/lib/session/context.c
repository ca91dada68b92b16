// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <string.h>

static const char one_norm[] = "{'layers': [{'type': 'batch_norm', 'features': 16}]}";

static uint64_t forward_at(
    const fixture *f, normd_session *session, const normd_array *x, uint64_t now)
{
    normd_tensor copy = fixture_copy(f, x);
    normd_forward_options options = {.now_milliseconds = now};
    normd_tensor y;
    normd_forward_result result;
    normd_error error;
    assert_int_equal(
        normd_session_forward(session, &copy, &options, &y, &result, &error), NORMD_OK);
    normd_tensor_release(&y);
    return result.step;
}

static normd_status backward_at(const fixture *f, normd_session *session, const normd_array *dy,
    uint64_t step, uint64_t now, normd_error *error)
{
    normd_tensor copy = fixture_copy(f, dy);
    normd_tensor dx;
    uint64_t version;
    normd_status status =
        normd_session_backward(session, step, false, &copy, now, &dx, &version, error);
    assert_null(copy.buffer);
    normd_tensor_release(&dx);
    return status;
}

static void a_context_serves_once(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, one_norm);
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {8, 16}}, 1);
    normd_error error;
    assert_int_equal(forward_at(&f, session, &x.array, 0), 1);
    assert_int_equal(backward_at(&f, session, &x.array, 1, 0, &error), NORMD_OK);
    assert_int_equal(backward_at(&f, session, &x.array, 1, 0, &error), NORMD_CONTEXT_LOST);
    assert_string_equal(
        error.message, "step: expected a forward step that is still kept (the last was 1), got 1");
    assert_int_equal(backward_at(&f, session, &x.array, 2, 0, &error), NORMD_CONTEXT_LOST);
    normd_tensor_release(&x);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void a_refused_backward_keeps_the_context(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, one_norm);
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {8, 16}}, 1);
    normd_tensor dy = fixture_normal(&f, NORMD_F32, (normd_shape){2, {8, 16}}, 2);
    normd_error error;
    forward_at(&f, session, &x.array, 0);
    normd_buffer *before = fixture_export(session);
    dy.array.shape.dim[0] = 4;
    assert_int_equal(backward_at(&f, session, &dy.array, 1, 0, &error), NORMD_BAD_SHAPE);
    assert_string_equal(error.message, "dy: expected (8, 16), got (4, 16)");
    dy.array.shape.dim[0] = 8;
    fixture_put(&dy.array, 5, __builtin_nan(""));
    assert_int_equal(backward_at(&f, session, &dy.array, 1, 0, &error), NORMD_NOT_FINITE);
    assert_string_equal(error.message,
        "dy: expected one that leads to finite gradients, got NaN or infinity in them");
    normd_buffer *after = fixture_export(session);
    assert_int_equal(before->size, after->size);
    assert_memory_equal(before->data, after->data, before->size);
    assert_int_equal(backward_at(&f, session, &x.array, 1, 0, &error), NORMD_OK);
    normd_buffer_release(before);
    normd_buffer_release(after);
    normd_tensor_release(&x);
    normd_tensor_release(&dy);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void the_oldest_contexts_make_room(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *probe = fixture_session(&f, one_norm);
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {64, 16}}, 1);
    size_t empty = normd_session_bytes(probe);
    forward_at(&f, probe, &x.array, 0);
    size_t one = normd_session_bytes(probe) - empty;
    assert_true(one >= normd_array_bytes(&x.array));
    f.engine.context_bytes = 3 * one;
    normd_session *session = fixture_session(&f, one_norm);
    for (uint64_t step = 1; step <= 5; step++) {
        assert_int_equal(forward_at(&f, session, &x.array, 0), step);
    }
    assert_int_equal(normd_session_bytes(session) - empty, 3 * one);
    normd_error error;
    assert_int_equal(backward_at(&f, session, &x.array, 1, 0, &error), NORMD_CONTEXT_LOST);
    assert_int_equal(backward_at(&f, session, &x.array, 2, 0, &error), NORMD_CONTEXT_LOST);
    assert_int_equal(backward_at(&f, session, &x.array, 4, 0, &error), NORMD_OK);
    assert_int_equal(backward_at(&f, session, &x.array, 3, 0, &error), NORMD_OK);
    assert_int_equal(backward_at(&f, session, &x.array, 5, 0, &error), NORMD_OK);
    normd_tensor_release(&x);
    normd_session_destroy(probe);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void a_context_over_the_whole_budget_is_lost(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    f.engine.context_bytes = 1000;
    normd_session *session = fixture_session(&f, one_norm);
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {64, 16}}, 1);
    normd_error error;
    assert_int_equal(forward_at(&f, session, &x.array, 0), 1);
    assert_int_equal(backward_at(&f, session, &x.array, 1, 0, &error), NORMD_CONTEXT_LOST);
    normd_tensor_release(&x);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void contexts_expire(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    f.engine.context_milliseconds = 100;
    normd_session *session = fixture_session(&f, one_norm);
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {4, 16}}, 1);
    normd_error error;
    forward_at(&f, session, &x.array, 1000);
    forward_at(&f, session, &x.array, 1050);
    assert_int_equal(backward_at(&f, session, &x.array, 1, 1101, &error), NORMD_CONTEXT_LOST);
    assert_int_equal(backward_at(&f, session, &x.array, 2, 1150, &error), NORMD_OK);
    normd_tensor_release(&x);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void old_contexts_expire_without_a_request(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    f.engine.context_milliseconds = 100;
    normd_session *session = fixture_session(&f, one_norm);
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {8, 16}}, 1);
    assert_false(normd_session_expires(session, 1000));
    forward_at(&f, session, &x.array, 1000);
    forward_at(&f, session, &x.array, 1050);
    size_t both = normd_session_bytes(session);
    assert_false(normd_session_expires(session, 1100));
    assert_true(normd_session_expires(session, 1101));
    normd_session_expire(session, 1101);
    assert_true(normd_session_bytes(session) < both);
    assert_false(normd_session_expires(session, 1101));
    normd_error error;
    assert_int_equal(backward_at(&f, session, &x.array, 1, 1101, &error), NORMD_CONTEXT_LOST);
    assert_int_equal(backward_at(&f, session, &x.array, 2, 1101, &error), NORMD_OK);
    normd_tensor_release(&x);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void totals_end_at_zero_with_the_last_session(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session_totals totals = {.bytes = 0};
    f.engine.totals = &totals;
    normd_session *session = fixture_session(&f, one_norm);
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {8, 16}}, 1);
    forward_at(&f, session, &x.array, 0);
    assert_int_equal(
        totals.bytes + normd_budget_used(&totals.contexts), normd_session_bytes(session));
    assert_true(normd_budget_used(&totals.sessions) > 0);
    normd_tensor_release(&x);
    normd_session_destroy(session);
    assert_int_equal(totals.bytes, 0);
    assert_int_equal(normd_budget_used(&totals.contexts), 0);
    assert_int_equal(normd_budget_used(&totals.sessions), 0);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_context_serves_once),
        cmocka_unit_test(a_refused_backward_keeps_the_context),
        cmocka_unit_test(the_oldest_contexts_make_room),
        cmocka_unit_test(a_context_over_the_whole_budget_is_lost),
        cmocka_unit_test(contexts_expire),
        cmocka_unit_test(old_contexts_expire_without_a_request),
        cmocka_unit_test(totals_end_at_zero_with_the_last_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
