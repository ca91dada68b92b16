// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/writer.h"
#include "tests/unit/clients/c/fake_server.h"

static int set_up(void **state)
{
    *state = fake_server_create();
    return 0;
}

static int tear_down(void **state)
{
    fake_server_destroy(*state);
    return 0;
}

static uint32_t submit_step(normd_client *client)
{
    uint32_t id = UINT32_MAX;
    normd_client_begin(client, "step", 1);
    normd_client_put_string(client, "session", "s");
    assert_int_equal(normd_client_submit(client, &id, NULL), NORMD_CLIENT_OK);
    return id;
}

static uint64_t version_of(normd_client_answer *answer)
{
    uint64_t version = UINT64_MAX;
    assert_true(normd_client_uint(normd_client_get(answer->result, "version"), &version));
    return version;
}

static void answers_out_of_order_find_their_requests(void **state)
{
    fake_server *server = *state;
    for (uint32_t k = 0; k < 4; k++) {
        assert_int_equal(submit_step(server->client), k);
    }
    assert_int_equal(normd_client_in_flight(server->client), 4);
    static const uint32_t order[] = {2, 0, 3, 1};
    for (size_t k = 0; k < 4; k++) {
        fake_server_answer_version(server, order[k]);
    }
    for (uint32_t id = 0; id < 4; id++) {
        normd_client_answer *answer;
        assert_int_equal(normd_client_wait(server->client, id, &answer, NULL), NORMD_CLIENT_OK);
        assert_int_equal(answer->id, id);
        assert_int_equal(version_of(answer), id);
        normd_client_answer_free(answer);
    }
    assert_int_equal(normd_client_in_flight(server->client), 0);
}

static void next_gives_answers_as_they_arrive(void **state)
{
    fake_server *server = *state;
    static const uint32_t order[] = {1, 2, 0};
    normd_client_answer *answer;
    for (size_t k = 0; k < 3; k++) {
        submit_step(server->client);
    }
    for (size_t k = 0; k < 3; k++) {
        fake_server_answer_version(server, order[k]);
    }
    for (size_t k = 0; k < 3; k++) {
        assert_int_equal(normd_client_next(server->client, &answer, NULL), NORMD_CLIENT_OK);
        assert_int_equal(answer->id, order[k]);
        normd_client_answer_free(answer);
    }
    assert_int_equal(normd_client_next(server->client, &answer, NULL), NORMD_CLIENT_FAILED);
}

static void an_answer_may_come_byte_by_byte(void **state)
{
    fake_server *server = *state;
    uint32_t id = submit_step(server->client);
    msgpack_packer *packer = fake_server_answer(server, id);
    msgpack_pack_map(packer, 1);
    normd_write_str(packer, "version");
    msgpack_pack_uint64(packer, 1234567890123);
    normd_client_set_timeout(server->client, 0.001);
    normd_client_answer *answer;
    while (server->bytes.size > 1) {
        fake_server_send(server, 1);
        assert_int_equal(
            normd_client_wait(server->client, id, &answer, NULL), NORMD_CLIENT_TIMED_OUT);
    }
    fake_server_send(server, 1);
    normd_client_set_timeout(server->client, 60.0);
    assert_int_equal(normd_client_wait(server->client, id, &answer, NULL), NORMD_CLIENT_OK);
    assert_true(version_of(answer) == 1234567890123);
    normd_client_answer_free(answer);
}

static void a_refusal_has_the_status_and_the_text(void **state)
{
    fake_server *server = *state;
    normd_error error;
    uint64_t version;
    fake_server_error(server, 0, NORMD_BAD_SHAPE, "x: expected 64 features, got 63");
    assert_int_equal(
        normd_client_step(server->client, "s", &version, &error), NORMD_CLIENT_REFUSED);
    assert_int_equal(error.status, NORMD_BAD_SHAPE);
    assert_string_equal(error.message, "x: expected 64 features, got 63");
    /* The connection goes on. */
    fake_server_answer_version(server, 1);
    assert_int_equal(normd_client_step(server->client, "s", &version, &error), NORMD_CLIENT_OK);
    assert_int_equal(version, 1);
}

static void an_unknown_error_word_stays_in_the_text(void **state)
{
    fake_server *server = *state;
    normd_error error;
    msgpack_pack_array(&server->packer, 4);
    msgpack_pack_int(&server->packer, 1);
    msgpack_pack_int(&server->packer, 0);
    normd_write_str(&server->packer, "MOON_PHASE it is waning");
    msgpack_pack_nil(&server->packer);
    fake_server_flush(server);
    assert_int_equal(normd_client_ping(server->client, &error), NORMD_CLIENT_REFUSED);
    assert_int_equal(error.status, NORMD_INTERNAL);
    assert_string_equal(error.message, "MOON_PHASE it is waning");
}

static void the_end_of_the_connection_is_no_refusal(void **state)
{
    fake_server *server = *state;
    normd_error error;
    submit_step(server->client);
    submit_step(server->client);
    fake_server_answer_version(server, 1);
    fake_server_hang_up(server);
    normd_client_answer *answer;
    assert_int_equal(
        normd_client_wait(server->client, 0, &answer, &error), NORMD_CLIENT_DISCONNECTED);
    assert_string_equal(error.message, "the daemon closed the connection");
    assert_false(normd_client_connected(server->client));
    /* What had arrived before is still there. */
    assert_int_equal(normd_client_wait(server->client, 1, &answer, &error), NORMD_CLIENT_OK);
    normd_client_answer_free(answer);
    assert_int_equal(normd_client_next(server->client, &answer, &error), NORMD_CLIENT_DISCONNECTED);
    assert_int_equal(normd_client_ping(server->client, &error), NORMD_CLIENT_DISCONNECTED);
}

static void an_end_inside_an_answer_is_told_apart(void **state)
{
    fake_server *server = *state;
    normd_error error;
    msgpack_pack_map(fake_server_answer(server, 0), 3);
    fake_server_flush(server);
    fake_server_hang_up(server);
    /* The peer is gone, so already the sending may fail; the answer's start arrives either way. */
    uint32_t id;
    normd_client_begin(server->client, "ping", 0);
    if (normd_client_submit(server->client, &id, &error) == NORMD_CLIENT_OK) {
        normd_client_answer *answer;
        assert_int_equal(
            normd_client_wait(server->client, id, &answer, &error), NORMD_CLIENT_DISCONNECTED);
        assert_string_equal(
            error.message, "the daemon closed the connection in the middle of an answer");
    }
    assert_false(normd_client_connected(server->client));
}

static void garbage_ends_the_connection(void **state)
{
    static const char *const garbage[] = {
        "\xc1",                     /* no MessagePack at all */
        "\xa5hello",                /* MessagePack, but no array */
        "\x93\x01\x00\xc0",         /* too short a response */
        "\x94\x00\x00\xa4ping\x90", /* a request */
        "\x94\x01\xa1x\xc0\xc0",    /* an id that is no number */
        "\xc7\x04\x82zzzz",         /* an ext */
    };
    static const size_t sizes[] = {1, 6, 4, 9, 6, 7};
    (void)state;
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        fake_server *server = fake_server_create();
        normd_error error;
        msgpack_sbuffer_write(&server->bytes, garbage[k], sizes[k]);
        fake_server_flush(server);
        assert_int_equal(normd_client_ping(server->client, &error), NORMD_CLIENT_DISCONNECTED);
        assert_int_equal(error.status, NORMD_INTERNAL);
        assert_true(strlen(error.message) > 0);
        assert_false(normd_client_connected(server->client));
        fake_server_destroy(server);
    }
}

static void a_late_answer_is_dropped(void **state)
{
    fake_server *server = *state;
    normd_error error;
    normd_client_set_timeout(server->client, 0.001);
    assert_int_equal(normd_client_ping(server->client, &error), NORMD_CLIENT_TIMED_OUT);
    assert_true(normd_client_connected(server->client));
    assert_int_equal(normd_client_in_flight(server->client), 0);
    normd_client_set_timeout(server->client, 60.0);
    fake_server_answer_version(server, 0);
    fake_server_answer_version(server, 1);
    uint64_t version;
    assert_int_equal(normd_client_step(server->client, "s", &version, &error), NORMD_CLIENT_OK);
    assert_int_equal(version, 1);
}

static void a_forgotten_answer_is_dropped_before_and_after_it_came(void **state)
{
    fake_server *server = *state;
    normd_client_answer *answer;
    for (size_t k = 0; k < 3; k++) {
        submit_step(server->client);
    }
    fake_server_answer_version(server, 1);
    fake_server_answer_version(server, 2);
    assert_int_equal(normd_client_wait(server->client, 2, &answer, NULL), NORMD_CLIENT_OK);
    normd_client_answer_free(answer);
    normd_client_forget(server->client, 1);
    normd_client_forget(server->client, 0);
    fake_server_answer_version(server, 0);
    assert_int_equal(normd_client_in_flight(server->client), 0);
    uint32_t id = submit_step(server->client);
    fake_server_answer_version(server, id);
    assert_int_equal(normd_client_next(server->client, &answer, NULL), NORMD_CLIENT_OK);
    assert_int_equal(answer->id, id);
    normd_client_answer_free(answer);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(answers_out_of_order_find_their_requests),
        CASE(next_gives_answers_as_they_arrive),
        CASE(an_answer_may_come_byte_by_byte),
        CASE(a_refusal_has_the_status_and_the_text),
        CASE(an_unknown_error_word_stays_in_the_text),
        CASE(the_end_of_the_connection_is_no_refusal),
        CASE(an_end_inside_an_answer_is_told_apart),
        cmocka_unit_test(garbage_ends_the_connection),
        CASE(a_late_answer_is_dropped),
        CASE(a_forgotten_answer_is_dropped_before_and_after_it_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
