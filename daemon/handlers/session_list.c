// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"
#include "daemon/server.h"
#include "protocol/writer.h"

static normd_status run(normd_request *request, normd_error *error)
{
    (void)error;
    normd_session_map *map = &request->server->sessions;
    const normd_session_entry *entry = normd_session_map_sorted(map);
    msgpack_packer packer = normd_request_answer(request, 1);
    normd_write_str(&packer, "sessions");
    msgpack_pack_array(&packer, normd_session_map_count(map));
    for (; entry != NULL; entry = entry->hh.next) {
        if (entry->session != NULL) {
            normd_write_str(&packer, entry->name);
        }
    }
    return NORMD_OK;
}

const normd_handler normd_handler_session_list = {.parse = normd_parse_nothing, .run = run};
