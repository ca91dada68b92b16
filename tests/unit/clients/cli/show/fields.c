// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <stdlib.h>
#include <string.h>

#include "clients/cli/show/fields.h"
#include "protocol/writer.h"
#include "tests/unit/clients/c/fake_server.h"

/* Sends what was packed as the answer to a call and gives it back. */
static normd_client_answer *receive(fake_server *server)
{
    fake_server_flush(server);
    normd_client_answer *answer;
    normd_client_begin(server->client, "stats", 0);
    assert_int_equal(normd_client_call(server->client, &answer, NULL), NORMD_CLIENT_OK);
    return answer;
}

static void assert_printed(fake_server *server, const char *expected)
{
    char *text;
    size_t size;
    normd_client_answer *answer = receive(server);
    FILE *out = open_memstream(&text, &size);
    normd_fields_print(out, answer, answer->result);
    fclose(out);
    normd_client_answer_free(answer);
    assert_string_equal(text, expected);
    free(text);
}

static void fields_are_aligned_and_layers_numbered(void **state)
{
    (void)state;
    fake_server *server = fake_server_create();
    msgpack_packer *packer = fake_server_answer(server, 0);
    msgpack_pack_map(packer, 4);
    normd_write_str(packer, "session");
    normd_write_str(packer, "evil\x1b[2J");
    normd_write_str(packer, "layers");
    msgpack_pack_array(packer, 2);
    msgpack_pack_map(packer, 3);
    normd_write_str(packer, "type");
    normd_write_str(packer, "linear");
    normd_write_str(packer, "out");
    msgpack_pack_int(packer, 10);
    normd_write_str(packer, "bias");
    msgpack_pack_true(packer);
    msgpack_pack_map(packer, 1);
    normd_write_str(packer, "type");
    normd_write_str(packer, "relu");
    normd_write_str(packer, "loss");
    msgpack_pack_map(packer, 2);
    normd_write_str(packer, "type");
    normd_write_str(packer, "mse");
    normd_write_str(packer, "weight");
    msgpack_pack_nil(packer);
    normd_write_str(packer, "optimizer");
    msgpack_pack_map(packer, 2);
    normd_write_str(packer, "type");
    normd_write_str(packer, "sgd");
    normd_write_str(packer, "lr");
    msgpack_pack_double(packer, 0.01);
    /* Control characters do not reach the terminal. */
    assert_printed(server, "session    evil\\x1b[2J\n"
                           "layers      0  linear      out=10 bias=true\n"
                           "            1  relu\n"
                           "loss       mse\n"
                           "optimizer  sgd(lr=0.01)\n");
    fake_server_destroy(server);
}

static void long_lines_are_broken_between_words_and_durations_are_read_out(void **state)
{
    (void)state;
    fake_server *server = fake_server_create();
    msgpack_packer *packer = fake_server_answer(server, 0);
    msgpack_pack_map(packer, 2);
    normd_write_str(packer, "uptime");
    msgpack_pack_double(packer, 303.30001);
    normd_write_str(packer, "limits");
    msgpack_pack_map(packer, 3);
    normd_write_str(packer, "message_bytes");
    msgpack_pack_uint64(packer, UINT64_MAX);
    normd_write_str(packer, "payload_bytes");
    msgpack_pack_uint64(packer, UINT64_MAX);
    normd_write_str(packer, "elements");
    msgpack_pack_int(packer, 65536);
    /* What is no terminal has 80 columns. */
    assert_printed(server,
        "uptime  5 min 03 s\n"
        "limits  message_bytes=18446744073709551615 payload_bytes=18446744073709551615\n"
        "        elements=65536\n");
    fake_server_destroy(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_aligned_and_layers_numbered),
        cmocka_unit_test(long_lines_are_broken_between_words_and_durations_are_read_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
