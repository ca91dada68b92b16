// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_HANDLERS_ANSWER_H
#define NORMD_DAEMON_HANDLERS_ANSWER_H

#include <msgpack.h>

#include "daemon/request.h"

/* What the run step of handlers shares: key-value pairs of an answer's map. Any thread. */

void normd_answer_uint(msgpack_packer *packer, const char *key, uint64_t value);
void normd_answer_text(msgpack_packer *packer, const char *key, const char *value);
void normd_answer_bool(msgpack_packer *packer, const char *key, bool value);
void normd_answer_double(msgpack_packer *packer, const char *key, double value);

/* An array as the last pair; takes the tensor. A large one is sent from where it lies. */
void normd_answer_last_array(
    normd_request *request, msgpack_packer *packer, const char *key, normd_tensor *tensor);
/* The same for a bin value of `file`'s size. */
void normd_answer_last_bytes(
    normd_request *request, msgpack_packer *packer, const char *key, normd_buffer *file);

/* {loss, accuracy if there is one, metrics if the session has some, lr of a training step, steps,
 * version}. */
void normd_answer_train_result(normd_request *request, const normd_train_result *result);

/* limits, as hello and server.info give them. */
void normd_answer_limits(msgpack_packer *packer, const normd_limits *limits);

#endif
