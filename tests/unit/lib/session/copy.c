// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <string.h>

static normd_session *make(const fixture *f, const char *optimizer)
{
    char text[512];
    snprintf(text, sizeof text,
        "{'layers': [{'type': 'linear', 'in': 6, 'out': 4}, {'type': 'batch_norm'}],"
        "'loss': 'cross_entropy', 'optimizer': %s}",
        optimizer);
    return fixture_session(f, text);
}

static normd_status copy(const fixture *f, normd_session *session, bool average,
    normd_session **made, normd_error *error)
{
    normd_snapshot *snapshot = normd_session_snapshot(session);
    normd_status status = normd_session_copy(&f->engine, snapshot, average, made, error);
    normd_snapshot_release(snapshot);
    return status;
}

static void set(normd_session *session, const char *changes)
{
    uint64_t version;
    normd_error error;
    json_t *json = fixture_json(changes);
    if (normd_session_optimizer_set(session, json, &version, &error) != NORMD_OK) {
        fail_msg("%s", error.message);
    }
    json_decref(json);
}

static void a_copy_trains_on_to_the_same_bits(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session =
        make(&f, "{'type': 'adam', 'averaging': 'ema', 'accumulate_steps': 2, 'schedule': "
                 "{'type': 'reduce_on_plateau', 'patience': 0, 'every': 2}}");
    fixture_train_some(&f, session, 0, 7);
    normd_session *made;
    normd_error error;
    assert_int_equal(copy(&f, session, false, &made, &error), NORMD_OK);
    assert_true(fixture_same_state(session, made));
    assert_true(normd_session_same_configuration(session, made));
    fixture_train_some(&f, session, 7, 7);
    fixture_train_some(&f, made, 7, 7);
    assert_true(fixture_same_state(session, made));
    normd_session_destroy(session);
    normd_session_destroy(made);
    fixture_close(&f);
}

static void the_average_takes_the_place_of_the_weights(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = make(&f, "{'type': 'sgd', 'lr': 0.5}");
    normd_session *made;
    normd_error error;
    fixture_train_some(&f, session, 0, 2);
    assert_int_equal(copy(&f, session, true, &made, &error), NORMD_BAD_ARGUMENT);
    assert_null(made);
    assert_non_null(strstr(error.message, "weights: expected \"current\""));
    set(session, "{'averaging': {'type': 'swa'}, 'lr': 0.25}");
    fixture_train_some(&f, session, 2, 3);
    assert_int_equal(copy(&f, session, true, &made, &error), NORMD_OK);
    normd_buffer *file = fixture_export(session);
    normd_buffer *copied = fixture_export(made);
    normd_array average = fixture_exported(file, "optimizer.0.weight.average");
    normd_array weight = fixture_exported(copied, "0.weight");
    assert_memory_equal(average.data, weight.data, normd_array_bytes(&weight));
    normd_array count = fixture_exported(copied, "optimizer.n_averaged");
    assert_true(fixture_at(&count, 0) == 3.0);
    normd_buffer_release(file);
    normd_buffer_release(copied);
    normd_session_destroy(session);
    normd_session_destroy(made);
    fixture_close(&f);
}

static void overwriting_makes_the_weights_the_average(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session =
        make(&f, "{'type': 'sgd', 'lr': 0.5, 'averaging': {'type': 'ema', 'overwrite_every': 3}}");
    for (uint64_t step = 1; step <= 6; step++) {
        fixture_train_some(&f, session, step, 1);
        normd_buffer *file = fixture_export(session);
        normd_array average = fixture_exported(file, "optimizer.0.weight.average");
        normd_array weight = fixture_exported(file, "0.weight");
        bool same = memcmp(average.data, weight.data, normd_array_bytes(&weight)) == 0;
        assert_int_equal(same, step == 1 || step % 3 == 0);
        normd_buffer_release(file);
    }
    normd_session_destroy(session);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_trains_on_to_the_same_bits),
        cmocka_unit_test(the_average_takes_the_place_of_the_weights),
        cmocka_unit_test(overwriting_makes_the_weights_the_average),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
