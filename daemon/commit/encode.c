// SPDX-License-Identifier: Apache-2.0
#include "daemon/commit/durable_state.h"
#include "daemon/exactly_once.h"
#include "daemon/request.h"

static void put_changed_part(
    normd_record_writer *writer, const normd_image *from, const normd_image *to, int part)
{
    normd_image_bytes before = {.data = NULL};
    if (from != NULL) {
        before = normd_image_part_of(from, (normd_image_part)part);
    }
    normd_image_bytes after = normd_image_part_of(to, (normd_image_part)part);
    if (before.data == after.data && before.size == after.size) {
        return;
    }
    for (size_t begin = 0; begin < after.size; begin += NORMD_STATE_CHUNK_BYTES) {
        size_t size = after.size - begin < NORMD_STATE_CHUNK_BYTES ? after.size - begin
                                                                   : NORMD_STATE_CHUNK_BYTES;
        const char *data = (const char *)after.data + begin;
        if (before.size == after.size &&
            memcmp((const char *)before.data + begin, data, size) == 0) {
            continue;
        }
        normd_record_chunk chunk = {.part = (normd_image_part)part,
            .index = (uint32_t)(begin / NORMD_STATE_CHUNK_BYTES),
            .bytes = {.data = data, .size = size}};
        normd_record_put_chunk(writer, &chunk);
    }
}

static bool put_state(normd_record_writer *writer, const normd_image *from, const normd_image *to)
{
    if (from == NULL || normd_image_identity(from) != normd_image_identity(to)) {
        char *description = normd_image_description(to);
        if (description == NULL) {
            return false;
        }
        normd_record_put_description(writer, description);
        free(description);
        from = NULL;
    }
    uint64_t size[NORMD_IMAGE_PARTS];
    for (int i = 0; i < NORMD_IMAGE_PARTS; i++) {
        size[i] = normd_image_part_of(to, (normd_image_part)i).size;
    }
    normd_record_put_sizes(writer, size);
    for (int i = 0; i < NORMD_IMAGE_PARTS; i++) {
        put_changed_part(writer, from, to, i);
    }
    return true;
}

static normd_array present(const normd_tensor *tensor)
{
    return tensor->buffer != NULL ? tensor->array : (normd_array){.data = NULL};
}

static void put_request(normd_record_writer *writer, const normd_request *request)
{
    const normd_arguments *arguments = &request->arguments;
    const normd_mutation *mutation = &request->mutation;
    normd_record_request put = {
        .method = request->method->id,
        .step = mutation->step,
        .update_stats = arguments->update_stats,
        .apply = arguments->apply,
        .repeatable = mutation->repeatable,
        .loss = mutation->loss,
        .array =
            {
                [NORMD_FIELD_X] = present(&arguments->x),
                [NORMD_FIELD_TARGET] = present(&arguments->target),
                [NORMD_FIELD_SAMPLE_WEIGHT] = present(&arguments->sample_weight),
                [NORMD_FIELD_MASK] = present(&arguments->mask),
                [NORMD_FIELD_DY] = present(&mutation->dy),
            },
    };
    if (request->method->id == NORMD_METHOD_FORWARD) {
        /* The session has taken x. */
        const normd_kept_step *kept = normd_kept_list_find(mutation->kept, mutation->step);
        put.array[NORMD_FIELD_X] = kept->x;
        put.array[NORMD_FIELD_MASK] = kept->mask;
    }
    normd_record_put_request(writer, &put);
}

static void put_made(normd_record_writer *writer, const normd_request *request)
{
    const normd_session_entry *entry = request->entry;
    normd_record_made made = {
        .replaces = entry->durable != NULL ? entry->durable->id : 0,
        .name = entry->name,
        .name_length = entry->name_length,
    };
    normd_record_put_made(writer, &made);
}

static void put_answers(normd_record_writer *writer, normd_request *request)
{
    for (; request != NULL; request = request->mutation.next) {
        if (request->once.row != NULL) {
            normd_record_once once;
            normd_once_record(request, &once);
            normd_record_put_once(writer, &once);
        }
    }
}

bool normd_group_encode(normd_durable *durable, normd_group_record *record)
{
    normd_record_writer *writer = &durable->group.writer;
    const normd_image *to = record->last->mutation.image;
    normd_record_head head = {
        .kind = record->kind,
        .session = record->session->id,
        .order = record->order,
        .version = to != NULL ? normd_image_version(to) : 0,
        .steps = to != NULL ? normd_image_steps(to) : 0,
        .last_step = to != NULL ? normd_image_last_step(to) : 0,
    };
    normd_record_put_head(writer, &head);
    if (record->first->mutation.kind == NORMD_MUTATION_MAKE) {
        put_made(writer, record->first);
    }
    put_answers(writer, record->first);
    bool fits = true;
    if (record->kind == NORMD_RECORD_STATE) {
        fits = put_state(writer, record->from, to);
    } else if (record->kind == NORMD_RECORD_REQUEST) {
        put_request(writer, record->first);
    }
    record->pieces = normd_record_pieces(writer);
    return fits;
}
