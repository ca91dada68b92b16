// SPDX-License-Identifier: Apache-2.0
#include "daemon/durable/record.h"

#include "daemon/durable/record_items.h"

void normd_record_reset(normd_record_writer *writer)
{
    writer->bytes.size = 0;
    writer->bytes.failed = false;
    writer->pieces = 0;
    writer->flushed = 0;
    writer->failed = false;
}

void normd_record_free(normd_record_writer *writer)
{
    normd_bytes_free(&writer->bytes);
    free(writer->piece);
    *writer = (normd_record_writer){.piece = NULL};
}

static void add_piece(normd_record_writer *writer, normd_record_piece piece)
{
    if (piece.size == 0) {
        return;
    }
    if (writer->pieces == writer->piece_capacity) {
        size_t capacity = writer->piece_capacity == 0 ? 64 : 2 * writer->piece_capacity;
        normd_record_piece *grown = realloc(writer->piece, capacity * sizeof *grown);
        if (grown == NULL) {
            writer->failed = true;
            return;
        }
        writer->piece = grown;
        writer->piece_capacity = capacity;
    }
    writer->piece[writer->pieces++] = piece;
}

/* What was put into the buffer since the last piece becomes one. */
static void flush(normd_record_writer *writer)
{
    add_piece(writer, (normd_record_piece){
                          .offset = writer->flushed, .size = writer->bytes.size - writer->flushed});
    writer->flushed = writer->bytes.size;
}

/* Small bytes are copied: a piece costs more. */
enum { COPIED_BYTES = 512 };

static void put_data(normd_record_writer *writer, const void *data, size_t size)
{
    if (size <= COPIED_BYTES) {
        normd_bytes_put(&writer->bytes, data, size);
        return;
    }
    flush(writer);
    add_piece(writer, (normd_record_piece){.data = data, .size = size});
}

size_t normd_record_pieces(normd_record_writer *writer)
{
    flush(writer);
    return writer->pieces;
}

bool normd_record_finish(normd_record_writer *writer, normd_store_bytes *to)
{
    flush(writer);
    if (writer->failed || writer->bytes.failed) {
        return false;
    }
    for (size_t i = 0; i < writer->pieces; i++) {
        const normd_record_piece *piece = &writer->piece[i];
        const void *data =
            piece->data != NULL ? piece->data : (const void *)(writer->bytes.data + piece->offset);
        to[i] = (normd_store_bytes){.data = data, .size = piece->size};
    }
    return true;
}

static void begin_item(normd_record_writer *writer, normd_record_item item, uint64_t size)
{
    normd_bytes_put_u8(&writer->bytes, (uint8_t)item);
    normd_bytes_put_u64(&writer->bytes, size);
}

void normd_record_put_head(normd_record_writer *writer, const normd_record_head *head)
{
    begin_item(writer, NORMD_ITEM_HEAD, 1 + 5 * 8);
    normd_bytes_put_u8(&writer->bytes, (uint8_t)head->kind);
    normd_bytes_put_u64(&writer->bytes, head->session);
    normd_bytes_put_u64(&writer->bytes, head->order);
    normd_bytes_put_u64(&writer->bytes, head->version);
    normd_bytes_put_u64(&writer->bytes, head->steps);
    normd_bytes_put_u64(&writer->bytes, head->last_step);
}

void normd_record_put_made(normd_record_writer *writer, const normd_record_made *made)
{
    begin_item(writer, NORMD_ITEM_MADE, 8 + made->name_length);
    normd_bytes_put_u64(&writer->bytes, made->replaces);
    normd_bytes_put(&writer->bytes, made->name, made->name_length);
}

void normd_record_put_once(normd_record_writer *writer, const normd_record_once *once)
{
    const normd_ledger_answer *answer = &once->answer;
    begin_item(writer, NORMD_ITEM_ONCE, 4 + once->client_length + 8 * 4 + 4 + answer->result_size);
    normd_bytes_put_text(&writer->bytes, once->client, once->client_length);
    normd_bytes_put_u64(&writer->bytes, once->seq);
    normd_bytes_put_u64(&writer->bytes, answer->hash);
    normd_bytes_put_u32(&writer->bytes, answer->method);
    normd_bytes_put_u64(&writer->bytes, answer->session);
    normd_bytes_put_u64(&writer->bytes, answer->step);
    put_data(writer, answer->result, answer->result_size);
}

void normd_record_put_description(normd_record_writer *writer, const char *description)
{
    size_t length = strlen(description);
    begin_item(writer, NORMD_ITEM_DESCRIPTION, length);
    normd_bytes_put(&writer->bytes, description, length);
}

void normd_record_put_sizes(normd_record_writer *writer, const uint64_t size[NORMD_IMAGE_PARTS])
{
    begin_item(writer, NORMD_ITEM_SIZES, 8 * NORMD_IMAGE_PARTS);
    for (int i = 0; i < NORMD_IMAGE_PARTS; i++) {
        normd_bytes_put_u64(&writer->bytes, size[i]);
    }
}

void normd_record_put_chunk(normd_record_writer *writer, const normd_record_chunk *chunk)
{
    begin_item(writer, NORMD_ITEM_CHUNK, 1 + 4 + chunk->bytes.size);
    normd_bytes_put_u8(&writer->bytes, (uint8_t)chunk->part);
    normd_bytes_put_u32(&writer->bytes, chunk->index);
    put_data(writer, chunk->bytes.data, chunk->bytes.size);
}

static size_t array_item_bytes(const normd_array *array)
{
    return 1 + 1 + 1 + 8 * array->shape.rank + normd_array_bytes(array);
}

void normd_record_put_request(normd_record_writer *writer, const normd_record_request *request)
{
    uint64_t loss;
    memcpy(&loss, &request->loss, sizeof loss);
    begin_item(writer, NORMD_ITEM_REQUEST, 4 + 8 + 1 + 8);
    normd_bytes_put_u32(&writer->bytes, request->method);
    normd_bytes_put_u64(&writer->bytes, request->step);
    normd_bytes_put_u8(
        &writer->bytes, (uint8_t)((request->update_stats ? 1 : 0) | (request->apply ? 2 : 0) |
                                  (request->repeatable ? 4 : 0)));
    normd_bytes_put_u64(&writer->bytes, loss);
    for (int i = 0; i < NORMD_RECORD_FIELDS; i++) {
        const normd_array *array = &request->array[i];
        if (array->data == NULL) {
            continue;
        }
        begin_item(writer, NORMD_ITEM_ARRAY, array_item_bytes(array));
        normd_bytes_put_u8(&writer->bytes, (uint8_t)i);
        normd_bytes_put_u8(&writer->bytes, (uint8_t)array->dtype);
        normd_bytes_put_u8(&writer->bytes, (uint8_t)array->shape.rank);
        for (uint32_t axis = 0; axis < array->shape.rank; axis++) {
            normd_bytes_put_u64(&writer->bytes, array->shape.dim[axis]);
        }
        put_data(writer, array->data, normd_array_bytes(array));
    }
    begin_item(writer, NORMD_ITEM_RUN, 0);
}
