// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_HANDLERS_ARGUMENTS_H
#define NORMD_DAEMON_HANDLERS_ARGUMENTS_H

#include "daemon/request.h"
#include "protocol/call.h"

/*
 * What the parse step of handlers shares: checking a field further than the protocol does, and
 * moving it out of the message into the request. Loop thread.
 */

/* The entry of the session of that name. NO_SUCH_SESSION. */
normd_status normd_take_session(
    normd_request *request, const normd_value *value, normd_error *error);
/* The same; makes an entry for a name that is free. */
normd_status normd_claim_session(
    normd_request *request, const normd_value *value, normd_error *error);

/* An array, aligned: a payload is moved, what lies in the head is copied. A missing one is let
   pass. BUSY when the budget is used up. */
normd_status normd_take_array(
    normd_request *request, const normd_value *value, normd_tensor *tensor, normd_error *error);
normd_status normd_take_wire_array(
    normd_request *request, const normd_wire_array *wire, normd_tensor *tensor, normd_error *error);

/* The arrays of a batch to train or evaluate with: what must be there, and what may be missing. */
normd_status normd_take_batch(
    normd_request *request, const normd_value *x, const normd_value *target, normd_error *error);
normd_status normd_take_batch_extras(normd_request *request, const normd_value *sample_weight,
    const normd_value *mask, normd_error *error);
/* What the session is given of them. */
normd_train_batch normd_batch_of(const normd_request *request);

/* arguments.convention and has_convention. A missing one is let pass. */
normd_status normd_take_convention(
    normd_request *request, const normd_value *value, normd_error *error);

/* arguments.layer: a layer is asked for by its name or by its index, which is its name as a number.
   A missing one is let pass. */
normd_status normd_take_layer(
    normd_request *request, normd_message *message, const normd_value *value, normd_error *error);

/* arguments.format and has_format. A missing one is let pass. BAD_ARGUMENT. */
normd_status normd_take_format(
    normd_request *request, const normd_value *value, normd_error *error);

/* The parse step of a method without fields. */
normd_status normd_parse_nothing(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error);

/* The finish step of methods that make a session: puts the made one into the entry; the one that
   was there is destroyed. */
void normd_put_made_session(normd_request *request);

/* A monotonic clock. Any thread. */
uint64_t normd_now_milliseconds(void);

bool normd_value_is(const normd_value *value, const char *text);
bool normd_value_bool(const normd_value *value, bool otherwise);

#endif
