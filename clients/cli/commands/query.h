// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_CLI_COMMANDS_QUERY_H
#define NORMD_CLIENTS_CLI_COMMANDS_QUERY_H

#include "clients/cli/cli.h"

/* One call of a method with up to two text fields (a NULL value leaves a field out); the answer is
   printed as JSON, or by `show` on standard output, or as aligned lines when `show` is NULL. */
typedef struct normd_query {
    const char *method;
    const char *key[2];
    const char *value[2];
    void (*show)(normd_client_answer *answer);
} normd_query;

normd_cli_exit normd_query_run(const normd_cli *cli, const normd_query *query);

#endif
