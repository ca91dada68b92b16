// SPDX-License-Identifier: Apache-2.0
#include "protocol/writer.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "protocol/utf8.h"

int normd_write_append(void *buffer, const char *bytes, size_t size)
{
    normd_write_buffer *to = buffer;
    if (msgpack_sbuffer_write(&to->bytes, bytes, size) != 0) {
        to->failed = true;
        return -1;
    }
    return 0;
}

/* What is encoded already. */
static void write_bytes(msgpack_packer *packer, const void *bytes, size_t size)
{
    packer->callback(packer->data, bytes, size);
}

static void write_text(msgpack_packer *packer, const char *text, size_t length)
{
    msgpack_pack_str(packer, length);
    msgpack_pack_str_body(packer, text, length);
}

void normd_write_str(msgpack_packer *packer, const char *text)
{
    write_text(packer, text, strlen(text));
}

void normd_write_bin(msgpack_packer *packer, const void *data, size_t size)
{
    msgpack_pack_bin(packer, size);
    msgpack_pack_bin_body(packer, data, size);
}

/* Holds an array's header: 9 bytes an axis, and less than 56 for all else; and what put_value
   writes too much. */
enum { HEADER_BYTES = 136 };

/* Small values before they are handed to the packer in one piece: each piece is a call. */
typedef struct header {
    uint8_t bytes[HEADER_BYTES];
    size_t size;
} header;

static void put(header *to, const void *bytes, size_t size)
{
    assert(size <= sizeof to->bytes - to->size);
    memcpy(to->bytes + to->size, bytes, size);
    to->size += size;
}

static void put_byte(header *to, uint8_t byte)
{
    put(to, &byte, 1);
}

/* A first byte and a value behind it of `size` bytes (1 to 8), big-endian. Always writes 8. */
static void put_value(header *to, uint8_t lead, uint64_t value, unsigned size)
{
    put_byte(to, lead);
    uint64_t bytes = htobe64(value << (64 - 8 * size));
    assert(sizeof bytes <= sizeof to->bytes - to->size);
    memcpy(to->bytes + to->size, &bytes, sizeof bytes);
    to->size += size;
}

static void put_uint(header *to, uint64_t value)
{
    if (value < 0x80) {
        put_byte(to, (uint8_t)value);
    } else if (value <= UINT8_MAX) {
        put_value(to, 0xcc, value, 1);
    } else if (value <= UINT16_MAX) {
        put_value(to, 0xcd, value, 2);
    } else if (value <= UINT32_MAX) {
        put_value(to, 0xce, value, 4);
    } else {
        put_value(to, 0xcf, value, 8);
    }
}

void normd_write_result(msgpack_packer *packer, uint32_t id)
{
    header to;
    to.size = 0;
    put(&to, "\x94\x01", 2);
    put_uint(&to, id);
    put(&to, "\xc0", 1);
    write_bytes(packer, to.bytes, to.size);
}

void normd_write_error(msgpack_packer *packer, uint32_t id, const normd_error *error)
{
    char text[64 + NORMD_ERROR_MESSAGE_BYTES];
    int length =
        snprintf(text, sizeof text, "%s %s", normd_status_name(error->status), error->message);
    assert(length > 0 && (size_t)length < sizeof text);
    size_t size = (size_t)length;
    for (size_t at = 0; at < size;) {
        size_t character = normd_utf8_next(text + at, size - at);
        if (character == 0) {
            text[at] = '?';
            character = 1;
        }
        at += character;
    }
    msgpack_pack_array(packer, 4);
    msgpack_pack_uint8(packer, 1);
    msgpack_pack_uint32(packer, id);
    write_text(packer, text, size);
    msgpack_pack_nil(packer);
}

void normd_write_request(msgpack_packer *packer, uint32_t id, const char *method, uint32_t fields)
{
    msgpack_pack_array(packer, 4);
    msgpack_pack_uint8(packer, 0);
    msgpack_pack_uint32(packer, id);
    normd_write_str(packer, method);
    msgpack_pack_map(packer, fields);
}

static void put_bin_header(header *to, size_t size)
{
    if (size <= UINT8_MAX) {
        put_value(to, 0xc4, size, 1);
    } else if (size <= UINT16_MAX) {
        put_value(to, 0xc5, size, 2);
    } else {
        put_value(to, 0xc6, size, 4);
    }
}

/* What is the same in every array: a map of 5, and its keys as str or as bin. */
typedef struct header_texts {
    const char *nd_true_type, *kind_empty_shape, *data;
    size_t nd_true_type_size, kind_empty_shape_size, data_size;
} header_texts;

#define TEXT(field, text) .field = (text), .field##_size = sizeof(text) - 1

static const header_texts texts_of[] = {
    [NORMD_KEYS_STR] = {TEXT(nd_true_type, "\x85\xa2nd\xc3\xa4type"),
        TEXT(kind_empty_shape, "\xa4kind\xa0\xa5shape"),
        TEXT(data, "\xa4"
                   "data")},
    [NORMD_KEYS_BIN] = {TEXT(nd_true_type, "\x85\xc4\x02nd\xc3\xc4\x04type"),
        TEXT(kind_empty_shape, "\xc4\x04kind\xc4\x00\xc4\x05shape"),
        TEXT(data, "\xc4\x04"
                   "data")},
};

void normd_write_array_header(msgpack_packer *packer, const normd_array *array, normd_keys keys)
{
    size_t bytes = normd_array_bytes(array);
    assert(bytes <= UINT32_MAX && array->shape.rank <= NORMD_MAX_RANK);
    const header_texts *texts = &texts_of[keys];
    const char *type = normd_dtype_wire_name(array->dtype);
    size_t type_size = strlen(type);
    header to;
    to.size = 0;
    put(&to, texts->nd_true_type, texts->nd_true_type_size);
    put_byte(&to, (uint8_t)(0xa0 | type_size));
    put(&to, type, type_size);
    put(&to, texts->kind_empty_shape, texts->kind_empty_shape_size);
    put_byte(&to, (uint8_t)(0x90 | array->shape.rank));
    for (uint32_t axis = 0; axis < array->shape.rank; axis++) {
        put_uint(&to, array->shape.dim[axis]);
    }
    put(&to, texts->data, texts->data_size);
    put_bin_header(&to, bytes);
    write_bytes(packer, to.bytes, to.size);
}

void normd_write_array(msgpack_packer *packer, const normd_array *array, normd_keys keys)
{
    normd_write_array_header(packer, array, keys);
    msgpack_pack_bin_body(packer, array->data, normd_array_bytes(array));
}
