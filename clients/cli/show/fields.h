// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_CLI_SHOW_FIELDS_H
#define NORMD_CLIENTS_CLI_SHOW_FIELDS_H

#include <stdio.h>

#include "clients/c/normd_client.h"

/* One value in one line for people: words without quotes, "key=value key=value", "[1, 2]"; arrays
   as their type and shape. Written by normd_terminal_text. */
void normd_fields_value(FILE *out, normd_client_answer *answer, const msgpack_object *object);

/* A map as aligned lines "key  value", broken at the terminal's width; a list of maps (layers) as a
 * numbered line for each. */
void normd_fields_print(FILE *out, normd_client_answer *answer, const msgpack_object *map);

#endif
