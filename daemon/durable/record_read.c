// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>

#include "daemon/durable/record.h"
#include "daemon/durable/record_items.h"

/* A record on the way through; `request` grows by its arrays until it is complete. */
typedef struct reading {
    const normd_record_visitor *visitor;
    normd_record_request request;
    bool has_head, has_request;
} reading;

static normd_status wrong(const char *what, normd_error *error)
{
    return normd_error_set(
        error, NORMD_STORE_FAILED, "a record of the journal has %s that is not one", what);
}

static normd_status read_head(reading *at, normd_cursor *item, normd_error *error)
{
    normd_record_head head = {.kind = normd_cursor_u8(item)};
    head.session = normd_cursor_u64(item);
    head.order = normd_cursor_u64(item);
    head.version = normd_cursor_u64(item);
    head.steps = normd_cursor_u64(item);
    head.last_step = normd_cursor_u64(item);
    if (at->has_head || head.kind < NORMD_RECORD_STATE || head.kind >= NORMD_RECORD_KINDS) {
        return wrong("a head", error);
    }
    at->has_head = true;
    const normd_record_visitor *visitor = at->visitor;
    return visitor->head != NULL ? visitor->head(visitor->context, &head, error) : NORMD_OK;
}

static normd_status read_made(reading *at, normd_cursor *item, normd_error *error)
{
    normd_record_made made = {.replaces = normd_cursor_u64(item)};
    made.name_length = item->left;
    made.name = normd_cursor_take(item, made.name_length);
    const normd_record_visitor *visitor = at->visitor;
    return visitor->made != NULL && !item->failed ? visitor->made(visitor->context, &made, error)
                                                  : NORMD_OK;
}

static normd_status read_once(reading *at, normd_cursor *item, normd_error *error)
{
    normd_record_once once;
    once.client = normd_cursor_text(item, &once.client_length);
    once.seq = normd_cursor_u64(item);
    once.answer.hash = normd_cursor_u64(item);
    once.answer.method = normd_cursor_u32(item);
    once.answer.session = normd_cursor_u64(item);
    once.answer.step = normd_cursor_u64(item);
    once.answer.result_size = item->left;
    once.answer.result = normd_cursor_take(item, item->left);
    const normd_record_visitor *visitor = at->visitor;
    return visitor->once != NULL && !item->failed ? visitor->once(visitor->context, &once, error)
                                                  : NORMD_OK;
}

static normd_status read_description(reading *at, normd_cursor *item, normd_error *error)
{
    size_t length = item->left;
    const char *text = normd_cursor_take(item, length);
    const normd_record_visitor *visitor = at->visitor;
    return visitor->description != NULL
               ? visitor->description(visitor->context, text, length, error)
               : NORMD_OK;
}

static normd_status read_sizes(reading *at, normd_cursor *item, normd_error *error)
{
    uint64_t size[NORMD_IMAGE_PARTS];
    for (int i = 0; i < NORMD_IMAGE_PARTS; i++) {
        size[i] = normd_cursor_u64(item);
    }
    const normd_record_visitor *visitor = at->visitor;
    return visitor->sizes != NULL && !item->failed ? visitor->sizes(visitor->context, size, error)
                                                   : NORMD_OK;
}

static normd_status read_chunk(reading *at, normd_cursor *item, normd_error *error)
{
    unsigned part = normd_cursor_u8(item);
    normd_record_chunk chunk = {.part = (normd_image_part)part, .index = normd_cursor_u32(item)};
    chunk.bytes.size = item->left;
    chunk.bytes.data = normd_cursor_take(item, item->left);
    if (part >= NORMD_IMAGE_PARTS || chunk.bytes.size > NORMD_STATE_CHUNK_BYTES) {
        return wrong("a chunk", error);
    }
    const normd_record_visitor *visitor = at->visitor;
    return visitor->chunk != NULL && !item->failed ? visitor->chunk(visitor->context, &chunk, error)
                                                   : NORMD_OK;
}

static normd_status read_request(reading *at, normd_cursor *item, normd_error *error)
{
    (void)error;
    normd_record_request request = {.method = normd_cursor_u32(item)};
    request.step = normd_cursor_u64(item);
    unsigned flags = normd_cursor_u8(item);
    request.update_stats = (flags & 1) != 0;
    request.apply = (flags & 2) != 0;
    request.repeatable = (flags & 4) != 0;
    uint64_t loss = normd_cursor_u64(item);
    memcpy(&request.loss, &loss, sizeof loss);
    at->request = request;
    at->has_request = true;
    return NORMD_OK;
}

static normd_status read_array(reading *at, normd_cursor *item, normd_error *error)
{
    unsigned field = normd_cursor_u8(item);
    unsigned dtype = normd_cursor_u8(item);
    normd_array array = {.dtype = (normd_dtype)dtype, .shape.rank = normd_cursor_u8(item)};
    if (!at->has_request || field >= NORMD_RECORD_FIELDS || dtype >= NORMD_DTYPE_COUNT ||
        array.shape.rank > NORMD_MAX_RANK) {
        return wrong("an array", error);
    }
    for (uint32_t axis = 0; axis < array.shape.rank; axis++) {
        array.shape.dim[axis] = normd_cursor_u64(item);
    }
    size_t elements;
    if (!normd_shape_elements(&array.shape, &elements) ||
        elements * normd_dtype_size(array.dtype) != item->left) {
        return wrong("an array", error);
    }
    array.data = (void *)(uintptr_t)normd_cursor_take(item, item->left);
    at->request.array[field] = array;
    return NORMD_OK;
}

static normd_status read_run(reading *at, normd_cursor *item, normd_error *error)
{
    (void)item;
    if (!at->has_request) {
        return wrong("a request", error);
    }
    at->has_request = false;
    const normd_record_visitor *visitor = at->visitor;
    return visitor->request != NULL ? visitor->request(visitor->context, &at->request, error)
                                    : NORMD_OK;
}

typedef normd_status item_reader(reading *at, normd_cursor *item, normd_error *error);

static item_reader *const readers[] = {
    [NORMD_ITEM_HEAD] = read_head,
    [NORMD_ITEM_MADE] = read_made,
    [NORMD_ITEM_ONCE] = read_once,
    [NORMD_ITEM_DESCRIPTION] = read_description,
    [NORMD_ITEM_SIZES] = read_sizes,
    [NORMD_ITEM_CHUNK] = read_chunk,
    [NORMD_ITEM_REQUEST] = read_request,
    [NORMD_ITEM_ARRAY] = read_array,
    [NORMD_ITEM_RUN] = read_run,
};

static normd_status read_item(reading *at, normd_cursor *cursor, normd_error *error)
{
    unsigned tag = normd_cursor_u8(cursor);
    uint64_t size = normd_cursor_u64(cursor);
    if (tag < NORMD_ITEM_HEAD || tag >= sizeof readers / sizeof *readers) {
        return wrong("an item", error);
    }
    if (!at->has_head && tag != NORMD_ITEM_HEAD) {
        return wrong("a first item", error);
    }
    normd_cursor item = {.at = normd_cursor_take(cursor, size), .left = size};
    if (cursor->failed) {
        return wrong("a length", error);
    }
    normd_status status = readers[tag](at, &item, error);
    if (status == NORMD_OK && (item.failed || item.left != 0)) {
        return wrong("a length", error);
    }
    return status;
}

normd_status normd_record_read(
    normd_store_bytes record, const normd_record_visitor *visitor, normd_error *error)
{
    reading at = {.visitor = visitor};
    normd_cursor cursor = {.at = record.data, .left = record.size};
    normd_status status = NORMD_OK;
    while (status == NORMD_OK && cursor.left > 0) {
        status = read_item(&at, &cursor, error);
    }
    if (status == NORMD_OK && (!at.has_head || at.has_request)) {
        return wrong("an end", error);
    }
    return status;
}
