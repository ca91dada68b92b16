// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/mutations.h"

#include <string.h>

/* A batch norm that keeps what it needs in every way, and layers before and behind it. */
static const char model[] =
    "{'layers': [{'type': 'linear', 'in': 6, 'out': 8}, {'type': 'batch_norm', 'axis': -1"
    "%s}, {'type': 'relu'}, {'type': 'dropout', 'p': 0.5}, {'type': 'linear', 'out': 4}], "
    "'loss': 'cross_entropy', 'optimizer': {'type': 'sgd', 'lr': 0.1}}";
static const char *const variants[] = {"", ", 'renorm': true", ", 'trainable': false",
    ", 'frozen_stats': true", ", 'track_running_stats': false"};
enum { VARIANTS = sizeof variants / sizeof *variants };

static normd_session *session_of(const fixture *f, size_t variant)
{
    char text[512];
    snprintf(text, sizeof text, model, variants[variant]);
    return fixture_session(f, text);
}

typedef struct step {
    uint64_t number;
    normd_tensor y;
    normd_tensor dx;
} step;

static void step_release(step *made)
{
    normd_tensor_release(&made->y);
    normd_tensor_release(&made->dx);
}

static uint8_t valid[12] = {1, 1, 0, 1, 0, 1, 1, 0, 1, 1, 1, 0};

static normd_tensor batch(const fixture *f, uint64_t stream)
{
    return fixture_normal(f, NORMD_F32, (normd_shape){2, {12, 6}}, stream);
}

static normd_tensor gradient(const fixture *f, uint64_t stream)
{
    return fixture_normal(f, NORMD_F32, (normd_shape){2, {12, 4}}, 1000 + stream);
}

static void forward(const fixture *f, normd_session *session, uint64_t stream, step *made)
{
    normd_array mask = {.dtype = NORMD_BOOL, .shape = {1, {12}}, .data = valid};
    normd_tensor x = batch(f, stream);
    normd_forward_options options = {.mask = stream % 2 == 0 ? &mask : NULL,
        .update_stats = stream % 3 != 0,
        .repeatable = true};
    normd_forward_result result;
    normd_error error;
    *made = (step){.number = 0};
    if (normd_session_forward(session, &x, &options, &made->y, &result, &error) != NORMD_OK) {
        fail_msg("%s", error.message);
    }
    made->number = result.step;
}

static void backward(const fixture *f, normd_session *session, uint64_t stream, step *made)
{
    normd_tensor dy = gradient(f, stream);
    made->dx = fixture_backward(f, session, made->number, stream % 2 != 0, &dy.array);
    normd_tensor_release(&dy);
}

static void expect_y(normd_session *session, const step *made)
{
    normd_tensor y;
    normd_error error;
    if (normd_session_forward_again(session, made->number, &y, &error) != NORMD_OK) {
        fail_msg("%s", error.message);
    }
    assert_memory_equal(y.array.data, made->y.array.data, normd_array_bytes(&y.array));
    normd_tensor_release(&y);
}

static void expect_dx(const fixture *f, normd_session *session, uint64_t stream, const step *made)
{
    normd_tensor dy = gradient(f, stream);
    normd_tensor dx;
    normd_error error;
    if (normd_session_backward_again(session, made->number, &dy, &dx, &error) != NORMD_OK) {
        fail_msg("%s", error.message);
    }
    assert_null(dy.buffer);
    assert_memory_equal(dx.array.data, made->dx.array.data, normd_array_bytes(&dx.array));
    normd_tensor_release(&dx);
}

static void an_answer_made_again_has_the_first_one_s_bits(void **state)
{
    (void)state;
    enum { STEPS = 6 };
    fixture f;
    fixture_open(&f, 2, NULL);
    for (size_t variant = 0; variant < VARIANTS; variant++) {
        normd_session *session = session_of(&f, variant);
        step made[STEPS];
        for (uint64_t i = 0; i < STEPS; i++) {
            forward(&f, session, i, &made[i]);
            expect_y(session, &made[i]);
            backward(&f, session, i, &made[i]);
            fixture_train_some(&f, session, 100 + i, 1);
        }
        normd_image *before = normd_session_image(session);
        for (uint64_t i = 0; i < STEPS; i++) {
            expect_dx(&f, session, i, &made[i]);
            expect_y(session, &made[i]);
        }
        normd_image *after = normd_session_image(session);
        assert_true(mutations_same_image(before, after));
        for (unsigned p = 0; p < NORMD_IMAGE_PARTS; p++) {
            assert_ptr_equal(normd_image_part_of(before, (normd_image_part)p).data,
                normd_image_part_of(after, (normd_image_part)p).data);
        }
        for (size_t i = 0; i < STEPS; i++) {
            step_release(&made[i]);
        }
        normd_image_release(before);
        normd_image_release(after);
        normd_session_destroy(session);
    }
    fixture_close(&f);
}

/* What was made again in between cannot be seen in what comes. */
static void answers_made_again_change_nothing(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = session_of(&f, 0);
    normd_session *quiet = session_of(&f, 0);
    for (uint64_t i = 0; i < 8; i++) {
        step made, other;
        forward(&f, session, i, &made);
        forward(&f, quiet, i, &other);
        expect_y(session, &made);
        backward(&f, session, i, &made);
        backward(&f, quiet, i, &other);
        expect_dx(&f, session, i, &made);
        expect_y(session, &made);
        fixture_train_some(&f, session, 100 + i, 1);
        fixture_train_some(&f, quiet, 100 + i, 1);
        assert_true(mutations_same(session, quiet));
        step_release(&made);
        step_release(&other);
    }
    normd_session_destroy(session);
    normd_session_destroy(quiet);
    fixture_close(&f);
}

static void another_configuration_does_not_change_the_answer(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = session_of(&f, 1);
    step made;
    forward(&f, session, 1, &made);
    backward(&f, session, 1, &made);
    json_t *changes = fixture_json("{'lr': 0.5, 'averaging': 'ema'}");
    uint64_t version;
    normd_error error;
    assert_int_equal(normd_session_optimizer_set(session, changes, &version, &error), NORMD_OK);
    json_decref(changes);
    fixture_train_some(&f, session, 100, 2);
    expect_y(session, &made);
    expect_dx(&f, session, 1, &made);
    step_release(&made);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void expect_lost(const fixture *f, normd_session *session, uint64_t number)
{
    normd_tensor dy = gradient(f, 1);
    normd_tensor y, dx;
    normd_error error;
    assert_int_equal(normd_session_forward_again(session, number, &y, &error), NORMD_CONTEXT_LOST);
    assert_null(y.buffer);
    assert_int_equal(
        normd_session_backward_again(session, number, &dy, &dx, &error), NORMD_CONTEXT_LOST);
    assert_null(dy.buffer);
    assert_null(dx.buffer);
}

static void what_is_not_kept_is_lost(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = session_of(&f, 0);
    normd_tensor x = batch(&f, 1);
    normd_forward_result result;
    normd_tensor y = fixture_forward(&f, session, &x.array, NULL, true, &result);
    expect_lost(&f, session, result.step);
    expect_lost(&f, session, result.step + 1);
    step made;
    forward(&f, session, 1, &made);
    normd_tensor dy = gradient(&f, 1);
    normd_tensor dx;
    normd_error error;
    assert_int_equal(
        normd_session_backward_again(session, made.number, &dy, &dx, &error), NORMD_CONTEXT_LOST);
    expect_y(session, &made);
    normd_tensor_release(&x);
    normd_tensor_release(&y);
    step_release(&made);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void a_used_step_is_used_once(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = session_of(&f, 0);
    step made;
    forward(&f, session, 1, &made);
    backward(&f, session, 1, &made);
    normd_tensor dy = gradient(&f, 1);
    normd_tensor dx;
    uint64_t version;
    normd_error error;
    assert_int_equal(
        normd_session_backward(session, made.number, true, &dy, 0, &dx, &version, &error),
        NORMD_CONTEXT_LOST);
    expect_dx(&f, session, 1, &made);
    step_release(&made);
    normd_session_destroy(session);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_made_again_has_the_first_one_s_bits),
        cmocka_unit_test(answers_made_again_change_nothing),
        cmocka_unit_test(another_configuration_does_not_change_the_answer),
        cmocka_unit_test(what_is_not_kept_is_lost),
        cmocka_unit_test(a_used_step_is_used_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
