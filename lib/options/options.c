// SPDX-License-Identifier: Apache-2.0
#include "lib/options/options.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void normd_options_begin(normd_options *options, const json_t *map,
    const normd_attachments *attachments, const char *format, ...)
{
    *options = (normd_options){.map = map, .attachments = attachments};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(options->path, sizeof options->path, format, arguments);
    va_end(arguments);
    if (map != NULL && !json_is_object(map)) {
        char got[NORMD_OPTIONS_SHOW_BYTES];
        normd_error_set(&options->error, NORMD_BAD_ARGUMENT, "%s: expected a map, got %s",
            options->path[0] == '\0' ? "options" : options->path,
            normd_options_show(map, got, sizeof got));
        options->map = NULL;
    }
}

static bool is_known(const normd_options *options, const char *key)
{
    for (size_t i = 0; i < options->known_count; i++) {
        if (strcmp(options->known[i], key) == 0) {
            return true;
        }
    }
    return false;
}

/* The value at `key`, which counts as known from now on; NULL when it is missing or a mistake was
   made before. */
static const json_t *take(normd_options *options, const char *key)
{
    if (options->error.status != NORMD_OK) {
        return NULL;
    }
    if (!is_known(options, key)) {
        assert(options->known_count < NORMD_OPTIONS_MAX_KEYS);
        options->known[options->known_count++] = key;
    }
    return json_object_get(options->map, key);
}

void normd_options_fail(normd_options *options, const char *key, const char *format, ...)
{
    if (options->error.status != NORMD_OK) {
        return;
    }
    char message[NORMD_ERROR_MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    const char *dot = options->path[0] == '\0' ? "" : ".";
    normd_error_set(&options->error, NORMD_BAD_ARGUMENT, "%s", message);
    normd_error_prefix(&options->error, "%s%s%s: ", options->path, dot, key);
}

static void fail_at_value(
    normd_options *options, const char *key, const char *expected, const json_t *value)
{
    char got[NORMD_OPTIONS_SHOW_BYTES];
    normd_options_fail(
        options, key, "expected %s, got %s", expected, normd_options_show(value, got, sizeof got));
}

bool normd_options_bool(normd_options *options, const char *key, bool otherwise)
{
    const json_t *value = take(options, key);
    if (value == NULL) {
        return otherwise;
    }
    if (!json_is_boolean(value)) {
        fail_at_value(options, key, "true or false", value);
        return otherwise;
    }
    return json_is_true(value);
}

/* The number at `key` if it is one in the range; else `otherwise`, and a mistake is noted. */
static double check_number(normd_options *options, const char *key, const json_t *value,
    double otherwise, double least, double most, const char *or_null)
{
    double number = json_number_value(value);
    if (json_is_number(value) && isfinite(number) && number >= least && number <= most) {
        return number;
    }
    char expected[96];
    snprintf(expected, sizeof expected, "a number in [%g, %g]%s", least, most, or_null);
    fail_at_value(options, key, expected, value);
    return otherwise;
}

double normd_options_number(
    normd_options *options, const char *key, double otherwise, double least, double most)
{
    const json_t *value = take(options, key);
    return value == NULL ? otherwise
                         : check_number(options, key, value, otherwise, least, most, "");
}

double normd_options_number_or_null(normd_options *options, const char *key, double otherwise,
    double least, double most, bool *is_null)
{
    const json_t *value = take(options, key);
    if (value == NULL) {
        return otherwise;
    }
    *is_null = json_is_null(value);
    return *is_null ? otherwise
                    : check_number(options, key, value, otherwise, least, most, " or null");
}

static int64_t check_integer(normd_options *options, const char *key, const json_t *value,
    int64_t otherwise, int64_t least, int64_t most, const char *or_null)
{
    int64_t number = json_integer_value(value);
    if (json_is_integer(value) && number >= least && number <= most) {
        return number;
    }
    char expected[96];
    snprintf(expected, sizeof expected, "an integer in [%lld, %lld]%s", (long long)least,
        (long long)most, or_null);
    fail_at_value(options, key, expected, value);
    return otherwise;
}

int64_t normd_options_integer(
    normd_options *options, const char *key, int64_t otherwise, int64_t least, int64_t most)
{
    const json_t *value = take(options, key);
    return value == NULL ? otherwise
                         : check_integer(options, key, value, otherwise, least, most, "");
}

int64_t normd_options_integer_or_null(
    normd_options *options, const char *key, int64_t otherwise, int64_t least, int64_t most)
{
    const json_t *value = take(options, key);
    return value == NULL || json_is_null(value)
               ? otherwise
               : check_integer(options, key, value, otherwise, least, most, " or null");
}

/* Puts "a", "b", "c" into `text`; what does not fit is left out. */
static void list_words(const char *const words[], size_t count, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < count && used < size; i++) {
        int wrote = snprintf(text + used, size - used, "%s\"%s\"", i == 0 ? "" : ", ", words[i]);
        used += (size_t)wrote;
    }
}

static bool is_same_word(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static int read_word(normd_options *options, const char *key, const char *const words[],
    int otherwise, bool (*same)(const char *a, const char *b))
{
    const json_t *value = take(options, key);
    if (value == NULL) {
        return otherwise;
    }
    size_t count = 0;
    const char *given = json_is_string(value) ? json_string_value(value) : "";
    for (; words[count] != NULL; count++) {
        if (same(words[count], given)) {
            return (int)count;
        }
    }
    char list[NORMD_OPTIONS_LIST_BYTES];
    char expected[NORMD_OPTIONS_LIST_BYTES + 16];
    list_words(words, count, list, sizeof list);
    snprintf(expected, sizeof expected, "%s%s", count > 1 ? "one of " : "", list);
    fail_at_value(options, key, expected, value);
    return otherwise;
}

int normd_options_word(
    normd_options *options, const char *key, const char *const words[], int otherwise)
{
    return read_word(options, key, words, otherwise, is_same_word);
}

int normd_options_kind(
    normd_options *options, const char *key, const char *const words[], int otherwise)
{
    return read_word(options, key, words, otherwise, normd_options_same_name);
}

const char *normd_options_string(normd_options *options, const char *key)
{
    const json_t *value = take(options, key);
    if (value == NULL) {
        return NULL;
    }
    if (json_string_length(value) == 0) {
        fail_at_value(options, key, "a string that is not empty", value);
        return NULL;
    }
    return json_string_value(value);
}

const json_t *normd_options_any(normd_options *options, const char *key)
{
    return take(options, key);
}

bool normd_options_has(const normd_options *options, const char *key)
{
    return json_object_get(options->map, key) != NULL;
}

static normd_status unknown_key(const normd_options *options, const char *key, normd_error *error)
{
    char known[NORMD_OPTIONS_LIST_BYTES];
    char shown[NORMD_OPTIONS_SHOW_BYTES];
    list_words(options->known, options->known_count, known, sizeof known);
    return normd_error_set(error, NORMD_BAD_ARGUMENT, "%s: expected the keys %s, got %s",
        options->path[0] == '\0' ? "options" : options->path, known,
        normd_options_show_string(key, strlen(key), shown, sizeof shown));
}

normd_status normd_options_finish(normd_options *options, normd_error *error)
{
    if (options->error.status != NORMD_OK) {
        if (error != NULL) {
            *error = options->error;
        }
        return options->error.status;
    }
    /* json_object_iter only reads, but does not say so in its type. */
    json_t *map = (json_t *)(uintptr_t)options->map;
    for (void *at = json_object_iter(map); at != NULL; at = json_object_iter_next(map, at)) {
        const char *key = json_object_iter_key(at);
        if (!is_known(options, key)) {
            return unknown_key(options, key, error);
        }
    }
    return NORMD_OK;
}
