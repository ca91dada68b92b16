// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/common/model_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* The end of the piece that starts at `text`: the first of `separators` outside of quotes and
   brackets, or `end`. */
static const char *find_end(const char *text, const char *end, const char *separators)
{
    size_t depth = 0;
    bool quoted = false;
    for (; text < end; text++) {
        if (quoted) {
            if (*text == '\\' && text + 1 < end) {
                text++;
            } else if (*text == '"') {
                quoted = false;
            }
        } else if (*text == '"') {
            quoted = true;
        } else if (*text == '[' || *text == '{') {
            depth++;
        } else if ((*text == ']' || *text == '}') && depth > 0) {
            depth--;
        } else if (depth == 0 && strchr(separators, *text) != NULL) {
            break;
        }
    }
    return text;
}

static const char blanks[] = " \t\r\n";

static const char *skip_blanks(const char *text, const char *end)
{
    while (text < end && strchr(blanks, *text) != NULL) {
        text++;
    }
    return text;
}

/* JSON where it reads as JSON, else the word itself. */
static json_t *read_value(const char *text, size_t length)
{
    json_t *value = json_loadb(text, length, JSON_DECODE_ANY, NULL);
    return value != NULL ? value : json_stringn(text, length);
}

/* The option that a bare number means for a type, or NULL. */
static const char *number_key(const char *type)
{
    static const struct {
        const char *type, *key;
    } keys[] = {
        {"linear", "out"},
        {"dense", "units"},
        {"conv2d", "out"},
        {"max_pool2d", "kernel_size"},
        {"avg_pool2d", "kernel_size"},
        {"dropout", "p"},
        {"leaky_relu", "negative_slope"},
        {"elu", "alpha"},
        {"softmax", "dim"},
        {"log_softmax", "dim"},
        {"batch_norm", "features"},
        {"layer_norm", "normalized_shape"},
        {"rms_norm", "normalized_shape"},
        {"group_norm", "num_groups"},
        {"instance_norm", "features"},
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (strcmp(type, keys[i].type) == 0) {
            return keys[i].key;
        }
    }
    return NULL;
}

/* Whether the bare number may be a fraction, and is one. */
static bool takes_fraction(const char *type, const json_t *number)
{
    static const char *const types[] = {"dropout", "leaky_relu", "elu"};
    bool takes = false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        takes = takes || strcmp(type, types[i]) == 0;
    }
    return takes && json_is_real(number);
}

/* Adds one word behind the type: key=value, or a bare number. */
static normd_status add_word(json_t *map, const char *type, const char *word, const char *end,
    const char *name, normd_error *error)
{
    int length = (int)(end - word);
    const char *equals = memchr(word, '=', (size_t)(end - word));
    const char *key = number_key(type);
    size_t key_length = key != NULL ? strlen(key) : 0;
    const char *value = word;
    if (equals != NULL) {
        key = word;
        key_length = (size_t)(equals - word);
        value = equals + 1;
    }
    json_t *json = read_value(value, (size_t)(end - value));
    if (key == NULL || key_length == 0 || value == end ||
        (equals == NULL && !json_is_integer(json) && !takes_fraction(type, json))) {
        json_decref(json);
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "%s (%s): expected key=value%s%s, got \"%.*s\"", name, type,
            number_key(type) != NULL ? " or the number of " : "",
            number_key(type) != NULL ? number_key(type) : "", length, word);
    }
    char text[64];
    if (key_length >= sizeof text) {
        json_decref(json);
        return normd_error_set(
            error, NORMD_BAD_ARGUMENT, "%s: the key \"%.*s\" is too long", name, length, word);
    }
    memcpy(text, key, key_length);
    text[key_length] = '\0';
    if (json_object_get(map, text) != NULL) {
        json_decref(json);
        return normd_error_set(error, NORMD_BAD_ARGUMENT, "%s: %s is given twice", name, text);
    }
    if (json_object_set_new(map, text, json) != 0) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT, "%s: %s is no UTF-8 text", name, text);
    }
    return NORMD_OK;
}

/* One piece: the type, then words. */
static json_t *read_piece(const char *text, const char *end, const char *name, normd_error *error)
{
    const char *type = skip_blanks(text, end);
    const char *type_end = find_end(type, end, blanks);
    if (type == type_end || memchr(type, '=', (size_t)(type_end - type)) != NULL) {
        normd_error_set(error, NORMD_BAD_ARGUMENT, "%s: expected a type, got \"%.*s\"", name,
            (int)(type_end - type), type);
        return NULL;
    }
    json_t *map = json_object();
    json_object_set_new(map, "type", json_stringn(type, (size_t)(type_end - type)));
    const char *type_text = json_string_value(json_object_get(map, "type"));
    if (type_text == NULL) {
        normd_error_set(error, NORMD_BAD_ARGUMENT, "%s: expected a type in UTF-8", name);
        json_decref(map);
        return NULL;
    }
    const char *word = skip_blanks(type_end, end);
    while (word < end) {
        const char *word_end = find_end(word, end, blanks);
        if (add_word(map, type_text, word, word_end, name, error) != NORMD_OK) {
            json_decref(map);
            return NULL;
        }
        word = skip_blanks(word_end, end);
    }
    return map;
}

json_t *normd_model_text_list(const char *text, const char *what, normd_error *error)
{
    json_t *layers = json_array();
    const char *end = text + strlen(text);
    for (;;) {
        char name[32];
        snprintf(name, sizeof name, "%s %zu", what, json_array_size(layers));
        const char *piece_end = find_end(text, end, ",");
        json_t *layer = read_piece(text, piece_end, name, error);
        if (layer == NULL) {
            json_decref(layers);
            return NULL;
        }
        json_array_append_new(layers, layer);
        if (piece_end == end) {
            return layers;
        }
        text = piece_end + 1;
    }
}

json_t *normd_model_text_layers(const char *text, normd_error *error)
{
    return normd_model_text_list(text, "layer", error);
}

json_t *normd_model_text_option(const char *text, const char *name, normd_error *error)
{
    return read_piece(text, text + strlen(text), name, error);
}
