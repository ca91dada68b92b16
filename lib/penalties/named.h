// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_PENALTIES_NAMED_H
#define NORMD_PENALTIES_NAMED_H

#include "lib/options/options.h"

/*
 * An option that names one of a list and may give it arguments: "l2", {"name": "l2", "l2": 0.1}, or
 * as Keras serializes it, {"class_name": "L2", "config": {"l2": 0.1}}. Names count without case and
 * underscores, so that Keras' two spellings are one.
 */

/* Reads the option at `key`; -1 when it is missing, null or a mistake, else the index of its name
   in `names` (NULL-terminated). `arguments` is begun on the map that holds the arguments: the
   caller reads them and then calls normd_named_finish. */
int normd_named_begin(
    normd_options *options, const char *key, const char *const names[], normd_options *arguments);

/* Refuses arguments that were not read; the first mistake in them becomes one of `options`. */
void normd_named_finish(normd_options *options, normd_options *arguments);

#endif
