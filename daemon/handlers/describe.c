// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/describe.h"

#include "daemon/handlers/answer.h"

normd_status normd_answer_description(
    normd_request *request, const normd_snapshot *snapshot, const bool *created, normd_error *error)
{
    const normd_arguments *arguments = &request->arguments;
    json_t *description = normd_snapshot_describe(snapshot,
        arguments->has_convention ? arguments->convention : normd_snapshot_convention(snapshot));
    if (description == NULL) {
        return normd_error_no_memory(error);
    }
    uint32_t fields = (uint32_t)json_object_size(description) + (created != NULL ? 2 : 1);
    msgpack_packer packer = normd_request_answer(request, fields);
    normd_answer_text(&packer, "session", request->entry->name);
    if (created != NULL) {
        normd_answer_bool(&packer, "created", *created);
    }
    normd_tree_write_entries(&packer, description);
    json_decref(description);
    return NORMD_OK;
}
