// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clients/cli/commands/commands.h"
#include "protocol/writer.h"
#include "tests/unit/clients/temporary_file.h"

/* A daemon that gives whoever connects its first answer, then its second, whatever is asked. */
typedef struct daemon_end {
    int listener;
    msgpack_sbuffer answer[2];
} daemon_end;

static void *serve(void *context)
{
    daemon_end *end = context;
    char bytes[4096];
    int socket = accept(end->listener, NULL, NULL);
    const msgpack_sbuffer *answer = &end->answer[0];
    while (recv(socket, bytes, sizeof bytes, 0) > 0 &&
           send(socket, answer->data, answer->size, MSG_NOSIGNAL) > 0) {
        answer = &end->answer[1];
    }
    close(socket);
    return NULL;
}

/* The answers to session.describe (of a session with 2 inputs) and to infer. */
static void write_answers(msgpack_sbuffer answer[static 2], const normd_array *y)
{
    msgpack_packer packer;
    msgpack_sbuffer_init(&answer[0]);
    msgpack_packer_init(&packer, &answer[0], msgpack_sbuffer_write);
    normd_write_result(&packer, 0);
    msgpack_pack_map(&packer, 1);
    normd_write_str(&packer, "input");
    msgpack_pack_array(&packer, 1);
    msgpack_pack_int(&packer, 2);

    msgpack_sbuffer_init(&answer[1]);
    msgpack_packer_init(&packer, &answer[1], msgpack_sbuffer_write);
    normd_write_result(&packer, 1);
    msgpack_pack_map(&packer, 2);
    normd_write_str(&packer, "version");
    msgpack_pack_int(&packer, 7);
    normd_write_str(&packer, "y");
    normd_write_array(&packer, y, NORMD_KEYS_STR);
}

static normd_cli_exit run_words(const normd_cli *cli, int count, char **words)
{
    const normd_cli_command *command = &normd_command_infer;
    normd_arguments arguments;
    normd_error error;
    assert_int_equal(normd_arguments_read(command->options, command->option_count, count, words,
                         false, &arguments, &error),
        NORMD_OK);
    return command->run(cli, &arguments);
}

/* Runs infer on a table against a daemon that answers with `y`; `out` gets what it printed. */
static normd_cli_exit infer(const char *table, const normd_array *y, bool json, char out[512])
{
    daemon_end end;
    write_answers(end.answer, y);
    temporary_file place = temporary_file_create("", 0);
    unlink(place.path);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, place.path);
    end.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(end.listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(end.listener, 1), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, serve, &end), 0);

    temporary_file file = temporary_file_create(table, strlen(table));
    temporary_file printed = temporary_file_create("", 0);
    normd_cli cli = {.timeout = 60.0, .json = json};
    snprintf(cli.address, sizeof cli.address, "unix:%s", place.path);
    char *words[] = {(char[]){"s"}, file.path};
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    assert_non_null(freopen(printed.path, "w", stdout));
    normd_cli_exit code = run_words(&cli, 2, words);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);

    FILE *in = fopen(printed.path, "r");
    out[fread(out, 1, 511, in)] = '\0';
    fclose(in);
    pthread_join(thread, NULL);
    close(end.listener);
    msgpack_sbuffer_destroy(&end.answer[0]);
    msgpack_sbuffer_destroy(&end.answer[1]);
    unlink(place.path);
    unlink(file.path);
    unlink(printed.path);
    return code;
}

static void predictions_that_are_not_finite_are_null_in_json_only(void **state)
{
    (void)state;
    float values[] = {0.5F, NAN, -INFINITY, 2};
    const normd_array y = {.dtype = NORMD_F32, .shape = {.rank = 2, .dim = {2, 2}}, .data = values};
    char out[512];
    assert_int_equal(infer("1,2\n3,4\n", &y, true, out), NORMD_CLI_OK);
    assert_string_equal(out, "{\"version\": 7, \"y\": [[0.5, null], [null, 2]]}\n");
    assert_int_equal(infer("1,2\n3,4\n", &y, false, out), NORMD_CLI_OK);
    assert_string_equal(out, "0.5,nan\n-inf,2\n");
}

static void a_table_with_one_column_too_many_is_a_usage_error(void **state)
{
    (void)state;
    float values[] = {0.5F, 1};
    const normd_array y = {.dtype = NORMD_F32, .shape = {.rank = 2, .dim = {1, 2}}, .data = values};
    char out[512];
    assert_int_equal(infer("1,2,3\n", &y, false, out), NORMD_CLI_USAGE);
    assert_int_equal(infer("1,2\n", &y, false, out), NORMD_CLI_OK);
}

static void infer_takes_no_targets(void **state)
{
    (void)state;
    normd_arguments arguments;
    normd_error error;
    char *words[] = {(char[]){"s"}, (char[]){"--y=y.npy"}};
    assert_int_equal(normd_arguments_read(normd_command_infer.options,
                         normd_command_infer.option_count, 2, words, false, &arguments, &error),
        NORMD_BAD_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(predictions_that_are_not_finite_are_null_in_json_only),
        cmocka_unit_test(a_table_with_one_column_too_many_is_a_usage_error),
        cmocka_unit_test(infer_takes_no_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
