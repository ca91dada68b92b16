// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <math.h>
#include <string.h>

#include "protocol/writer.h"
#include "tests/unit/clients/c/fake_server.h"

static float values[6] = {1, 2, 3, 4, 5, 6};
static const normd_array batch = {
    .dtype = NORMD_F32, .shape = {.rank = 2, .dim = {2, 3}}, .data = values};

/* To train with. */
static const normd_client_batch both = {
    .x = &batch, .target = &batch, .sample_weight = &batch, .mask = &batch};

static void pack_score(fake_server *server, uint32_t id, bool accuracy)
{
    msgpack_packer *packer = fake_server_answer(server, id);
    msgpack_pack_map(packer, accuracy ? 5 : 3);
    normd_write_str(packer, "loss");
    msgpack_pack_double(packer, 0.25);
    if (accuracy) {
        normd_write_str(packer, "accuracy");
        msgpack_pack_double(packer, 0.5);
        normd_write_str(packer, "metrics");
        msgpack_pack_map(packer, 2);
        normd_write_str(packer, "odd");
        msgpack_pack_nil(packer);
        normd_write_str(packer, "top_5");
        msgpack_pack_double(packer, 0.75);
    }
    normd_write_str(packer, "steps");
    msgpack_pack_uint32(packer, 7);
    normd_write_str(packer, "version");
    msgpack_pack_uint32(packer, 9);
    fake_server_flush(server);
}

static void train_and_evaluate_give_a_score(void **state)
{
    (void)state;
    fake_server *server = fake_server_create();
    normd_client_score score;
    pack_score(server, 0, true);
    assert_int_equal(normd_client_train(server->client, "s", &both, &score, NULL), NORMD_CLIENT_OK);
    assert_true(score.loss == 0.25 && score.accuracy == 0.5);
    assert_int_equal(score.metrics, 1);
    assert_string_equal(score.metric[0].name, "top_5");
    assert_true(score.metric[0].value == 0.75);
    assert_int_equal(score.steps, 7);
    assert_int_equal(score.version, 9);
    pack_score(server, 1, false);
    assert_int_equal(
        normd_client_evaluate(server->client, "s", &both, &score, NULL), NORMD_CLIENT_OK);
    assert_true(isnan(score.accuracy));
    assert_int_equal(score.metrics, 0);
    fake_server_destroy(server);
}

/* Answers with {name: batch, extra: 5}. */
static void pack_array(fake_server *server, uint32_t id, const char *name, const char *extra)
{
    msgpack_packer *packer = fake_server_answer(server, id);
    msgpack_pack_map(packer, 2);
    normd_write_str(packer, extra);
    msgpack_pack_uint32(packer, 5);
    normd_write_str(packer, name);
    normd_write_array(packer, &batch, NORMD_KEYS_STR);
    fake_server_flush(server);
}

static void assert_is_batch(normd_client_answer *answer, const normd_array *array)
{
    assert_int_equal(array->dtype, NORMD_F32);
    assert_true(normd_shape_equal(&array->shape, &batch.shape));
    assert_int_equal((uintptr_t)array->data % sizeof(float), 0);
    assert_memory_equal(array->data, values, sizeof values);
    normd_client_answer_free(answer);
}

static void arrays_come_back_aligned(void **state)
{
    (void)state;
    fake_server *server = fake_server_create();
    normd_client_answer *answer;
    normd_array array;
    uint64_t step = 0;
    pack_array(server, 0, "y", "version");
    assert_int_equal(
        normd_client_infer(server->client, "s", &batch, &answer, &array, NULL), NORMD_CLIENT_OK);
    assert_is_batch(answer, &array);
    pack_array(server, 1, "y", "step");
    assert_int_equal(
        normd_client_forward(server->client, "s", &batch, &answer, &array, &step, NULL),
        NORMD_CLIENT_OK);
    assert_int_equal(step, 5);
    assert_is_batch(answer, &array);
    pack_array(server, 2, "dx", "version");
    assert_int_equal(
        normd_client_backward(server->client, "s", step, &batch, true, &answer, &array, NULL),
        NORMD_CLIENT_OK);
    assert_is_batch(answer, &array);
    fake_server_destroy(server);
}

static void an_answer_without_its_fields_is_a_failure(void **state)
{
    (void)state;
    fake_server *server = fake_server_create();
    normd_client_answer *answer = NULL;
    normd_array y;
    normd_client_score score;
    uint64_t version;
    normd_error error;
    msgpack_pack_nil(fake_server_answer(server, 0));
    fake_server_flush(server);
    assert_int_equal(
        normd_client_train(server->client, "s", &both, &score, &error), NORMD_CLIENT_FAILED);
    pack_array(server, 1, "z", "version");
    assert_int_equal(
        normd_client_infer(server->client, "s", &batch, &answer, &y, &error), NORMD_CLIENT_FAILED);
    assert_string_equal(error.message, "y: not in the answer");
    assert_null(answer);
    fake_server_answer_version(server, 2);
    assert_int_equal(
        normd_client_evaluate(server->client, "s", &both, &score, &error), NORMD_CLIENT_FAILED);
    msgpack_pack_map(fake_server_answer(server, 3), 0);
    fake_server_flush(server);
    assert_int_equal(normd_client_step(server->client, "s", &version, &error), NORMD_CLIENT_FAILED);
    assert_true(normd_client_connected(server->client));
    fake_server_destroy(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(train_and_evaluate_give_a_score),
        cmocka_unit_test(arrays_come_back_aligned),
        cmocka_unit_test(an_answer_without_its_fields_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
