// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_CLI_COMMANDS_STREAM_H
#define NORMD_CLIENTS_CLI_COMMANDS_STREAM_H

#include "clients/cli/cli.h"

/* Sends all samples of a command line through a method, batch by batch and pipelined; `take` gets
   the answers in the order of the rows. */
typedef struct normd_stream {
    const char *method;
    bool with_target;
    /* Fields beside session, x and target: how many, and who writes them; NULL: none. */
    uint32_t more_fields;
    void (*put_more)(void *context, normd_client *client, size_t batch);
    /* After the last answer, on the same connection; or NULL. */
    normd_cli_exit (*finish)(void *context, normd_client *client, const char *session);
    normd_client_status (*take)(
        void *context, normd_client_answer *answer, size_t rows, normd_error *error);
    void *context;
} normd_stream;

/* `options` starts with the rows of samples.h. Reports what goes wrong. */
normd_cli_exit normd_stream_run(const normd_cli *cli, const normd_argument *options,
    const normd_arguments *arguments, const normd_stream *stream);

#endif
