// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_CLI_SHOW_JSON_H
#define NORMD_CLIENTS_CLI_SHOW_JSON_H

#include <stdio.h>

#include "clients/c/normd_client.h"

/* Writes a value of an answer as JSON: maps over several lines, lists in one. Arrays become nested
   lists, bytes {"bytes": length}, numbers that JSON does not have null. */
void normd_json_print(FILE *out, normd_client_answer *answer, const msgpack_object *object);

#endif
