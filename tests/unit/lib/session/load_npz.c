// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <string.h>

#include "lib/exchange/npz.h"

static const char classifier[] =
    "{'layers': [{'type': 'linear', 'in': 6, 'out': 8}, {'type': 'batch_norm'}, {'type': 'relu'},"
    " {'type': 'linear', 'out': 4}], 'loss': 'cross_entropy', 'optimizer': {'type': 'adam'}}";

static normd_buffer *export_npz(normd_session *session, bool optimizer)
{
    normd_snapshot *snapshot = normd_session_snapshot(session);
    normd_buffer *file = NULL;
    normd_error error;
    const normd_export_options options = {.format = NORMD_FORMAT_NPZ, .optimizer = optimizer};
    assert_int_equal(normd_snapshot_export(snapshot, &options, &file, &error), NORMD_OK);
    normd_snapshot_release(snapshot);
    return file;
}

static void arrays_lie_as_keras_has_them(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, classifier);
    fixture_train_some(&f, session, 1, 2);
    normd_buffer *file = export_npz(session, false);
    normd_buffer *tensors = fixture_export(session);
    static const char *const names[] = {"0.weight", "0.bias", "1.weight", "1.bias",
        "1.running_mean", "1.running_var", "3.weight", "3.bias"};
    normd_npz *npz;
    normd_error error;
    assert_int_equal(normd_npz_open(file->data, file->size, &npz, &error), NORMD_OK);
    assert_int_equal(normd_npz_count(npz), 8);
    for (size_t i = 0; i < 8; i++) {
        normd_array array;
        normd_array own = fixture_exported(tensors, names[i]);
        assert_int_equal(normd_npz_read(npz, i, 1 << 20, &array, &error), NORMD_OK);
        if (own.shape.rank == 1) {
            assert_memory_equal(array.data, own.data, normd_array_bytes(&own));
            continue;
        }
        assert_int_equal(array.shape.dim[0], own.shape.dim[1]);
        for (size_t o = 0; o < own.shape.dim[0]; o++) {
            for (size_t k = 0; k < own.shape.dim[1]; k++) {
                assert_true(fixture_at(&array, k * own.shape.dim[0] + o) ==
                            fixture_at(&own, o * own.shape.dim[1] + k));
            }
        }
    }
    normd_npz_close(npz);
    normd_buffer_release(tensors);
    normd_buffer_release(file);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void a_file_with_the_optimizer_restores_all_but_counters(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, classifier);
    normd_session *straight = fixture_session(&f, classifier);
    fixture_train_some(&f, session, 1, 3);
    fixture_train_some(&f, straight, 1, 3);
    normd_buffer *file = export_npz(session, true);
    fixture_train_some(&f, session, 50, 4);
    uint64_t version;
    normd_error error;
    assert_int_equal(
        normd_session_import(session, file->data, file->size, &version, &error), NORMD_OK);
    fixture_train_some(&f, session, 4, 2);
    fixture_train_some(&f, straight, 4, 2);
    normd_buffer *a = export_npz(session, true);
    normd_buffer *b = export_npz(straight, true);
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->data, b->data, a->size);
    normd_buffer_release(a);
    normd_buffer_release(b);
    normd_buffer_release(file);
    normd_session_destroy(session);
    normd_session_destroy(straight);
    fixture_close(&f);
}

static void weights_alone_leave_the_slots(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, classifier);
    fixture_train_some(&f, session, 1, 3);
    normd_buffer *before = fixture_export(session);
    normd_buffer *file = export_npz(session, false);
    uint64_t version;
    normd_error error;
    assert_int_equal(
        normd_session_import(session, file->data, file->size, &version, &error), NORMD_OK);
    assert_int_equal(version, 4);
    normd_buffer *after = fixture_export(session);
    normd_array a = fixture_exported(before, "optimizer.0.weight.exp_avg");
    normd_array b = fixture_exported(after, "optimizer.0.weight.exp_avg");
    assert_memory_equal(a.data, b.data, normd_array_bytes(&a));
    a = fixture_exported(before, "1.num_batches_tracked");
    b = fixture_exported(after, "1.num_batches_tracked");
    assert_memory_equal(a.data, b.data, normd_array_bytes(&a));
    normd_buffer_release(before);
    normd_buffer_release(after);
    normd_buffer_release(file);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void a_file_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        normd_status status;
        const char *message;
    } rows[] = {
        {"{'layers': [{'type': 'linear', 'in': 6, 'out': 8}]}", NORMD_BAD_ARGUMENT,
            "data: expected 8 arrays, arr_0 to arr_7 (or 22 with the optimizer's variables), "
            "got 2"},
        {"{'layers': [{'type': 'linear', 'in': 8, 'out': 6}, {'type': 'batch_norm'},"
         " {'type': 'linear', 'out': 4}]}",
            NORMD_BAD_SHAPE, "data: expected shape (6, 8) for \"arr_0 (0.weight)\", got (8, 6)"},
        {"{'layers': [{'type': 'linear', 'in': 6, 'out': 8}, {'type': 'batch_norm'},"
         " {'type': 'linear', 'out': 5}]}",
            NORMD_BAD_SHAPE, "data: expected shape (8, 4) for \"arr_6 (3.weight)\", got (8, 5)"},
        {"{'layers': [{'type': 'linear', 'in': 6, 'out': 8}, {'type': 'linear', 'out': 8},"
         " {'type': 'linear', 'out': 8}, {'type': 'linear', 'out': 4}]}",
            NORMD_BAD_SHAPE, "data: expected shape (8,) for \"arr_2 (1.weight)\", got (8, 8)"},
        {"{'layers': [{'type': 'linear', 'in': 4000, 'out': 8}, {'type': 'batch_norm'},"
         " {'type': 'linear', 'out': 4}]}",
            NORMD_TOO_LARGE, "data: array \"arr_0\": expected at most 4480 bytes, got 128128"},
    };
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, classifier);
    normd_session *untouched = fixture_session(&f, classifier);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        normd_session *other = fixture_session(&f, rows[i].from);
        normd_buffer *file = export_npz(other, false);
        uint64_t version;
        normd_error error;
        assert_int_equal(normd_session_import(session, file->data, file->size, &version, &error),
            rows[i].status);
        assert_string_equal(error.message, rows[i].message);
        assert_true(fixture_same_state(session, untouched));
        normd_buffer_release(file);
        normd_session_destroy(other);
    }
    normd_session *none = NULL;
    normd_error error;
    normd_buffer *file = export_npz(session, true);
    assert_int_equal(normd_session_create_from(&f.engine, file->data, file->size, &none, &error),
        NORMD_BAD_ARGUMENT);
    assert_null(none);
    normd_buffer_release(file);
    normd_session_destroy(session);
    normd_session_destroy(untouched);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_lie_as_keras_has_them),
        cmocka_unit_test(a_file_with_the_optimizer_restores_all_but_counters),
        cmocka_unit_test(weights_alone_leave_the_slots),
        cmocka_unit_test(a_file_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
