// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <string.h>

static const char model[] =
    "{'convention': '%s', 'layers': [{'type': 'linear', 'in': 6, 'out': 8},"
    " {'type': 'batch_norm', 'momentum': %s}, {'type': 'relu'}, {'type': 'linear', 'out': 4}],"
    " 'loss': 'cross_entropy', 'optimizer': %s}";

static normd_session *made(
    const fixture *f, const char *convention, const char *momentum, const char *optimizer)
{
    char text[512];
    snprintf(text, sizeof text, model, convention, momentum, optimizer);
    return fixture_session(f, text);
}

/* The arrays of both sessions in Keras' order are the same bits. */
static bool same_arrays(normd_session *a, normd_session *b)
{
    normd_session *session[2] = {a, b};
    normd_buffer *file[2];
    const normd_export_options options = {.format = NORMD_FORMAT_NPZ, .optimizer = false};
    for (size_t i = 0; i < 2; i++) {
        normd_snapshot *snapshot = normd_session_snapshot(session[i]);
        assert_int_equal(normd_snapshot_export(snapshot, &options, &file[i], NULL), NORMD_OK);
        normd_snapshot_release(snapshot);
    }
    bool same =
        file[0]->size == file[1]->size && memcmp(file[0]->data, file[1]->data, file[0]->size) == 0;
    normd_buffer_release(file[0]);
    normd_buffer_release(file[1]);
    return same;
}

static void training_goes_on_to_the_same_bits(void **state)
{
    (void)state;
    static const char *const momenta[] = {
        "0.1", "0.9", "0.99", "0.01", "0.3", "0.123456789", "0.0", "1.0", "0.5", "null"};
    static const char *const optimizers[] = {
        "{'type': 'sgd', 'lr': 0.125}",
        "{'type': 'sgd', 'lr': 0.125, 'clipvalue': 0.01, 'groups': [{'match': ['0.weight'], "
        "'lr': 0.5}], 'no_decay': ['bias']}",
        "{'type': 'sgd', 'lr': 0.125, 'accumulate_steps': 3, 'schedule': {'type': 'exponential', "
        "'gamma': 0.75}}",
        "{'type': 'lion', 'lr': 0.01, 'groups': [{'match': ['1.weight'], 'lr': 0.5, "
        "'weight_lr': 0.25}]}",
    };
    fixture f;
    fixture_open(&f, 0, NULL);
    for (int keras = 0; keras < 2; keras++) {
        for (size_t i = 0; i < sizeof momenta / sizeof *momenta; i++) {
            const char *own = keras ? "keras" : "pytorch";
            normd_convention other = keras ? NORMD_PYTORCH : NORMD_KERAS;
            const char *optimizer = optimizers[i % (sizeof optimizers / sizeof *optimizers)];
            normd_session *stays = made(&f, own, momenta[i], optimizer);
            normd_session *turns = made(&f, own, momenta[i], optimizer);
            fixture_train_some(&f, stays, 1, 3);
            fixture_train_some(&f, turns, 1, 3);
            uint64_t version;
            normd_error error;
            assert_int_equal(normd_session_convert(turns, other, NULL, &version, &error), NORMD_OK);
            assert_int_equal(version, 4);
            fixture_train_some(&f, stays, 4, 10);
            fixture_train_some(&f, turns, 4, 10);
            assert_true(same_arrays(stays, turns));
            /* And back: the description is the first one. */
            assert_int_equal(normd_session_convert(turns, keras ? NORMD_KERAS : NORMD_PYTORCH, NULL,
                                 &version, &error),
                NORMD_OK);
            json_t *first = normd_session_configuration(stays);
            json_t *last = normd_session_configuration(turns);
            assert_true(json_equal(first, last));
            json_decref(first);
            json_decref(last);
            normd_session_destroy(stays);
            normd_session_destroy(turns);
        }
    }
    fixture_close(&f);
}

static void what_cannot_be_converted_is_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *momentum;
        const char *optimizer;
        const char *message;
    } rows[] = {
        {"0.1", "'adam'", "got adam: keras adds epsilon to the root before its correction"},
        {"0.1", "{'type': 'sgd', 'momentum': 0.9}",
            "got momentum = 0.9: pytorch's buffer holds gradients, keras' holds steps; give an "
            "`optimizer` that replaces it"},
        {"0.1", "{'type': 'sgd', 'weight_decay': 0.5}",
            "got weight_decay = 0.5: pytorch adds it to the gradient"},
        {"0.1", "'nadam'", "got momentum_decay: keras has one of 1 alone"},
        {"0.1", "{'type': 'sgd', 'clip_grad_norm': 0.5}",
            "got global_clipnorm = 0.5: pytorch adds 1e-6 to the norm"},
        {"0.1", "{'type': 'sgd', 'groups': [{'match': ['bias'], 'momentum': 0.5}]}",
            "got groups[0].momentum = 0.5: pytorch's buffer holds gradients"},
        {"0.12345678901234567", "'sgd'",
            "layers[1].momentum: expected a number that 1 - momentum has a double for"},
    };
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        normd_session *session = made(&f, "pytorch", rows[i].momentum, rows[i].optimizer);
        normd_session *untouched = made(&f, "pytorch", rows[i].momentum, rows[i].optimizer);
        uint64_t version;
        normd_error error;
        assert_int_equal(normd_session_convert(session, NORMD_KERAS, NULL, &version, &error),
            NORMD_BAD_ARGUMENT);
        assert_non_null(strstr(error.message, rows[i].message));
        assert_int_equal(version, 0);
        assert_true(fixture_same_state(session, untouched));
        normd_session_destroy(session);
        normd_session_destroy(untouched);
    }
    fixture_close(&f);
}

static double slot_at(normd_session *session, const char *name)
{
    normd_buffer *file = fixture_export(session);
    normd_array array = fixture_exported(file, name);
    double value = fixture_at(&array, 0);
    normd_buffer_release(file);
    return value;
}

static void a_replaced_optimizer_keeps_the_slots_that_mean_the_same(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = made(&f, "pytorch", "0.1", "'adam'");
    fixture_train_some(&f, session, 1, 3);
    double average = slot_at(session, "optimizer.0.weight.exp_avg");
    json_t *adam = fixture_json("{'type': 'adam', 'learning_rate': 0.5, 'epsilon': 0.25}");
    json_t *wrong = fixture_json("{'type': 'adam', 'eps_hat': 1}");
    uint64_t version;
    normd_error error;
    assert_int_equal(
        normd_session_convert(session, NORMD_KERAS, wrong, &version, &error), NORMD_BAD_ARGUMENT);
    assert_int_equal(normd_session_convert(session, NORMD_KERAS, adam, &version, &error), NORMD_OK);
    assert_true(slot_at(session, "optimizer.0.weight.exp_avg") == average);
    assert_true(average != 0.0);
    normd_session_destroy(session);
    session = made(&f, "pytorch", "0.1", "{'type': 'sgd', 'momentum': 0.5}");
    fixture_train_some(&f, session, 1, 3);
    assert_true(slot_at(session, "optimizer.0.weight.momentum_buffer") != 0.0);
    json_t *sgd = fixture_json("{'type': 'sgd', 'momentum': 0.5}");
    assert_int_equal(normd_session_convert(session, NORMD_KERAS, sgd, &version, &error), NORMD_OK);
    assert_true(slot_at(session, "optimizer.0.weight.momentum_buffer") == 0.0);
    json_decref(sgd);
    json_decref(wrong);
    json_decref(adam);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void optimizers_of_one_form_go_on_to_the_same_bits(void **state)
{
    (void)state;
    static const char *const rows[] = {"{'type': 'lion', 'lr': 0.01, 'betas': [0.5, 0.75]}",
        "{'type': 'nadam', 'lr': 0.01, 'eps': 0.001, 'momentum_decay': 1}"};
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < 2; i++) {
        normd_session *stays = made(&f, "pytorch", "0.1", rows[i]);
        normd_session *turns = made(&f, "pytorch", "0.1", rows[i]);
        uint64_t version;
        normd_error error;
        for (uint64_t round = 0; round < 3; round++) {
            fixture_train_some(&f, stays, 1 + 3 * round, 3);
            fixture_train_some(&f, turns, 1 + 3 * round, 3);
            assert_true(same_arrays(stays, turns));
            assert_int_equal(normd_session_convert(turns, round == 1 ? NORMD_PYTORCH : NORMD_KERAS,
                                 NULL, &version, &error),
                NORMD_OK);
        }
        normd_session_destroy(stays);
        normd_session_destroy(turns);
    }
    fixture_close(&f);
}

static void the_own_convention_is_no_change(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = made(&f, "keras", "0.1", "'adam'");
    uint64_t version = 7;
    assert_int_equal(normd_session_convert(session, NORMD_KERAS, NULL, &version, NULL), NORMD_OK);
    assert_int_equal(version, 0);
    normd_session_destroy(session);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_goes_on_to_the_same_bits),
        cmocka_unit_test(what_cannot_be_converted_is_refused_with_the_reason),
        cmocka_unit_test(a_replaced_optimizer_keeps_the_slots_that_mean_the_same),
        cmocka_unit_test(optimizers_of_one_form_go_on_to_the_same_bits),
        cmocka_unit_test(the_own_convention_is_no_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
