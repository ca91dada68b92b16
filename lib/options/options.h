// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_OPTIONS_OPTIONS_H
#define NORMD_OPTIONS_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/array.h"

/*
 * Reading a map of options: each getter takes one key out of what is still unread; at the end
 * normd_options_finish refuses what nobody asked for. The first mistake sticks, later getters do
 * nothing, so that a reader is a list of getters and one check:
 *
 *   normd_options options;
 *   normd_options_begin(&options, json, attachments, "layers[%zu]", index);
 *   double eps = normd_options_number(&options, "eps", 1e-5, 0.0, INFINITY);
 *   bool affine = normd_options_bool(&options, "affine", true);
 *   return normd_options_finish(&options, error);
 *
 * A missing key gives the default. A wrong type or value is BAD_ARGUMENT:
 * "layers[1].eps: expected a number in [0, inf], got \"small\"".
 */

/* Arrays that a tree of options refers to as {"$array": k}. */
typedef struct normd_attachments {
    const normd_array *array; /* data may be unaligned */
    size_t count;
} normd_attachments;

enum { NORMD_OPTIONS_MAX_KEYS = 48, NORMD_OPTIONS_PATH_BYTES = 96 };

typedef struct normd_options {
    const json_t *map;
    const normd_attachments *attachments;
    char path[NORMD_OPTIONS_PATH_BYTES];
    const char *known[NORMD_OPTIONS_MAX_KEYS]; /* keys asked for so far */
    size_t known_count;
    normd_error error; /* status OK while nothing is wrong */
} normd_options;

/* `map` must stay during the reading; if it is no object, that is the first mistake. NULL stands
   for an empty map. `format` gives the path for messages ("" for none). */
void normd_options_begin(normd_options *options, const json_t *map,
    const normd_attachments *attachments, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

bool normd_options_bool(normd_options *options, const char *key, bool otherwise);
/* A finite number in [least, most]; integers are numbers. */
double normd_options_number(
    normd_options *options, const char *key, double otherwise, double least, double most);
/* The same, where null is a value of its own: *is_null tells. A missing key leaves *is_null as it
   was. */
double normd_options_number_or_null(normd_options *options, const char *key, double otherwise,
    double least, double most, bool *is_null);
int64_t normd_options_integer(
    normd_options *options, const char *key, int64_t otherwise, int64_t least, int64_t most);
/* The same, where null stands for `otherwise`. */
int64_t normd_options_integer_or_null(
    normd_options *options, const char *key, int64_t otherwise, int64_t least, int64_t most);
/* One of the words of a NULL-terminated list; returns its index. `otherwise` is an index, too. The
   message lists what is allowed. */
int normd_options_word(
    normd_options *options, const char *key, const char *const words[], int otherwise);
/* The same, where names count without case and underscores, so that the frameworks' class names
   ("BatchNorm2d") and the words ("batch_norm2d") are one. */
int normd_options_kind(
    normd_options *options, const char *key, const char *const words[], int otherwise);
/* A non-empty string, or NULL when it is missing. Lives as long as the map. */
const char *normd_options_string(normd_options *options, const char *key);
/* Whatever stands there, or NULL when it is missing; the caller checks it. */
const json_t *normd_options_any(normd_options *options, const char *key);
bool normd_options_has(const normd_options *options, const char *key);

/* Notes a mistake at `key` ("expected ..., got ..."), unless there was one. */
void normd_options_fail(normd_options *options, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The first mistake, or an unknown key (the message lists the known ones), or OK. */
normd_status normd_options_finish(normd_options *options, normd_error *error);

/* Whether two names are the same but for case and underscores. */
bool normd_options_same_name(const char *a, const char *b);
/* What Keras serializes, {"class_name": "SGD", "config": {"learning_rate": 0.1, ...}}, as a map of
   the config with "type" for the class; any other value as it is. A new reference; NULL when out of
   memory, or for NULL. */
json_t *normd_options_deserialize(const json_t *value);

/* A short text of a JSON value for messages: `"small"`, `[1, 2, ...]`, `a map`. Returns `text`. */
const char *normd_options_show(const json_t *value, char *text, size_t size);
/* The same for a string of `length` bytes: in quotes, control characters escaped, cut between
   characters. */
const char *normd_options_show_string(const char *value, size_t length, char *text, size_t size);
enum {
    NORMD_OPTIONS_SHOW_BYTES = 64,   /* a good `size` for both */
    NORMD_OPTIONS_LIST_BYTES = 1024, /* of what is allowed, in messages */
};

#endif
