// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_PROTOCOL_WRITER_H
#define NORMD_PROTOCOL_WRITER_H

#include <msgpack.h>

#include "lib/base/array.h"
#include "protocol/call.h"

/*
 * Writing messages. Everything goes into a msgpack_sbuffer by msgpack-c's packer; a large array can
 * be left out at the end of a message (its header is written, its bytes are sent by the caller
 * straight from where they lie): put it last.
 *
 *   response: normd_write_result(packer, id); then the result, one value
 *   error:    normd_write_error(packer, id, error)
 *   request:  normd_write_request(packer, id, "infer", fields); then `fields` key-value pairs
 *
 * A packer over normd_write_append and a normd_write_buffer remembers when memory ran out, so that
 * one look at the end is enough: msgpack_packer_init(&packer, &buffer, normd_write_append).
 */
typedef struct normd_write_buffer {
    msgpack_sbuffer bytes;
    bool failed; /* something is missing in `bytes`; send none of it */
} normd_write_buffer;

int normd_write_append(void *buffer, const char *bytes, size_t size);

void normd_write_result(msgpack_packer *packer, uint32_t id);
/* "CODE message"; bytes that are not UTF-8 become '?', since clients refuse such a str. */
void normd_write_error(msgpack_packer *packer, uint32_t id, const normd_error *error);
void normd_write_request(msgpack_packer *packer, uint32_t id, const char *method, uint32_t fields);

void normd_write_str(msgpack_packer *packer, const char *text);
void normd_write_bin(msgpack_packer *packer, const void *data, size_t size);

/* The map of an array up to the header of its data: the array's bytes (less than 4 GiB) must
   follow, at once. */
void normd_write_array_header(msgpack_packer *packer, const normd_array *array, normd_keys keys);
/* The same with the bytes. */
void normd_write_array(msgpack_packer *packer, const normd_array *array, normd_keys keys);

#endif
