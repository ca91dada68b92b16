// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/query.h"

#include "clients/cli/show/fields.h"
#include "clients/cli/show/json.h"

static void print(const normd_cli *cli, const normd_query *query, normd_client_answer *answer)
{
    if (cli->json) {
        normd_json_print(stdout, answer, answer->result);
    } else if (query->show != NULL) {
        query->show(answer);
    } else {
        normd_fields_print(stdout, answer, answer->result);
    }
}

normd_cli_exit normd_query_run(const normd_cli *cli, const normd_query *query)
{
    normd_client *client;
    normd_cli_exit code = normd_cli_connect(cli, &client);
    if (code != NORMD_CLI_OK) {
        return code;
    }
    uint32_t fields = 0u + (query->value[0] != NULL) + (query->value[1] != NULL);
    normd_client_begin(client, query->method, fields);
    for (size_t k = 0; k < 2; k++) {
        if (query->value[k] != NULL) {
            normd_client_put_string(client, query->key[k], query->value[k]);
        }
    }
    normd_client_answer *answer;
    code = normd_cli_call(client, &answer);
    if (code == NORMD_CLI_OK) {
        print(cli, query, answer);
        normd_client_answer_free(answer);
    }
    normd_client_close(client);
    return code;
}
