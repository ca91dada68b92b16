// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_CLI_COMMON_MODEL_TEXT_H
#define NORMD_CLIENTS_CLI_COMMON_MODEL_TEXT_H

#include <jansson.h>

#include "lib/base/error.h"

/*
 * Models in one line, as people type them:
 *
 *   linear 128, batch_norm momentum=0.2 eps=1e-3, relu, linear 10 bias=false
 *
 * Layers are separated by commas; a layer is its type, for many types optionally a number (the
 * `out` of linear and conv2d, the `features` of batch_norm, the `p` of dropout, and so on), then
 * options as key=value. A value is JSON where it reads as JSON (numbers, true, null, [..], {..},
 * "..."), else a word. What the types and keys mean is the daemon's to judge.
 */

/* The list of layer maps; a new reference. NULL with `error` on a mistake, which names the layer.
 */
json_t *normd_model_text_layers(const char *text, normd_error *error);

/* The same of anything else that has types and options; `what` stands in messages. */
json_t *normd_model_text_list(const char *text, const char *what, normd_error *error);

/* One map {"type": ..., key: value ...} of a text such as "adam lr=0.001 weight_lr=0.01"; a new
   reference. `name` stands in messages. */
json_t *normd_model_text_option(const char *text, const char *name, normd_error *error);

#endif
