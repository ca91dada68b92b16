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
 */
void normd_write_result(msgpack_packer *packer, uint32_t id);
void normd_write_error(msgpack_packer *packer, uint32_t id, const normd_error *error);
void normd_write_request(msgpack_packer *packer, uint32_t id, const char *method, uint32_t fields);

void normd_write_str(msgpack_packer *packer, const char *text);
void normd_write_bin(msgpack_packer *packer, const void *data, size_t size);

/* The map of an array up to the header of its data: the array's bytes must follow, at once. */
void normd_write_array_header(msgpack_packer *packer, const normd_array *array, normd_keys keys);
/* The same with the bytes. */
void normd_write_array(msgpack_packer *packer, const normd_array *array, normd_keys keys);

#endif
