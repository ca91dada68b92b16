// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_TREE_H
#define NORMD_DAEMON_TREE_H

#include <jansson.h>
#include <msgpack.h>

#include "lib/memory/buffer.h"
#include "lib/options/options.h"
#include "protocol/call.h"

/* The arrays of a tree of options, copied or moved out of the message, in the order of their
   {"$array": k}. */
typedef struct normd_tree_arrays {
    normd_tensor *tensor;
    normd_array *view; /* of the tensors, as lib/options wants them */
    size_t count;
} normd_tree_arrays;

void normd_tree_arrays_clear(normd_tree_arrays *arrays);
normd_attachments normd_tree_attachments(const normd_tree_arrays *arrays);

/* How a tree's arrays leave the message; see normd_take_array. */
typedef struct normd_tree_reader {
    normd_message *message;
    normd_tree_arrays *arrays;
    normd_status (*take)(void *context, const normd_wire_array *wire, normd_tensor *tensor,
        const char *name, normd_error *error);
    void *context;
} normd_tree_reader;

/* Makes options of a MessagePack value: bin is taken as text, an array map becomes {"$array": k}.
   BAD_ARGUMENT, with a path that starts with `name`, for what JSON cannot say: numbers that are not
   finite or over the range of int64, text that is no UTF-8 or holds a zero, keys that are no text
   or stand twice. `*json` is a new reference. */
normd_status normd_tree_read(const normd_tree_reader *reader, const char *name,
    const msgpack_object *object, json_t **json, normd_error *error);

/* Packs a JSON value; texts as str. */
void normd_tree_write(msgpack_packer *packer, const json_t *json);
/* Packs the entries of a JSON object without the header of the map. */
void normd_tree_write_entries(msgpack_packer *packer, const json_t *json);

#endif
