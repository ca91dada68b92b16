// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <math.h>
#include <string.h>

#include "lib/exchange/safetensors.h"
#include "lib/layers/layer.h"
#include "lib/session/tensor_names.h"

static const char classifier[] =
    "{'layers': [{'type': 'linear', 'in': 6, 'out': 8}, {'type': 'batch_norm'}, {'type': 'relu'},"
    " {'type': 'linear', 'out': 4}], 'loss': 'cross_entropy', 'optimizer': {'type': 'adam'}}";

static void a_file_continues_training_to_the_same_bits(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, classifier);
    fixture_train_some(&f, session, 1, 5);
    normd_buffer *file = fixture_export(session);
    normd_session *again = NULL;
    normd_error error;
    assert_int_equal(
        normd_session_create_from(&f.engine, file->data, file->size, &again, &error), NORMD_OK);
    assert_true(fixture_same_state(session, again));
    assert_true(normd_session_same_configuration(session, again));
    fixture_train_some(&f, session, 6, 5);
    fixture_train_some(&f, again, 6, 5);
    assert_true(fixture_same_state(session, again));
    normd_buffer_release(file);
    normd_session_destroy(session);
    normd_session_destroy(again);
    fixture_close(&f);
}

static void import_restores_an_earlier_state(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, classifier);
    normd_session *straight = fixture_session(&f, classifier);
    fixture_train_some(&f, session, 1, 3);
    fixture_train_some(&f, straight, 1, 3);
    normd_buffer *file = fixture_export(session);
    fixture_train_some(&f, session, 50, 4);
    uint64_t version;
    normd_error error;
    assert_int_equal(
        normd_session_import(session, file->data, file->size, &version, &error), NORMD_OK);
    assert_int_equal(version, 8);
    fixture_train_some(&f, session, 4, 2);
    fixture_train_some(&f, straight, 4, 2);
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {12, 6}}, 9);
    normd_tensor a = fixture_infer(&f, session, &x.array);
    normd_tensor b = fixture_infer(&f, straight, &x.array);
    assert_memory_equal(a.array.data, b.array.data, normd_array_bytes(&a.array));
    normd_tensor_release(&x);
    normd_tensor_release(&a);
    normd_tensor_release(&b);
    normd_buffer_release(file);
    normd_session_destroy(session);
    normd_session_destroy(straight);
    fixture_close(&f);
}

static void initial_arrays_survive_a_file(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    const char *four = "{'layers': [{'type': 'batch_norm', 'features': 2, 'weight_init': [3, 4], "
                       "'running_var_init': [1, 4]}]}";
    const char *five = "{'layers': [{'type': 'batch_norm', 'features': 2, 'weight_init': [3, 5], "
                       "'running_var_init': [1, 4]}]}";
    normd_session *session = fixture_session(&f, four);
    normd_session *same = fixture_session(&f, four);
    normd_session *other = fixture_session(&f, five);
    assert_true(normd_session_same_configuration(session, same));
    assert_false(normd_session_same_configuration(session, other));
    normd_buffer *file = fixture_export(session);
    normd_session *again = NULL;
    normd_error error;
    assert_int_equal(
        normd_session_create_from(&f.engine, file->data, file->size, &again, &error), NORMD_OK);
    assert_true(normd_session_same_configuration(session, again));
    assert_true(fixture_same_state(session, again));
    normd_buffer_release(file);
    normd_session_destroy(session);
    normd_session_destroy(same);
    normd_session_destroy(other);
    normd_session_destroy(again);
    fixture_close(&f);
}

/* A file made of some of another file's tensors, one of them changed. */
typedef struct damage {
    const char *without; /* a tensor that is left out */
    const char *changed; /* a tensor that is renamed, reshaped, ... */
    const char *new_name;
    size_t extent; /* its new first extent; 0: as before */
    double value;  /* its new first value; 1: as before */
    normd_status status;
    const char *message;
} damage;

static normd_buffer *damaged(const fixture *f, const normd_buffer *file, const damage *d)
{
    normd_safetensors *tensors = NULL;
    normd_error error;
    assert_int_equal(normd_safetensors_open(file->data, file->size, &tensors, &error), NORMD_OK);
    normd_named_array list[64];
    size_t count = 0;
    for (size_t i = 0; i < normd_safetensors_count(tensors); i++) {
        normd_named_array named = {
            normd_safetensors_name(tensors, i), normd_safetensors_array(tensors, i)};
        if (d->without != NULL && strcmp(named.name, d->without) == 0) {
            continue;
        }
        if (d->changed != NULL && strcmp(named.name, d->changed) == 0) {
            named.name = d->new_name != NULL ? d->new_name : named.name;
            named.array.shape.dim[0] = d->extent != 0 ? d->extent : named.array.shape.dim[0];
            if (d->value != 1.0) {
                float value = (float)d->value;
                memcpy(named.array.data, &value, sizeof value);
            }
        }
        list[count++] = named;
    }
    normd_buffer *made = NULL;
    assert_int_equal(
        normd_safetensors_write(f->buffers, list, count, NULL, 0, &made, &error), NORMD_OK);
    normd_safetensors_close(tensors);
    return made;
}

static void a_file_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    const damage damages[] = {
        {"1.running_var", NULL, NULL, 0, 1, NORMD_BAD_ARGUMENT,
            "data: expected a tensor \"1.running_var\", which the file does not have"},
        {"optimizer.3.bias.exp_avg", NULL, NULL, 0, 1, NORMD_BAD_ARGUMENT,
            "data: expected a tensor \"optimizer.3.bias.exp_avg\", which the file does not have"},
        {NULL, "0.weight", "00.weight", 0, 1, NORMD_BAD_ARGUMENT,
            "data: expected tensors of this session alone, got \"00.weight\""},
        {NULL, "0.weight", "9.weight", 0, 1, NORMD_BAD_ARGUMENT,
            "data: expected tensors of this session alone, got \"9.weight\""},
        {NULL, "0.weight", "weight", 0, 1, NORMD_BAD_ARGUMENT,
            "data: expected tensors of this session alone, got \"weight\""},
        {NULL, "1.bias", NULL, 4, 1, NORMD_BAD_SHAPE,
            "data: expected shape (8,) for \"1.bias\", got (4,)"},
        {NULL, "3.bias", NULL, 0, NAN, NORMD_NOT_FINITE,
            "data: expected finite values in \"3.bias\", got nan at position 0"},
        {NULL, "1.running_var", NULL, 0, -1, NORMD_BAD_ARGUMENT,
            "data: expected values of 0 or more in \"1.running_var\", got -1 at position 0"},
    };
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, classifier);
    normd_session *untouched = fixture_session(&f, classifier);
    fixture_train_some(&f, session, 1, 2);
    fixture_train_some(&f, untouched, 1, 2);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        normd_buffer *file = fixture_export(untouched);
        normd_buffer *bad = damaged(&f, file, &damages[i]);
        uint64_t version;
        normd_error error;
        assert_int_equal(normd_session_import(session, bad->data, bad->size, &version, &error),
            damages[i].status);
        assert_string_equal(error.message, damages[i].message);
        assert_int_equal(version, 2);
        assert_true(fixture_same_state(session, untouched));
        normd_buffer_release(bad);
        normd_buffer_release(file);
    }
    normd_session_destroy(session);
    normd_session_destroy(untouched);
    fixture_close(&f);
}

static void a_file_without_the_count_of_batches_leaves_it(void **state)
{
    (void)state;
    const damage missing = {"1.num_batches_tracked", NULL, NULL, 0, 1, NORMD_OK, NULL};
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, classifier);
    normd_session *source = fixture_session(&f, classifier);
    fixture_train_some(&f, session, 1, 2);
    fixture_train_some(&f, source, 1, 3);
    normd_buffer *file = fixture_export(source);
    normd_buffer *old = damaged(&f, file, &missing);
    uint64_t version;
    normd_error error;
    assert_int_equal(
        normd_session_import(session, old->data, old->size, &version, &error), NORMD_OK);
    normd_buffer *after = fixture_export(session);
    normd_array count = fixture_exported(after, "1.num_batches_tracked");
    int64_t batches;
    memcpy(&batches, count.data, sizeof batches);
    assert_int_equal(batches, 2);
    normd_buffer_release(after);
    normd_buffer_release(old);
    normd_buffer_release(file);
    normd_session_destroy(session);
    normd_session_destroy(source);
    fixture_close(&f);
}

typedef struct counts_row {
    int64_t batches;
    const char *version;
    const char *steps;
    const char *message;
} counts_row;

/* The session's file with another count of batches and other metadata; a configuration of NULL is
   the file's. */
static normd_buffer *with_counts(
    const fixture *f, const normd_buffer *file, const char *configuration, counts_row row)
{
    normd_safetensors *tensors = NULL;
    normd_error error;
    assert_int_equal(normd_safetensors_open(file->data, file->size, &tensors, &error), NORMD_OK);
    normd_named_array list[64];
    size_t count = normd_safetensors_count(tensors);
    for (size_t i = 0; i < count; i++) {
        list[i] = (normd_named_array){
            normd_safetensors_name(tensors, i), normd_safetensors_array(tensors, i)};
        if (strcmp(list[i].name, "1.num_batches_tracked") == 0) {
            memcpy(list[i].array.data, &row.batches, sizeof row.batches);
        }
    }
    if (configuration == NULL) {
        configuration = normd_safetensors_metadata(tensors, NORMD_METADATA_CONFIGURATION);
    }
    json_t *metadata = json_pack("{s:s, s:s, s:s}", NORMD_METADATA_CONFIGURATION, configuration,
        NORMD_METADATA_VERSION, row.version, NORMD_METADATA_STEPS, row.steps);
    assert_non_null(metadata);
    normd_buffer *made = NULL;
    assert_int_equal(
        normd_safetensors_write(f->buffers, list, count, metadata, 0, &made, &error), NORMD_OK);
    json_decref(metadata);
    normd_safetensors_close(tensors);
    return made;
}

static void counters_out_of_range_make_no_session(void **state)
{
    (void)state;
    const counts_row rows[] = {
        {-1, "1", "1",
            "data: expected a number from 0 to 9007199254740992 in \"1.num_batches_tracked\", "
            "got -1"},
        {INT64_C(9007199254740993), "1", "1",
            "data: expected a number from 0 to 9007199254740992 in \"1.num_batches_tracked\", "
            "got 9007199254740993"},
        {INT64_MAX, "1", "1",
            "data: expected a number from 0 to 9007199254740992 in \"1.num_batches_tracked\", "
            "got 9223372036854775807"},
        {1, "9007199254740993", "1",
            "data: expected a number from 0 to 9007199254740992 under \"normd.version\" in the "
            "metadata, got \"9007199254740993\""},
        {1, "-1", "1",
            "data: expected a number from 0 to 9007199254740992 under \"normd.version\" in the "
            "metadata, got \"-1\""},
        {1, "1", "99999999999999999999",
            "data: expected a number from 0 to 9007199254740992 under \"normd.steps\" in the "
            "metadata, got \"99999999999999999999\""},
    };
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, classifier);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        normd_buffer *file = fixture_export(session);
        normd_buffer *bad = with_counts(&f, file, NULL, rows[i]);
        normd_session *again = NULL;
        normd_error error;
        assert_int_equal(normd_session_create_from(&f.engine, bad->data, bad->size, &again, &error),
            NORMD_BAD_ARGUMENT);
        assert_string_equal(error.message, rows[i].message);
        assert_null(again);
        normd_buffer_release(bad);
        normd_buffer_release(file);
    }
    normd_session_destroy(session);
    fixture_close(&f);
}

static void a_count_of_batches_stays_at_its_bound(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, classifier);
    normd_buffer *file = fixture_export(session);
    normd_buffer *full = with_counts(
        &f, file, NULL, (counts_row){NORMD_MAX_COUNT - 1, "9007199254740992", "7", NULL});
    normd_session *again = NULL;
    normd_error error;
    assert_int_equal(
        normd_session_create_from(&f.engine, full->data, full->size, &again, &error), NORMD_OK);
    fixture_train_some(&f, again, 1, 3);
    normd_snapshot *snapshot = normd_session_snapshot(again);
    normd_layer_stats stats;
    normd_snapshot_stats(snapshot, 0, NORMD_PYTORCH, &stats);
    assert_int_equal(stats.num_batches_tracked, NORMD_MAX_COUNT);
    normd_snapshot_release(snapshot);
    normd_buffer_release(full);
    normd_buffer_release(file);
    normd_session_destroy(session);
    normd_session_destroy(again);
    fixture_close(&f);
}

static void weights_alone_make_no_session(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, classifier);
    normd_buffer *file = fixture_export(session);
    normd_buffer *weights = damaged(&f, file, &(damage){.value = 1});
    normd_session *again = NULL;
    normd_error error;
    assert_int_equal(
        normd_session_create_from(&f.engine, weights->data, weights->size, &again, &error),
        NORMD_BAD_ARGUMENT);
    assert_null(again);
    fixture_import(session, weights);
    normd_buffer *list =
        with_counts(&f, file, "[1, 2]", (counts_row){.version = "1", .steps = "1"});
    assert_int_equal(normd_session_create_from(&f.engine, list->data, list->size, &again, &error),
        NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message, "data: expected a configuration that is a map, got [1, 2]");
    normd_buffer_release(list);
    normd_buffer_release(file);
    normd_buffer_release(weights);
    normd_session_destroy(session);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_continues_training_to_the_same_bits),
        cmocka_unit_test(import_restores_an_earlier_state),
        cmocka_unit_test(initial_arrays_survive_a_file),
        cmocka_unit_test(a_file_that_does_not_fit_is_refused),
        cmocka_unit_test(a_file_without_the_count_of_batches_leaves_it),
        cmocka_unit_test(counters_out_of_range_make_no_session),
        cmocka_unit_test(a_count_of_batches_stays_at_its_bound),
        cmocka_unit_test(weights_alone_make_no_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
