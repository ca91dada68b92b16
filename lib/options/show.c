// SPDX-License-Identifier: Apache-2.0
#include "lib/options/options.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the UTF-8 character that starts at `text`; 1 for what is no character. */
static size_t character_bytes(const char *text, size_t length)
{
    unsigned char lead = (unsigned char)text[0];
    size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    return bytes <= length ? bytes : 1;
}

/* How one character goes into a message. Returns the bytes written to `out` (at most 6). */
static size_t escape(const char *text, size_t bytes, char out[7])
{
    unsigned char first = (unsigned char)text[0];
    if (first == '"' || first == '\\') {
        return (size_t)snprintf(out, 7, "\\%c", first);
    }
    if (first < 0x20 || first == 0x7f) {
        return (size_t)snprintf(out, 7, "\\u%04x", first);
    }
    memcpy(out, text, bytes);
    return bytes;
}

const char *normd_options_show_string(const char *value, size_t length, char *text, size_t size)
{
    static const char cut[] = "...\"";
    assert(size > sizeof cut + 1);
    size_t room = size - sizeof cut; /* the opening quote and what comes before a cut */
    size_t used = 0;
    text[used++] = '"';
    for (size_t at = 0; at < length;) {
        char escaped[7];
        size_t bytes = character_bytes(value + at, length - at);
        size_t wrote = escape(value + at, bytes, escaped);
        if (used + wrote > room) {
            memcpy(text + used, cut, sizeof cut);
            return text;
        }
        memcpy(text + used, escaped, wrote);
        used += wrote;
        at += bytes;
    }
    memcpy(text + used, "\"", 2);
    return text;
}

/* Never as an integer would be shown: where one was expected the reader must see the difference. */
static void show_real(double value, char *text, size_t size)
{
    snprintf(text, size, "%.15g", value);
    if (strtod(text, NULL) != value) {
        snprintf(text, size, "%.17g", value);
    }
    size_t length = strlen(text);
    if (strcspn(text, ".en") == length) {
        snprintf(text + length, size - length, ".0");
    }
}

/* The first elements of a list, as many as have room; lists inside it by their kind only. */
static void show_list(const json_t *list, char *text, size_t size)
{
    enum { MOST = 3 };
    static const char more[] = ", ...]";
    size_t used = (size_t)snprintf(text, size, "[");
    size_t count = json_array_size(list);
    size_t i = 0;
    for (; i < count && i < MOST; i++) {
        const json_t *element = json_array_get(list, i);
        char shown[28]; /* any number */
        if (json_is_array(element)) {
            snprintf(shown, sizeof shown, "a list");
        } else {
            normd_options_show(element, shown, sizeof shown);
        }
        size_t length = strlen(shown) + (i == 0 ? 0 : 2);
        if (used + length + sizeof more > size) {
            break;
        }
        used += (size_t)snprintf(text + used, size - used, "%s%s", i == 0 ? "" : ", ", shown);
    }
    snprintf(text + used, size - used, "%s", i == count ? "]" : i == 0 ? "...]" : more);
}

const char *normd_options_show(const json_t *value, char *text, size_t size)
{
    if (json_is_string(value)) {
        return normd_options_show_string(
            json_string_value(value), json_string_length(value), text, size);
    }
    if (json_is_array(value)) {
        show_list(value, text, size);
    } else if (json_is_object(value)) {
        bool attachment = json_object_get(value, "$array") != NULL;
        snprintf(text, size, attachment ? "an array" : "a map");
    } else if (json_is_integer(value)) {
        snprintf(text, size, "%lld", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        show_real(json_real_value(value), text, size);
    } else if (json_is_boolean(value)) {
        snprintf(text, size, json_is_true(value) ? "true" : "false");
    } else {
        snprintf(text, size, value == NULL ? "nothing" : "null");
    }
    return text;
}
