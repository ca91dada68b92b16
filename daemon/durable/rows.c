// SPDX-License-Identifier: Apache-2.0
#include "daemon/durable/rows.h"

enum { ROW_FORMAT = 1 };

void normd_state_key_write(const normd_state_key *key, uint8_t bytes[NORMD_STATE_KEY_BYTES])
{
    uint64_t id = htobe64(key->id);
    uint32_t number = htobe32(key->number);
    uint32_t chunk = htobe32(key->chunk);
    memcpy(bytes, &id, 8);
    bytes[8] = (uint8_t)key->what;
    memcpy(bytes + 9, &number, 4);
    memcpy(bytes + 13, &chunk, 4);
}

uint64_t normd_id_read(const void *bytes)
{
    uint64_t id;
    memcpy(&id, bytes, sizeof id);
    return be64toh(id);
}

bool normd_state_key_read(normd_store_bytes bytes, normd_state_key *key)
{
    if (bytes.size != NORMD_STATE_KEY_BYTES) {
        return false;
    }
    const uint8_t *at = bytes.data;
    key->id = normd_id_read(at);
    key->what = at[8];
    memcpy(&key->number, at + 9, 4);
    memcpy(&key->chunk, at + 13, 4);
    key->number = be32toh(key->number);
    key->chunk = be32toh(key->chunk);
    return true;
}

void normd_session_row_write(normd_bytes *bytes, const normd_session_row *row)
{
    normd_bytes_put_u8(bytes, ROW_FORMAT);
    normd_bytes_put_u64(bytes, row->order);
    normd_bytes_put_u64(bytes, row->version);
    normd_bytes_put_u64(bytes, row->steps);
    normd_bytes_put_u64(bytes, row->last_step);
    normd_bytes_put_text(bytes, row->name, row->name_length);
    normd_bytes_put_u64(bytes, row->description_size);
    for (int i = 0; i < NORMD_IMAGE_PARTS; i++) {
        normd_bytes_put_u64(bytes, row->part_size[i]);
    }
    normd_bytes_put_u32(bytes, row->kept);
    normd_bytes_put_u32(bytes, row->blobs);
}

static void put_array(normd_bytes *bytes, const normd_array *array)
{
    normd_bytes_put_u8(bytes, (uint8_t)array->dtype);
    normd_bytes_put_u8(bytes, (uint8_t)array->shape.rank);
    for (uint32_t axis = 0; axis < array->shape.rank; axis++) {
        normd_bytes_put_u64(bytes, array->shape.dim[axis]);
    }
}

void normd_kept_row_write(normd_bytes *bytes, const normd_kept_row *row)
{
    normd_bytes_put_u64(bytes, row->step);
    normd_bytes_put_u8(bytes,
        (uint8_t)((row->used ? 1 : 0) | (row->update_stats ? 2 : 0) | (row->has_mask ? 4 : 0)));
    put_array(bytes, &row->x);
    if (row->has_mask) {
        put_array(bytes, &row->mask);
    }
    normd_bytes_put_u32(bytes, row->x_blob);
    normd_bytes_put_u32(bytes, row->mask_blob);
    normd_bytes_put_u32(bytes, row->parameters_blob);
    normd_bytes_put_u32(bytes, row->statistics_blob);
}

bool normd_session_row_read(normd_cursor *cursor, normd_session_row *row)
{
    if (normd_cursor_u8(cursor) != ROW_FORMAT) {
        return false;
    }
    row->order = normd_cursor_u64(cursor);
    row->version = normd_cursor_u64(cursor);
    row->steps = normd_cursor_u64(cursor);
    row->last_step = normd_cursor_u64(cursor);
    row->name = normd_cursor_text(cursor, &row->name_length);
    row->description_size = normd_cursor_u64(cursor);
    for (int i = 0; i < NORMD_IMAGE_PARTS; i++) {
        row->part_size[i] = normd_cursor_u64(cursor);
    }
    row->kept = normd_cursor_u32(cursor);
    row->blobs = normd_cursor_u32(cursor);
    return !cursor->failed;
}

static bool get_array(normd_cursor *cursor, normd_array *array)
{
    unsigned dtype = normd_cursor_u8(cursor);
    *array = (normd_array){.dtype = (normd_dtype)dtype, .shape.rank = normd_cursor_u8(cursor)};
    if (dtype >= NORMD_DTYPE_COUNT || array->shape.rank > NORMD_MAX_RANK) {
        return false;
    }
    for (uint32_t axis = 0; axis < array->shape.rank; axis++) {
        array->shape.dim[axis] = normd_cursor_u64(cursor);
    }
    size_t elements;
    return !cursor->failed && normd_shape_elements(&array->shape, &elements);
}

bool normd_kept_row_read(normd_cursor *cursor, normd_kept_row *row)
{
    *row = (normd_kept_row){.step = normd_cursor_u64(cursor)};
    unsigned flags = normd_cursor_u8(cursor);
    row->used = (flags & 1) != 0;
    row->update_stats = (flags & 2) != 0;
    row->has_mask = (flags & 4) != 0;
    if (!get_array(cursor, &row->x) || (row->has_mask && !get_array(cursor, &row->mask))) {
        return false;
    }
    row->x_blob = normd_cursor_u32(cursor);
    row->mask_blob = normd_cursor_u32(cursor);
    row->parameters_blob = normd_cursor_u32(cursor);
    row->statistics_blob = normd_cursor_u32(cursor);
    return !cursor->failed;
}
