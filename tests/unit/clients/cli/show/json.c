// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/show/json.h"
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
    normd_json_print(out, answer, answer->result);
    fclose(out);
    normd_client_answer_free(answer);
    assert_string_equal(text, expected);
    free(text);
}

static void values_become_json(void **state)
{
    (void)state;
    fake_server *server = fake_server_create();
    msgpack_packer *packer = fake_server_answer(server, 0);
    msgpack_pack_map(packer, 4);
    normd_write_str(packer, "a");
    msgpack_pack_array(packer, 5);
    msgpack_pack_int(packer, -1);
    msgpack_pack_double(packer, 0.1);
    msgpack_pack_double(packer, NAN);
    msgpack_pack_true(packer);
    msgpack_pack_nil(packer);
    normd_write_str(packer, "b");
    normd_write_str(packer, "quote \" backslash \\ newline \n bell \a");
    normd_write_str(packer, "c");
    normd_write_bin(packer, "abc", 3);
    normd_write_str(packer, "d");
    msgpack_pack_array(packer, 1);
    msgpack_pack_map(packer, 0);
    assert_printed(server, "{\n"
                           "  \"a\": [-1, 0.1, null, true, null],\n"
                           "  \"b\": \"quote \\\" backslash \\\\ newline \\n bell \\u0007\",\n"
                           "  \"c\": {\"bytes\": 3},\n"
                           "  \"d\": [\n    {}\n  ]\n"
                           "}\n");
    fake_server_destroy(server);
}

static void arrays_become_nested_lists(void **state)
{
    (void)state;
    float values[] = {0.1f, 1, 2, 3, NAN, -INFINITY};
    const normd_array array = {
        .dtype = NORMD_F32, .shape = {.rank = 2, .dim = {2, 3}}, .data = values};
    int64_t large = INT64_MAX;
    const normd_array scalar = {.dtype = NORMD_I64, .shape = {.rank = 0}, .data = &large};
    fake_server *server = fake_server_create();
    msgpack_packer *packer = fake_server_answer(server, 0);
    msgpack_pack_array(packer, 2);
    normd_write_array(packer, &array, NORMD_KEYS_STR);
    normd_write_array(packer, &scalar, NORMD_KEYS_STR);
    assert_printed(server, "[\n  [[0.1, 1, 2], [3, null, null]],\n  9223372036854775807\n]\n");
    fake_server_destroy(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_become_json),
        cmocka_unit_test(arrays_become_nested_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
