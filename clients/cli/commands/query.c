// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/query.h"

#include "clients/cli/show/fields.h"
#include "clients/cli/show/json.h"

static void write_request(normd_client *client, const normd_query *query)
{
    uint32_t fields = query->data != NULL;
    for (size_t k = 0; k < NORMD_QUERY_MAX_FIELDS; k++) {
        fields += query->value[k] != NULL;
    }
    for (size_t k = 0; k < NORMD_QUERY_MAX_FLAGS; k++) {
        fields += query->flag[k] != NULL;
    }
    normd_client_begin(client, query->method, fields);
    for (size_t k = 0; k < NORMD_QUERY_MAX_FIELDS; k++) {
        if (query->value[k] != NULL) {
            normd_client_put_string(client, query->key[k], query->value[k]);
        }
    }
    for (size_t k = 0; k < NORMD_QUERY_MAX_FLAGS; k++) {
        if (query->flag[k] != NULL) {
            normd_client_put_bool(client, query->flag[k], query->flag_value[k]);
        }
    }
    if (query->data != NULL) {
        normd_client_put_bytes(client, "data", query->data, query->data_bytes);
    }
}

static normd_cli_exit print(
    const normd_cli *cli, const normd_query *query, normd_client_answer *answer)
{
    if (query->show != NULL && (!cli->json || query->show_json)) {
        return query->show(query->context, answer);
    }
    if (cli->json) {
        normd_json_print(stdout, answer, answer->result);
    } else {
        normd_fields_print(stdout, answer, answer->result);
    }
    return NORMD_CLI_OK;
}

normd_cli_exit normd_query_run(const normd_cli *cli, const normd_query *query)
{
    normd_client *client;
    normd_cli_exit code = normd_cli_connect(cli, &client);
    if (code != NORMD_CLI_OK) {
        return code;
    }
    write_request(client, query);
    normd_client_answer *answer;
    code = normd_cli_call(client, &answer);
    if (code == NORMD_CLI_OK) {
        code = print(cli, query, answer);
        normd_client_answer_free(answer);
    }
    normd_client_close(client);
    return code;
}
