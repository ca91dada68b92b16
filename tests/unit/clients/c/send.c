// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "protocol/writer.h"
#include "tests/unit/clients/c/fake_server.h"

enum { ROWS = 512, COLUMNS = 1024 }; /* 2 MiB, more than any socket buffers hold */

static normd_array make_batch(void)
{
    float *values = malloc(ROWS * COLUMNS * sizeof *values);
    assert_non_null(values);
    for (size_t k = 0; k < ROWS * COLUMNS; k++) {
        values[k] = (float)k;
    }
    return (normd_array){
        .dtype = NORMD_F32, .shape = {.rank = 2, .dim = {ROWS, COLUMNS}}, .data = values};
}

/* The bytes that the request must be: those of the writer, with a copied array. */
static msgpack_sbuffer expected_request(const normd_array *x)
{
    msgpack_sbuffer bytes;
    msgpack_packer packer;
    msgpack_sbuffer_init(&bytes);
    msgpack_packer_init(&packer, &bytes, msgpack_sbuffer_write);
    normd_write_request(&packer, 0, "infer", 2);
    normd_write_str(&packer, "session");
    normd_write_str(&packer, "s");
    normd_write_str(&packer, "x");
    normd_write_array(&packer, x, NORMD_KEYS_STR);
    return bytes;
}

typedef struct echo {
    fake_server *server;
    const normd_array *x;
    size_t requests, request_bytes;
    bool same;
} echo;

/* A daemon that answers a request with its batch, and takes the next only when all of the answer is
   gone: the client must take in answers while it sends. */
static void *run_echo(void *context)
{
    echo *e = context;
    msgpack_sbuffer expected = expected_request(e->x);
    char *request = malloc(expected.size);
    e->same = request != NULL;
    for (uint32_t id = 0; id < e->requests && e->same; id++) {
        fake_server_read(e->server, request, expected.size);
        /* Ids below 128 are one byte, the third of the message. */
        e->same = (uint8_t)request[2] == id &&
                  memcmp(request + 3, expected.data + 3, expected.size - 3) == 0;
        msgpack_packer *packer = fake_server_answer(e->server, id);
        msgpack_pack_map(packer, 2);
        normd_write_str(packer, "version");
        msgpack_pack_uint32(packer, id);
        normd_write_str(packer, "y");
        normd_write_array(packer, e->x, NORMD_KEYS_STR);
        fake_server_flush(e->server);
    }
    free(request);
    msgpack_sbuffer_destroy(&expected);
    return NULL;
}

static void two_full_sockets_do_not_block_each_other(void **state)
{
    (void)state;
    enum { REQUESTS = 6 };
    fake_server *server = fake_server_create();
    normd_array x = make_batch();
    echo e = {.server = server, .x = &x, .requests = REQUESTS};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_echo, &e), 0);
    uint32_t id[REQUESTS];
    for (size_t k = 0; k < REQUESTS; k++) {
        normd_client_begin(server->client, "infer", 2);
        normd_client_put_string(server->client, "session", "s");
        normd_client_put_array(server->client, "x", &x);
        assert_int_equal(normd_client_submit(server->client, &id[k], NULL), NORMD_CLIENT_OK);
    }
    for (size_t k = 0; k < REQUESTS; k++) {
        normd_client_answer *answer;
        normd_array y;
        assert_int_equal(normd_client_wait(server->client, id[k], &answer, NULL), NORMD_CLIENT_OK);
        assert_int_equal(
            normd_client_array(answer, normd_client_get(answer->result, "y"), "y", &y, NULL),
            NORMD_CLIENT_OK);
        assert_true(normd_shape_equal(&y.shape, &x.shape));
        assert_memory_equal(y.data, x.data, normd_array_bytes(&x));
        normd_client_answer_free(answer);
    }
    pthread_join(thread, NULL);
    assert_true(e.same);
    free(x.data);
    fake_server_destroy(server);
}

static void a_deadline_in_the_middle_of_sending_ends_the_connection(void **state)
{
    (void)state;
    fake_server *server = fake_server_create();
    normd_array x = make_batch();
    normd_client_set_timeout(server->client, 0.01);
    normd_client_answer *answer;
    normd_array y;
    normd_error error;
    assert_int_equal(
        normd_client_infer(server->client, "s", &x, &answer, &y, &error), NORMD_CLIENT_TIMED_OUT);
    assert_false(normd_client_connected(server->client));
    assert_int_equal(normd_client_ping(server->client, &error), NORMD_CLIENT_DISCONNECTED);
    free(x.data);
    fake_server_destroy(server);
}

static void a_peer_that_is_gone_is_an_error_and_no_signal(void **state)
{
    (void)state;
    fake_server *server = fake_server_create();
    fake_server_hang_up(server);
    normd_error error;
    assert_int_equal(normd_client_ping(server->client, &error), NORMD_CLIENT_DISCONNECTED);
    fake_server_destroy(server);
}

static void small_and_large_fields_make_one_request(void **state)
{
    (void)state;
    fake_server *server = fake_server_create();
    static uint8_t large[10000];
    memset(large, 7, sizeof large);
    uint32_t id;
    normd_client_begin(server->client, "session.import", 4);
    normd_client_put_bytes(server->client, "data", large, sizeof large);
    normd_client_put_string(server->client, "session", "s");
    normd_client_put_bool(server->client, "flag", true);
    normd_client_put_uint(server->client, "number", 300);
    assert_int_equal(normd_client_submit(server->client, &id, NULL), NORMD_CLIENT_OK);
    msgpack_zone zone;
    assert_true(msgpack_zone_init(&zone, MSGPACK_ZONE_CHUNK_SIZE));
    msgpack_object request = fake_server_request(server, &zone);
    assert_int_equal(request.via.array.size, 4);
    const msgpack_object *params = &request.via.array.ptr[3];
    const msgpack_object *data = normd_client_get(params, "data");
    assert_int_equal(data->via.bin.size, sizeof large);
    assert_memory_equal(data->via.bin.ptr, large, sizeof large);
    uint64_t number;
    assert_true(normd_client_uint(normd_client_get(params, "number"), &number));
    assert_int_equal(number, 300);
    assert_true(normd_client_get(params, "flag")->via.boolean);
    assert_null(normd_client_get(params, "nothing"));
    msgpack_zone_destroy(&zone);
    fake_server_destroy(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_full_sockets_do_not_block_each_other),
        cmocka_unit_test(a_deadline_in_the_middle_of_sending_ends_the_connection),
        cmocka_unit_test(a_peer_that_is_gone_is_an_error_and_no_signal),
        cmocka_unit_test(small_and_large_fields_make_one_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
