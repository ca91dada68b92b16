// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_CLI_COMMANDS_QUERY_H
#define NORMD_CLIENTS_CLI_COMMANDS_QUERY_H

#include "clients/cli/cli.h"

enum { NORMD_QUERY_MAX_FIELDS = 4, NORMD_QUERY_MAX_FLAGS = 2 };

/* One call of a method with a few text fields (a NULL value leaves a field out) and perhaps bytes.
   The answer is printed as JSON, or by `show`, or as aligned lines when `show` is NULL. */
typedef struct normd_query {
    const char *method;
    const char *key[NORMD_QUERY_MAX_FIELDS];
    const char *value[NORMD_QUERY_MAX_FIELDS];
    const char *flag[NORMD_QUERY_MAX_FLAGS]; /* fields; NULL: none */
    bool flag_value[NORMD_QUERY_MAX_FLAGS];
    const void *data; /* the field "data", unless NULL */
    size_t data_bytes;
    normd_cli_exit (*show)(const void *context, normd_client_answer *answer);
    const void *context;
    bool show_json; /* `show` is called with --json, too */
} normd_query;

normd_cli_exit normd_query_run(const normd_cli *cli, const normd_query *query);

#endif
