// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

/*
 * Sizes below, for N rows of float32: linear 1 to 64, relu over it, linear 64 to 1. Input and
 * output have 4 N bytes, what is between them 256 N (a multiple of a cache line).
 */
static const char wide_between[] =
    "{'layers': [{'type': 'linear', 'in': 1, 'out': 64}, {'type': 'relu'}, {'type': 'linear', "
    "'out': 1}], 'loss': 'mse'}";
static const char wide_output[] = "{'layers': [{'type': 'linear', 'in': 1, 'out': 64}]}";
static const char wide_input[] = "{'layers': [{'type': 'linear', 'in': 64, 'out': 1}]}";

static normd_tensor column(const fixture *f, size_t rows)
{
    return fixture_normal(f, NORMD_F32, (normd_shape){2, {rows, 1}}, 1);
}

/* Each call with a batch of `rows` by `features`; the array it gives is released. */
typedef normd_status call(
    const fixture *f, normd_session *session, normd_shape shape, normd_error *error);

static normd_status infer(
    const fixture *f, normd_session *session, normd_shape shape, normd_error *error)
{
    normd_tensor x = fixture_normal(f, NORMD_F32, shape, 1);
    normd_tensor y;
    normd_snapshot *snapshot = normd_session_snapshot(session);
    normd_status status = normd_snapshot_infer(snapshot, &x, &y, error);
    normd_snapshot_release(snapshot);
    normd_tensor_release(&y);
    return status;
}

static normd_status evaluate(
    const fixture *f, normd_session *session, normd_shape shape, normd_error *error)
{
    normd_tensor x = fixture_normal(f, NORMD_F32, shape, 1);
    normd_train_result result;
    normd_snapshot *snapshot = normd_session_snapshot(session);
    normd_status status = normd_snapshot_evaluate(
        snapshot, &(normd_train_batch){.x = &x.array, .target = &x.array}, &result, error);
    normd_snapshot_release(snapshot);
    normd_tensor_release(&x);
    return status;
}

static normd_status train(
    const fixture *f, normd_session *session, normd_shape shape, normd_error *error)
{
    normd_tensor x = fixture_normal(f, NORMD_F32, shape, 1);
    normd_train_result result;
    normd_status status = normd_session_train(
        session, &(normd_train_batch){.x = &x.array, .target = &x.array}, &result, error);
    normd_tensor_release(&x);
    return status;
}

static normd_status forward(
    const fixture *f, normd_session *session, normd_shape shape, normd_error *error)
{
    normd_tensor x = fixture_normal(f, NORMD_F32, shape, 1);
    normd_tensor y;
    normd_forward_options options = {.mask = NULL};
    normd_forward_result result;
    normd_status status = normd_session_forward(session, &x, &options, &y, &result, error);
    normd_tensor_release(&y);
    return status;
}

/* The largest batch passes, one row more does not and leaves the session as it was. */
static void expect_limit(
    const fixture *f, const char *configuration, call *run, size_t rows, const char *message)
{
    normd_session *session = fixture_session(f, configuration);
    normd_error error = {.status = NORMD_OK};
    assert_int_equal(run(f, session, (normd_shape){2, {rows, 1}}, &error), NORMD_OK);
    normd_buffer *before = fixture_export(session);
    assert_int_equal(run(f, session, (normd_shape){2, {rows + 1, 1}}, &error), NORMD_TOO_LARGE);
    assert_string_equal(error.message, message);
    normd_buffer *after = fixture_export(session);
    assert_int_equal(before->size, after->size);
    assert_memory_equal(before->data, after->data, before->size);
    normd_buffer_release(before);
    normd_buffer_release(after);
    normd_session_destroy(session);
}

static void an_output_over_the_limit_of_answers_is_refused(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    f.engine.limits.answer_bytes = 4096; /* an export of a model so small takes less as well */
    static const char message[] =
        "x: expected a batch whose output is at most 4096 bytes, got 4352; send fewer rows";
    expect_limit(&f, wide_output, infer, 16, message);
    expect_limit(&f, wide_output, forward, 16, message);
    fixture_close(&f);
}

static void work_over_the_limit_is_refused(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    f.engine.limits.work_bytes = 8192;
    /* Input and output of one linear layer: 260 N. */
    expect_limit(&f, wide_between, infer, 31,
        "x: expected a batch whose activations take at most 8192 bytes, got 8320; send fewer rows");
    /* The target, 4 N, sample weights, 8 N, and 32 for the loss besides. */
    expect_limit(&f, wide_between, evaluate, 30,
        "x: expected a batch whose activations take at most 8192 bytes, got 8464; send fewer rows");
    /* x, what lies between the layers, y. */
    expect_limit(&f, wide_between, forward, 31,
        "x: expected a batch whose activations take at most 8192 bytes, got 8448; send fewer rows");
    /* x, what lies between the layers, two gradients, the loss: 4 + 256 + 260 + 12 a row. */
    expect_limit(&f, wide_between, train, 15,
        "x: expected a batch whose activations take at most 8192 bytes, got 8544; send fewer rows");
    fixture_close(&f);
}

static void what_no_machine_has_is_refused_by_its_size(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    f.engine.limits = (normd_memory_limits){.answer_bytes = 1 << 20, .work_bytes = 1 << 20};
    /* 2^37 values out of 2^17, as 8 MB of parameters can give. */
    normd_session *session =
        fixture_session(&f, "{'layers': [{'type': 'linear', 'in': 1, 'out': 1048576, 'weight_init':"
                            " 'ones', 'bias': false}], 'loss': 'mse'}");
    normd_shape shape = {2, {131072, 1}};
    call *const calls[] = {infer, evaluate, train, forward};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        normd_error error;
        assert_int_equal(calls[i](&f, session, shape, &error), NORMD_TOO_LARGE);
    }
    normd_session_destroy(session);
    fixture_close(&f);
}

static normd_status backward(
    const fixture *f, normd_session *session, uint64_t step, size_t rows, normd_error *error)
{
    normd_tensor dy = column(f, rows);
    normd_tensor dx;
    uint64_t version;
    normd_status status = normd_session_backward(session, step, true, &dy, 0, &dx, &version, error);
    normd_tensor_release(&dx);
    return status;
}

static void a_gradient_over_the_limit_is_refused_and_its_step_stays(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    /* Output 4 N, dx 256 N. */
    f.engine.limits.answer_bytes = 1024;
    normd_session *session = fixture_session(&f, wide_input);
    normd_error error;
    for (size_t rows = 4; rows <= 5; rows++) {
        normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {rows, 64}}, 1);
        normd_forward_result result;
        normd_tensor y = fixture_forward(&f, session, &x.array, NULL, true, &result);
        normd_tensor_release(&y);
        normd_tensor_release(&x);
    }
    assert_int_equal(backward(&f, session, 1, 4, &error), NORMD_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(backward(&f, session, 2, 5, &error), NORMD_TOO_LARGE);
        assert_string_equal(error.message, "step: expected one of a batch whose dx is at most 1024 "
                                           "bytes, got 1280; send fewer rows");
    }
    normd_session_destroy(session);
    fixture_close(&f);
}

static void a_session_over_its_limit_is_refused(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    /* W has 640 bytes; it, two slots and its gradient stand twice. */
    const char *linear = "{'layers': [{'type': 'linear', 'in': 10, 'out': 16, 'bias': false}], "
                         "'optimizer': 'adam'}";
    f.engine.limits.session_bytes = 5120;
    normd_session_destroy(fixture_session(&f, linear));
    f.engine.limits.session_bytes = 5119;
    fixture_refused(&f, linear, NORMD_TOO_LARGE,
        "layers: expected parameters, statistics and optimizer slots that take at most 5119 bytes, "
        "got 5120");
    /* Cache lines: two parameters, three statistics, one derived, two gradients, all twice; and the
       zeros for what is left out. */
    const char *norm = "{'layers': [{'type': 'batch_norm', 'features': 16}]}";
    f.engine.limits.session_bytes = 17 * 64;
    normd_session_destroy(fixture_session(&f, norm));
    f.engine.limits.session_bytes--;
    fixture_refused(&f, norm, NORMD_TOO_LARGE,
        "layers: expected parameters, statistics and optimizer slots that take at most 1087 bytes, "
        "got 1088");
    /* Seven gigabytes, of which nothing may be taken. */
    fixture_refused(&f,
        "{'layers': [{'type': 'batch_norm', 'features': 268435456, 'affine': false}]}",
        NORMD_TOO_LARGE,
        "layers: expected parameters, statistics and optimizer slots that take at most 1087 bytes, "
        "got 7516192896");
    fixture_close(&f);
}

static void a_file_over_the_limit_of_answers_is_refused(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, wide_between);
    normd_buffer *file = fixture_export(session);
    f.engine.limits.answer_bytes = file->size;
    normd_session *just = fixture_session(&f, wide_between);
    assert_true(fixture_same_state(session, just));
    f.engine.limits.answer_bytes--;
    normd_session *over = fixture_session(&f, wide_between);
    normd_snapshot *snapshot = normd_session_snapshot(over);
    normd_buffer *none;
    normd_error error;
    assert_int_equal(
        normd_snapshot_export(snapshot, &fixture_everything, &none, &error), NORMD_TOO_LARGE);
    assert_null(none);
    char expected[96];
    snprintf(expected, sizeof expected, "data: expected a file of at most %zu bytes, got %zu",
        file->size - 1, file->size);
    assert_string_equal(error.message, expected);
    normd_snapshot_release(snapshot);
    normd_buffer_release(file);
    normd_session_destroy(session);
    normd_session_destroy(just);
    normd_session_destroy(over);
    fixture_close(&f);
}

static void sums_that_overflow_are_the_largest_there_is(void **state)
{
    (void)state;
    assert_true(normd_bytes_add(SIZE_MAX - 1, 1) == SIZE_MAX);
    assert_true(normd_bytes_add(SIZE_MAX, 2) == SIZE_MAX);
    assert_true(normd_bytes_add(3, 4) == 7);
    assert_int_equal(normd_limit_check(0, SIZE_MAX, "x:", "", NULL), NORMD_OK);
    assert_int_equal(normd_limit_check(1, SIZE_MAX, "x:", "", NULL), NORMD_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_output_over_the_limit_of_answers_is_refused),
        cmocka_unit_test(work_over_the_limit_is_refused),
        cmocka_unit_test(what_no_machine_has_is_refused_by_its_size),
        cmocka_unit_test(a_gradient_over_the_limit_is_refused_and_its_step_stays),
        cmocka_unit_test(a_session_over_its_limit_is_refused),
        cmocka_unit_test(a_file_over_the_limit_of_answers_is_refused),
        cmocka_unit_test(sums_that_overflow_are_the_largest_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
