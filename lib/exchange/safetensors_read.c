// SPDX-License-Identifier: Apache-2.0
#include "lib/exchange/safetensors.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/options/options.h"

enum {
    LENGTH_BYTES = 8,
    MAX_HEADER_BYTES = 100000000,
    /* A JSON value takes up to fifty times its text in memory. A hundred thousand tensors need
       fewer. */
    MAX_HEADER_VALUES = 1 << 20,
};

typedef struct tensor_entry {
    const char *name; /* in the header */
    normd_array array;
    size_t begin, end; /* bytes of the data */
} tensor_entry;

struct normd_safetensors {
    json_t *header;
    tensor_entry *entries;
    size_t count;
};

/* What is read, while it is. */
typedef struct file_reader {
    unsigned char *data;
    size_t data_size;
    normd_error *error;
} file_reader;

static normd_status fail_at(
    const file_reader *reading, const char *name, const char *expected, const json_t *got)
{
    char shown_name[NORMD_OPTIONS_SHOW_BYTES];
    char shown[NORMD_OPTIONS_SHOW_BYTES];
    return normd_error_set(reading->error, NORMD_BAD_ARGUMENT,
        "data: tensor %s: expected %s, got %s",
        normd_options_show_string(name, strlen(name), shown_name, sizeof shown_name), expected,
        normd_options_show(got, shown, sizeof shown));
}

static bool read_size(const json_t *value, size_t *size)
{
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || (uint64_t)number > SIZE_MAX) {
        return false;
    }
    *size = (size_t)number;
    return true;
}

static bool read_shape(const json_t *list, normd_shape *shape)
{
    size_t rank = json_array_size(list);
    if (!json_is_array(list) || rank > NORMD_MAX_RANK) {
        return false;
    }
    *shape = (normd_shape){.rank = (uint32_t)rank};
    for (size_t axis = 0; axis < rank; axis++) {
        if (!read_size(json_array_get(list, axis), &shape->dim[axis])) {
            return false;
        }
    }
    size_t elements;
    return normd_shape_elements(shape, &elements);
}

static bool read_range(const json_t *list, size_t data_size, size_t *begin, size_t *end)
{
    return json_array_size(list) == 2 && read_size(json_array_get(list, 0), begin) &&
           read_size(json_array_get(list, 1), end) && *begin <= *end && *end <= data_size;
}

static normd_status read_entry(
    const file_reader *reading, const char *name, const json_t *value, tensor_entry *entry)
{
    const json_t *dtype = json_object_get(value, "dtype");
    const json_t *shape = json_object_get(value, "shape");
    const json_t *offsets = json_object_get(value, "data_offsets");
    if (json_object_size(value) != 3 || dtype == NULL || shape == NULL || offsets == NULL) {
        return fail_at(reading, name, "a map of dtype, shape and data_offsets", value);
    }
    *entry = (tensor_entry){.name = name};
    normd_array *array = &entry->array;
    if (!json_is_string(dtype) ||
        !normd_dtype_parse_safetensors(json_string_value(dtype), &array->dtype)) {
        return fail_at(reading, name, "a known dtype", dtype);
    }
    if (!read_shape(shape, &array->shape)) {
        return fail_at(reading, name, "a shape of at most 8 sizes that fits in memory", shape);
    }
    if (!read_range(offsets, reading->data_size, &entry->begin, &entry->end)) {
        return fail_at(reading, name, "data_offsets [begin, end] inside the file", offsets);
    }
    if (entry->end - entry->begin != normd_array_bytes(array)) {
        return fail_at(reading, name, "data_offsets as long as dtype and shape say", offsets);
    }
    array->data = reading->data + entry->begin;
    return NORMD_OK;
}

static normd_status check_metadata(const file_reader *reading, const json_t *metadata)
{
    if (!json_is_object(metadata)) {
        return fail_at(reading, "__metadata__", "a map of strings", metadata);
    }
    json_t *map = (json_t *)(uintptr_t)metadata; /* iterators only read */
    for (void *at = json_object_iter(map); at != NULL; at = json_object_iter_next(map, at)) {
        const json_t *value = json_object_iter_value(at);
        if (!json_is_string(value)) {
            return fail_at(reading, "__metadata__", "strings only", value);
        }
    }
    return NORMD_OK;
}

static int compare_ranges(const void *left, const void *right)
{
    const tensor_entry *a = *(const tensor_entry *const *)left;
    const tensor_entry *b = *(const tensor_entry *const *)right;
    if (a->begin != b->begin) {
        return a->begin < b->begin ? -1 : 1;
    }
    return a->end < b->end ? -1 : a->end > b->end;
}

/* The ranges, in order, must follow each other from the data's first byte to its last. */
static normd_status check_ranges(const file_reader *reading, const normd_safetensors *tensors)
{
    const tensor_entry **order = calloc(tensors->count + 1, sizeof *order);
    if (order == NULL) {
        return normd_error_no_memory(reading->error);
    }
    for (size_t i = 0; i < tensors->count; i++) {
        order[i] = &tensors->entries[i];
    }
    qsort(order, tensors->count, sizeof *order, compare_ranges);
    size_t end = 0;
    size_t i = 0;
    for (; i < tensors->count && order[i]->begin == end; i++) {
        end = order[i]->end;
    }
    normd_status status = NORMD_OK;
    if (i < tensors->count) {
        char name[NORMD_OPTIONS_SHOW_BYTES];
        status = normd_error_set(reading->error, NORMD_BAD_ARGUMENT,
            "data: tensor %s: expected data at offset %zu, without overlaps and holes, got %zu",
            normd_options_show_string(order[i]->name, strlen(order[i]->name), name, sizeof name),
            end, order[i]->begin);
    } else if (end != reading->data_size) {
        status = normd_error_set(reading->error, NORMD_BAD_ARGUMENT,
            "data: expected %zu bytes of tensors, got %zu", end, reading->data_size);
    }
    free(order);
    return status;
}

static normd_status read_header(const file_reader *reading, normd_safetensors *tensors)
{
    tensors->entries = calloc(json_object_size(tensors->header) + 1, sizeof *tensors->entries);
    if (tensors->entries == NULL) {
        return normd_error_no_memory(reading->error);
    }
    const char *name;
    json_t *value;
    json_object_foreach(tensors->header, name, value)
    {
        normd_status status = NORMD_OK;
        if (strcmp(name, "__metadata__") == 0) {
            status = check_metadata(reading, value);
        } else {
            status = read_entry(reading, name, value, &tensors->entries[tensors->count++]);
        }
        if (status != NORMD_OK) {
            return status;
        }
    }
    return check_ranges(reading, tensors);
}

/* The header's text parsed, or NULL. Every value but the first stands after one of [ { , : so that
   their number bounds what the parser allocates. */
static json_t *parse_header(const char *text, size_t length, normd_error *error)
{
    size_t values = 1;
    for (size_t i = 0; i < length; i++) {
        values += text[i] == ',' || text[i] == '[' || text[i] == '{';
    }
    if (values > MAX_HEADER_VALUES) {
        normd_error_set(error, NORMD_BAD_ARGUMENT,
            "data: expected at most %d values in the header, got %zu", MAX_HEADER_VALUES, values);
        return NULL;
    }
    json_error_t why;
    json_t *header = json_loadb(text, length, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(header) || text[0] != '{') {
        normd_error_set(error, NORMD_BAD_ARGUMENT,
            "data: expected a JSON map as the header, got something else at byte %d",
            header == NULL ? why.position : 0);
        json_decref(header);
        return NULL;
    }
    return header;
}

normd_status normd_safetensors_open(
    const void *file, size_t size, normd_safetensors **tensors, normd_error *error)
{
    *tensors = NULL;
    const unsigned char *bytes = file;
    if (size < LENGTH_BYTES) {
        return normd_error_set(
            error, NORMD_BAD_ARGUMENT, "data: expected a safetensors file, got %zu bytes", size);
    }
    uint64_t length = 0;
    for (int i = LENGTH_BYTES - 1; i >= 0; i--) {
        length = length << 8 | bytes[i];
    }
    size_t rest = size - LENGTH_BYTES;
    if (length > MAX_HEADER_BYTES || length > rest) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "data: expected a header of at most %zu bytes, got %llu",
            rest < MAX_HEADER_BYTES ? rest : (size_t)MAX_HEADER_BYTES, (unsigned long long)length);
    }
    normd_safetensors *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return normd_error_no_memory(error);
    }
    normd_status status = NORMD_BAD_ARGUMENT;
    made->header = parse_header((const char *)bytes + LENGTH_BYTES, (size_t)length, error);
    if (made->header != NULL) {
        /* Arrays have no type for data that is only read. */
        unsigned char *data = (unsigned char *)(uintptr_t)bytes + LENGTH_BYTES + length;
        file_reader reading = {.data = data, .data_size = rest - (size_t)length, .error = error};
        status = read_header(&reading, made);
    }
    if (status != NORMD_OK) {
        normd_safetensors_close(made);
        return status;
    }
    *tensors = made;
    return NORMD_OK;
}

void normd_safetensors_close(normd_safetensors *tensors)
{
    if (tensors != NULL) {
        json_decref(tensors->header);
        free(tensors->entries);
        free(tensors);
    }
}

size_t normd_safetensors_count(const normd_safetensors *tensors)
{
    return tensors->count;
}

const char *normd_safetensors_name(const normd_safetensors *tensors, size_t index)
{
    assert(index < tensors->count);
    return tensors->entries[index].name;
}

normd_array normd_safetensors_array(const normd_safetensors *tensors, size_t index)
{
    assert(index < tensors->count);
    return tensors->entries[index].array;
}

bool normd_safetensors_find(const normd_safetensors *tensors, const char *name, normd_array *array)
{
    for (size_t i = 0; i < tensors->count; i++) {
        if (strcmp(tensors->entries[i].name, name) == 0) {
            *array = tensors->entries[i].array;
            return true;
        }
    }
    return false;
}

const char *normd_safetensors_metadata(const normd_safetensors *tensors, const char *key)
{
    const json_t *metadata = json_object_get(tensors->header, "__metadata__");
    return json_string_value(json_object_get(metadata, key));
}
