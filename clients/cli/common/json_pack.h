// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_CLI_COMMON_JSON_PACK_H
#define NORMD_CLIENTS_CLI_COMMON_JSON_PACK_H

#include <jansson.h>
#include <msgpack.h>

/* Writes a JSON value as the MessagePack value of the same kind. Integers stay integers; numbers
   with a point become float64. */
void normd_json_pack(msgpack_packer *packer, const json_t *json);

#endif
