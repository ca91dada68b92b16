// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/mutations.h"

#include <pthread.h>
#include <string.h>

static const char model[] =
    "{'layers': [{'type': 'linear', 'in': 6, 'out': 8}, {'type': 'batch_norm', 'renorm': true, "
    "'axis': -1}, {'type': 'relu'}, {'type': 'dropout', 'p': 0.5}, {'type': 'linear', 'out': 4}], "
    "'loss': 'cross_entropy', 'optimizer': {'type': 'sgd', 'lr': 0.1, 'momentum': 0.5}}";

static uint8_t valid[12] = {1, 1, 0, 1, 0, 1, 1, 0, 1, 1, 1, 0};

static uint64_t forward(const fixture *f, normd_session *session, uint64_t stream, uint64_t now)
{
    normd_array mask = {.dtype = NORMD_BOOL, .shape = {1, {12}}, .data = valid};
    normd_tensor x = fixture_normal(f, NORMD_F32, (normd_shape){2, {12, 6}}, stream);
    normd_forward_options options = {.mask = stream % 2 == 0 ? &mask : NULL,
        .update_stats = stream % 3 != 0,
        .now_milliseconds = now,
        .repeatable = true};
    normd_tensor y;
    normd_forward_result result;
    normd_error error;
    if (normd_session_forward(session, &x, &options, &y, &result, &error) != NORMD_OK) {
        fail_msg("%s", error.message);
    }
    normd_tensor_release(&y);
    return result.step;
}

/* So small that forty steps lead nowhere. */
static normd_tensor gradient(const fixture *f, uint64_t step)
{
    normd_tensor dy = fixture_normal(f, NORMD_F32, (normd_shape){2, {12, 4}}, 1000 + step);
    for (size_t i = 0; i < 12 * 4; i++) {
        fixture_put(&dy.array, i, fixture_at(&dy.array, i) / 256);
    }
    return dy;
}

static normd_status backward(
    const fixture *f, normd_session *session, uint64_t step, normd_tensor *dx)
{
    normd_tensor dy = gradient(f, step);
    uint64_t version;
    normd_error error;
    return normd_session_backward(session, step, true, &dy, 0, dx, &version, &error);
}

static void use(const fixture *f, normd_session *session, uint64_t step)
{
    normd_tensor dx;
    assert_int_equal(backward(f, session, step, &dx), NORMD_OK);
    normd_tensor_release(&dx);
}

static normd_kept_steps kept_of(normd_session *session)
{
    normd_kept_steps steps;
    normd_error error;
    assert_int_equal(normd_session_kept_steps(session, &steps, &error), NORMD_OK);
    return steps;
}

static void keep_all(normd_session *session, const normd_kept_steps *steps)
{
    for (size_t i = 0; i < steps->count; i++) {
        normd_error error;
        if (normd_session_keep_again(session, &steps->step[i], 0, &error) != NORMD_OK) {
            fail_msg("%s", error.message);
        }
    }
}

/* A session with its image and kept steps, restored. */
static normd_session *recovered(const fixture *f, normd_session *session)
{
    normd_image *image = normd_session_image(session);
    normd_kept_steps steps = kept_of(session);
    normd_session *restored = mutations_restored(f, image);
    keep_all(restored, &steps);
    normd_kept_steps_release(&steps);
    normd_image_release(image);
    return restored;
}

static void expect_same_tensor(normd_tensor *a, normd_tensor *b)
{
    assert_true(normd_shape_equal(&a->array.shape, &b->array.shape));
    assert_memory_equal(a->array.data, b->array.data, normd_array_bytes(&a->array));
    normd_tensor_release(a);
    normd_tensor_release(b);
}

static void expect_same_again(
    const fixture *f, normd_session *a, normd_session *b, uint64_t step, bool used)
{
    normd_tensor of_a, of_b;
    normd_error error;
    assert_int_equal(normd_session_forward_again(a, step, &of_a, &error), NORMD_OK);
    assert_int_equal(normd_session_forward_again(b, step, &of_b, &error), NORMD_OK);
    expect_same_tensor(&of_a, &of_b);
    if (used) {
        normd_tensor dy = gradient(f, step);
        normd_tensor copy = fixture_copy(f, &dy.array);
        assert_int_equal(normd_session_backward_again(a, step, &dy, &of_a, &error), NORMD_OK);
        assert_int_equal(normd_session_backward_again(b, step, &copy, &of_b, &error), NORMD_OK);
        expect_same_tensor(&of_a, &of_b);
    }
}

/* Steps 1 to 8, of which 2, 5 and 6 are used; after each a step of training. */
static normd_session *session_with_steps(const fixture *f)
{
    normd_session *session = fixture_session(f, model);
    for (uint64_t i = 1; i <= 8; i++) {
        assert_int_equal(forward(f, session, i, 0), i);
        if (i % 2 == 0) {
            fixture_train_some(f, session, 100 + i, 1);
        }
    }
    use(f, session, 5);
    use(f, session, 2);
    use(f, session, 6);
    return session;
}

static bool is_used(uint64_t step)
{
    return step == 2 || step == 5 || step == 6;
}

static void steps_kept_again_give_the_same_bits(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = session_with_steps(&f);
    normd_session *restored = recovered(&f, session);
    for (uint64_t step = 1; step <= 8; step++) {
        expect_same_again(&f, session, restored, step, is_used(step));
    }
    for (uint64_t step = 1; step <= 8; step++) {
        normd_tensor one, other;
        normd_status status = backward(&f, session, step, &one);
        assert_int_equal(status, is_used(step) ? NORMD_CONTEXT_LOST : NORMD_OK);
        assert_int_equal(backward(&f, restored, step, &other), status);
        if (status == NORMD_OK) {
            expect_same_tensor(&one, &other);
        }
        assert_true(mutations_same(session, restored));
    }
    normd_session_destroy(session);
    normd_session_destroy(restored);
    fixture_close(&f);
}

static void kept_steps_say_what_they_are(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = session_with_steps(&f);
    normd_kept_steps steps = kept_of(session);
    assert_int_equal(steps.count, 8);
    for (size_t i = 0; i < 8; i++) {
        const normd_kept_step *step = &steps.step[i];
        normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {12, 6}}, i + 1);
        assert_int_equal(step->step, i + 1);
        assert_int_equal(step->used, is_used(step->step));
        assert_int_equal(step->update_stats, step->step % 3 != 0);
        assert_true(normd_shape_equal(&step->x.shape, &x.array.shape));
        assert_memory_equal(step->x.data, x.array.data, normd_array_bytes(&x.array));
        assert_int_equal(step->mask.data != NULL, step->step % 2 == 0);
        normd_tensor_release(&x);
    }
    /* The training came after the second; the third does not update. */
    assert_ptr_equal(steps.step[0].parameters.data, steps.step[1].parameters.data);
    assert_ptr_not_equal(steps.step[1].parameters.data, steps.step[2].parameters.data);
    assert_ptr_equal(steps.step[2].statistics.data, steps.step[3].statistics.data);
    assert_ptr_not_equal(steps.step[3].statistics.data, steps.step[4].statistics.data);
    normd_session *restored = recovered(&f, session);
    normd_kept_steps again = kept_of(restored);
    assert_int_equal(again.count, 8);
    for (size_t i = 0; i + 1 < 8; i++) {
        assert_int_equal(again.step[i].parameters.data == again.step[i + 1].parameters.data,
            steps.step[i].parameters.data == steps.step[i + 1].parameters.data);
    }
    normd_kept_steps_release(&again);
    normd_kept_steps_release(&steps);
    normd_session_destroy(session);
    normd_session_destroy(restored);
    fixture_close(&f);
}

static void *release(void *steps)
{
    normd_kept_steps_release(steps);
    return NULL;
}

static void kept_steps_may_be_held_longer_than_the_session(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = session_with_steps(&f);
    normd_kept_steps steps = kept_of(session);
    normd_session *restored = fixture_session(&f, model);
    use(&f, session, 1);
    normd_session_destroy(session);
    keep_all(restored, &steps);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, release, &steps), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    normd_session_destroy(restored);
    fixture_close(&f);
}

static void only_repeatable_steps_of_the_present_model_are_listed(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, model);
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {12, 6}}, 1);
    normd_forward_result result;
    normd_tensor y = fixture_forward(&f, session, &x.array, NULL, true, &result);
    normd_kept_steps steps = kept_of(session);
    assert_int_equal(steps.count, 0);
    normd_kept_steps_release(&steps);
    forward(&f, session, 1, 0);
    json_t *changes = fixture_json("{'lr': 0.5}");
    uint64_t version;
    normd_error error;
    assert_int_equal(normd_session_optimizer_set(session, changes, &version, &error), NORMD_OK);
    json_decref(changes);
    uint64_t last = forward(&f, session, 2, 0);
    steps = kept_of(session);
    assert_int_equal(steps.count, 1);
    assert_int_equal(steps.step[0].step, last);
    normd_kept_steps_release(&steps);
    normd_tensor_release(&x);
    normd_tensor_release(&y);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void refuse(
    normd_session *session, const normd_kept_step *step, normd_status status, const char *message)
{
    normd_error error;
    assert_int_equal(normd_session_keep_again(session, step, 0, &error), status);
    assert_string_equal(error.message, message);
}

static void steps_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = session_with_steps(&f);
    normd_session *other = fixture_session(&f, model);
    normd_kept_steps steps = kept_of(session);
    normd_kept_step step = steps.step[1];
    refuse(session, &step, NORMD_BAD_ARGUMENT, "step: expected one after 8, which is kept, got 2");
    step.parameters.size--;
    refuse(other, &step, NORMD_BAD_ARGUMENT, "parameters: expected 576 bytes, got 575");
    step = steps.step[1];
    step.statistics.size = 0;
    refuse(other, &step, NORMD_BAD_ARGUMENT, "statistics: expected 448 bytes, got 0");
    step = steps.step[1];
    step.x.dtype = NORMD_F64;
    refuse(other, &step, NORMD_BAD_ARGUMENT, "x: expected float32, got float64");
    step = steps.step[1];
    step.x.shape.dim[1] = 5;
    refuse(other, &step, NORMD_BAD_SHAPE, "x: expected (N, ..., 6), got (12, 5)");
    step = steps.step[1];
    step.mask.dtype = NORMD_U8;
    refuse(other, &step, NORMD_BAD_ARGUMENT, "mask: expected bool values, got uint8");
    normd_kept_steps none = kept_of(other);
    assert_int_equal(none.count, 0);
    normd_kept_steps_release(&none);
    normd_kept_steps_release(&steps);
    normd_session_destroy(session);
    normd_session_destroy(other);
    fixture_close(&f);
}

static void the_oldest_used_steps_go_first(void **state)
{
    (void)state;
    enum { MOST = 64, USED = 80 };
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, model);
    assert_int_equal(forward(&f, session, 1, 0), 1);
    for (uint64_t step = 2; step < 2 + USED; step++) {
        forward(&f, session, step, 0);
        use(&f, session, step);
    }
    normd_kept_steps steps = kept_of(session);
    assert_int_equal(steps.count, 1 + MOST);
    assert_int_equal(steps.step[0].step, 1);
    assert_int_equal(steps.step[1].step, 2 + USED - MOST);
    normd_kept_steps_release(&steps);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void there_are_only_so_many_repeatable_steps(void **state)
{
    (void)state;
    enum { MOST = 256, MORE = 10 };
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, model);
    for (uint64_t step = 1; step <= MOST; step++) {
        forward(&f, session, step, 0);
    }
    use(&f, session, 3);
    for (uint64_t step = MOST + 1; step <= MOST + MORE; step++) {
        forward(&f, session, step, 0);
    }
    normd_kept_steps steps = kept_of(session);
    assert_int_equal(steps.count, MOST);
    /* The used one went first, then the oldest. */
    assert_int_equal(steps.step[0].step, MORE + 1);
    assert_int_equal(steps.step[MOST - 1].step, MOST + MORE);
    normd_kept_steps_release(&steps);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void used_steps_make_room_before_others(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session_totals totals = {.contexts = {.limit = 0}};
    f.engine.totals = &totals;
    normd_session *probe = fixture_session(&f, model);
    forward(&f, probe, 1, 0);
    size_t one = normd_budget_used(&totals.contexts);
    normd_session_destroy(probe);
    assert_int_equal(normd_budget_used(&totals.contexts), 0);
    f.engine.context_bytes = 3 * one;
    normd_session *session = fixture_session(&f, model);
    forward(&f, session, 1, 0);
    forward(&f, session, 3, 0);
    forward(&f, session, 5, 0);
    use(&f, session, 2);
    for (int i = 0; i < 2; i++) {
        forward(&f, session, 7, 0);
        normd_kept_steps steps = kept_of(session);
        assert_int_equal(steps.count, 3);
        assert_int_equal(steps.step[0].step, i == 0 ? 1 : 3);
        assert_false(steps.step[0].used || steps.step[1].used || steps.step[2].used);
        normd_kept_steps_release(&steps);
        assert_true(normd_budget_used(&totals.contexts) <= 3 * one);
    }
    normd_session_destroy(session);
    assert_int_equal(normd_budget_used(&totals.contexts), 0);
    assert_int_equal(totals.bytes, 0);
    fixture_close(&f);
}

static void used_steps_expire_as_others(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    f.engine.context_milliseconds = 100;
    normd_session *session = fixture_session(&f, model);
    forward(&f, session, 1, 1000);
    forward(&f, session, 2, 1050);
    normd_tensor dy = fixture_normal(&f, NORMD_F32, (normd_shape){2, {12, 4}}, 1);
    normd_tensor dx;
    uint64_t version;
    normd_error error;
    assert_int_equal(
        normd_session_backward(session, 1, true, &dy, 1060, &dx, &version, &error), NORMD_OK);
    normd_tensor_release(&dx);
    assert_false(normd_session_expires(session, 1100));
    assert_true(normd_session_expires(session, 1101));
    normd_session_expire(session, 1101);
    normd_kept_steps steps = kept_of(session);
    assert_int_equal(steps.count, 1);
    assert_int_equal(steps.step[0].step, 2);
    normd_kept_steps_release(&steps);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void a_step_has_the_number_that_is_given(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session =
        fixture_session(&f, "{'layers': [{'type': 'batch_norm'}, {'type': 'relu'}]}");
    const uint64_t numbers[] = {5, 6, UINT64_C(1) << 33};
    for (size_t i = 0; i < 3; i++) {
        normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {12, 6}}, i);
        normd_forward_options options = {.number = numbers[i]};
        normd_tensor y;
        normd_forward_result result;
        normd_error error;
        assert_int_equal(
            normd_session_forward(session, &x, &options, &y, &result, &error), NORMD_OK);
        assert_true(result.step == numbers[i]);
        normd_tensor_release(&y);
        x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {12, 6}}, i);
        options.number = 5;
        assert_int_equal(
            normd_session_forward(session, &x, &options, &y, &result, &error), NORMD_BAD_ARGUMENT);
        assert_null(x.buffer);
    }
    normd_session_destroy(session);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_kept_again_give_the_same_bits),
        cmocka_unit_test(kept_steps_say_what_they_are),
        cmocka_unit_test(kept_steps_may_be_held_longer_than_the_session),
        cmocka_unit_test(only_repeatable_steps_of_the_present_model_are_listed),
        cmocka_unit_test(steps_that_do_not_fit_are_refused),
        cmocka_unit_test(the_oldest_used_steps_go_first),
        cmocka_unit_test(there_are_only_so_many_repeatable_steps),
        cmocka_unit_test(used_steps_make_room_before_others),
        cmocka_unit_test(used_steps_expire_as_others),
        cmocka_unit_test(a_step_has_the_number_that_is_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
