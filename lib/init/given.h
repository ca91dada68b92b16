// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_INIT_GIVEN_H
#define NORMD_INIT_GIVEN_H

#include "lib/init/initializer.h"

/* Initial values that the user gives: {"$array": k} among the attachments, or, for a vector, a list
   of numbers. */
bool normd_given_is(const json_t *value);

/* Checks their shape and that they are finite in the target's type, and copies them unless
   target->values is NULL. Mistakes stick to `options` at `key`. */
void normd_given_read(normd_options *options, const char *key, const json_t *value,
    const normd_initializer_target *target);

#endif
