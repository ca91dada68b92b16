// SPDX-License-Identifier: Apache-2.0
#include "lib/exchange/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "lib/memory/limits.h"
#include "lib/options/options.h"

enum { LENGTH_BYTES = 8, HEADER_ALIGNMENT = 8 };

/* Adds an array at `begin` to the header. False when out of memory, or the name is no UTF-8. */
static bool describe(json_t *header, const normd_named_array *named, size_t begin)
{
    const normd_array *array = &named->array;
    json_t *shape = json_array();
    for (uint32_t axis = 0; axis < array->shape.rank; axis++) {
        json_array_append_new(shape, json_integer((json_int_t)array->shape.dim[axis]));
    }
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype",
        normd_dtype_safetensors_name(array->dtype), "shape", shape, "data_offsets",
        (json_int_t)begin, (json_int_t)(begin + normd_array_bytes(array)));
    return json_object_set_new(header, named->name, entry) == 0;
}

/* Makes the header's map and counts the bytes of all arrays. */
static normd_status make_header(const normd_named_array *arrays, size_t count,
    const json_t *metadata, json_t *header, size_t *data_bytes, normd_error *error)
{
    if (metadata != NULL &&
        json_object_set_new(header, "__metadata__", json_deep_copy(metadata)) != 0) {
        return normd_error_no_memory(error);
    }
    size_t end = 0;
    for (size_t i = 0; i < count; i++) {
        const char *name = arrays[i].name;
        if (json_object_get(header, name) != NULL || strcmp(name, "__metadata__") == 0) {
            char shown[NORMD_OPTIONS_SHOW_BYTES];
            return normd_error_set(error, NORMD_BAD_ARGUMENT,
                "data: expected another name for each tensor, got %s twice",
                normd_options_show_string(name, strlen(name), shown, sizeof shown));
        }
        if (!describe(header, &arrays[i], end)) {
            return normd_error_no_memory(error);
        }
        if (__builtin_add_overflow(end, normd_array_bytes(&arrays[i].array), &end) ||
            end > SIZE_MAX / 2) {
            return normd_error_set(
                error, NORMD_TOO_LARGE, "data: the tensors do not fit in one file");
        }
    }
    *data_bytes = end;
    return NORMD_OK;
}

/* Writes length, header, padding and data to `to`. */
static void put_file(unsigned char *to, const char *text, size_t text_bytes, size_t header_bytes,
    const normd_named_array *arrays, size_t count)
{
    for (int i = 0; i < LENGTH_BYTES; i++) {
        *to++ = (unsigned char)((uint64_t)header_bytes >> 8 * i);
    }
    memcpy(to, text, text_bytes);
    memset(to + text_bytes, ' ', header_bytes - text_bytes);
    to += header_bytes;
    for (size_t i = 0; i < count; i++) {
        size_t bytes = normd_array_bytes(&arrays[i].array);
        if (bytes > 0) {
            memcpy(to, arrays[i].array.data, bytes);
            to += bytes;
        }
    }
}

normd_status normd_safetensors_write(normd_buffer_cache *cache, const normd_named_array *arrays,
    size_t count, const json_t *metadata, size_t limit, normd_buffer **file, normd_error *error)
{
    *file = NULL;
    json_t *header = json_object();
    size_t data_bytes = 0;
    normd_status status = make_header(arrays, count, metadata, header, &data_bytes, error);
    char *text = status == NORMD_OK ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    if (status == NORMD_OK && text != NULL) {
        size_t text_bytes = strlen(text);
        size_t header_bytes =
            (text_bytes + HEADER_ALIGNMENT - 1) / HEADER_ALIGNMENT * HEADER_ALIGNMENT;
        size_t bytes = LENGTH_BYTES + header_bytes + data_bytes;
        status = normd_limit_check(limit, bytes, "data: expected a file of", "", error);
        *file = status == NORMD_OK ? normd_buffer_take(cache, bytes) : NULL;
        if (*file != NULL) {
            put_file((*file)->data, text, text_bytes, header_bytes, arrays, count);
        }
    }
    free(text);
    if (status == NORMD_OK && *file == NULL) {
        status = normd_error_no_memory(error);
    }
    return status;
}
