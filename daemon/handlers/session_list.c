// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"
#include "daemon/server.h"
#include "protocol/writer.h"

static int by_name(const normd_session_entry *a, const normd_session_entry *b)
{
    return strcmp(a->name, b->name);
}

static normd_status run(normd_request *request, normd_error *error)
{
    (void)error;
    normd_session_map *map = &request->server->sessions;
    HASH_SORT(map->entries, by_name);
    msgpack_packer packer = normd_request_answer(request, 1);
    normd_write_str(&packer, "sessions");
    msgpack_pack_array(&packer, normd_session_map_count(map));
    for (const normd_session_entry *entry = map->entries; entry != NULL; entry = entry->hh.next) {
        if (entry->session != NULL) {
            normd_write_str(&packer, entry->name);
        }
    }
    return NORMD_OK;
}

const normd_handler normd_handler_session_list = {.parse = normd_parse_nothing, .run = run};
