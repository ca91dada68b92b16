// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/data/npy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAGIC_BYTES = 8, MAX_HEADER_BYTES = 1 << 20 };

/* The text behind `'key':` in the header's dictionary; NULL when there is none. */
static const char *find_value(const char *header, const char *key)
{
    size_t length = strlen(key);
    for (const char *at = header; (at = strstr(at, key)) != NULL; at += length) {
        if (at == header || (at[-1] != '\'' && at[-1] != '"') || at[length] != at[-1]) {
            continue;
        }
        const char *colon = at + length + 1 + strspn(at + length + 1, " ");
        if (*colon == ':') {
            return colon + 1 + strspn(colon + 1, " ");
        }
    }
    return NULL;
}

/* "(3, 4)", "(3,)" or "()". */
static bool read_shape(const char *text, normd_shape *shape)
{
    *shape = (normd_shape){.rank = 0};
    if (text == NULL || *text++ != '(') {
        return false;
    }
    for (;;) {
        text += strspn(text, " ");
        if (*text == ')') {
            return true;
        }
        if (*text < '0' || *text > '9' || shape->rank == NORMD_MAX_RANK) {
            return false;
        }
        char *end;
        errno = 0;
        unsigned long long extent = strtoull(text, &end, 10);
        if (errno != 0 || extent > SIZE_MAX) {
            return false;
        }
        shape->dim[shape->rank++] = (size_t)extent;
        text = end + strspn(end, " ");
        if (*text == ',') {
            text++;
        } else if (*text != ')') {
            return false;
        }
    }
}

static normd_status read_dictionary(
    const char *path, const char *header, normd_array *array, bool *fortran, normd_error *error)
{
    const char *descr = find_value(header, "descr");
    size_t length = 0;
    if (descr != NULL && (*descr == '\'' || *descr == '"')) {
        const char quote[] = {*descr++, '\0'};
        length = strcspn(descr, quote);
    }
    if (length == 0 || !normd_dtype_parse_wire(descr, length, &array->dtype)) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "%s: expected little-endian floats, integers or bool, got the type %.*s", path,
            (int)(length > 0 ? (length < 40 ? length : 40) : 10),
            length > 0 ? descr : "(compound)");
    }
    const char *order = find_value(header, "fortran_order");
    *fortran = order != NULL && strncmp(order, "True", 4) == 0;
    if (order == NULL || (!*fortran && strncmp(order, "False", 5) != 0)) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "%s: expected fortran_order True or False in the header", path);
    }
    size_t elements;
    if (!read_shape(find_value(header, "shape"), &array->shape) ||
        !normd_shape_elements(&array->shape, &elements)) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "%s: expected a shape of at most %d axes in the header", path, NORMD_MAX_RANK);
    }
    return NORMD_OK;
}

/* The header's text, terminated; to be freed. NULL with `error` when there is none. */
static char *read_header(const char *path, FILE *file, normd_error *error)
{
    unsigned char start[MAGIC_BYTES + 4];
    if (fread(start, 1, MAGIC_BYTES, file) != MAGIC_BYTES || memcmp(start, "\x93NUMPY", 6) != 0 ||
        start[6] < 1 || start[6] > 3) {
        normd_error_set(
            error, NORMD_BAD_ARGUMENT, "%s: expected a .npy file of format 1 to 3", path);
        return NULL;
    }
    size_t width = start[6] == 1 ? 2 : 4;
    size_t length = 0;
    if (fread(start + MAGIC_BYTES, 1, width, file) == width) {
        for (size_t k = width; k-- > 0;) {
            length = length << 8 | start[MAGIC_BYTES + k];
        }
    }
    if (length == 0 || length > MAX_HEADER_BYTES) {
        normd_error_set(error, NORMD_BAD_ARGUMENT, "%s: the header's length is wrong", path);
        return NULL;
    }
    char *header = malloc(length + 1);
    if (header == NULL) {
        normd_error_no_memory(error);
        return NULL;
    }
    if (fread(header, 1, length, file) != length) {
        normd_error_set(error, NORMD_BAD_ARGUMENT, "%s: the file ends inside its header", path);
        free(header);
        return NULL;
    }
    header[length] = '\0';
    return header;
}

static void *allocate(size_t bytes)
{
    return bytes > SIZE_MAX - NORMD_ALIGNMENT
               ? NULL
               : aligned_alloc(NORMD_ALIGNMENT, (bytes / NORMD_ALIGNMENT + 1) * NORMD_ALIGNMENT);
}

/* Puts elements whose first index runs fastest into the order in which the last does. */
static normd_status make_c_order(normd_array *array, normd_error *error)
{
    const normd_shape *shape = &array->shape;
    size_t size = normd_dtype_size(array->dtype);
    size_t bytes = normd_array_bytes(array);
    size_t stride[NORMD_MAX_RANK];
    size_t index[NORMD_MAX_RANK] = {0};
    char *to = allocate(bytes);
    if (to == NULL) {
        return normd_error_no_memory(error);
    }
    for (uint32_t axis = 0; axis < shape->rank; axis++) {
        stride[axis] = axis == 0 ? size : stride[axis - 1] * shape->dim[axis - 1];
    }
    size_t from = 0;
    for (size_t at = 0; at < bytes; at += size) {
        memcpy(to + at, (const char *)array->data + from, size);
        /* The next index; `from` follows it. */
        for (uint32_t axis = shape->rank; axis-- > 0;) {
            from += stride[axis];
            if (++index[axis] < shape->dim[axis]) {
                break;
            }
            from -= stride[axis] * shape->dim[axis];
            index[axis] = 0;
        }
    }
    free(array->data);
    array->data = to;
    return NORMD_OK;
}

/* Reads the elements; the file must hold exactly these. */
static normd_status read_elements(
    const char *path, FILE *file, normd_array *array, normd_error *error)
{
    size_t bytes = normd_array_bytes(array);
    /* The size of a regular file is known before any memory is asked for. */
    long here = ftell(file);
    if (here >= 0 && fseek(file, 0, SEEK_END) == 0) {
        long end = ftell(file);
        if (end < here || (size_t)(end - here) != bytes) {
            return normd_error_set(error, NORMD_BAD_ARGUMENT,
                "%s: expected %zu bytes of elements, got %ld", path, bytes, end - here);
        }
        fseek(file, here, SEEK_SET);
    }
    array->data = allocate(bytes);
    if (array->data == NULL) {
        return normd_error_no_memory(error);
    }
    if (fread(array->data, 1, bytes, file) != bytes) {
        free(array->data);
        return normd_error_set(
            error, NORMD_BAD_ARGUMENT, "%s: the file ends before its %zu bytes", path, bytes);
    }
    return NORMD_OK;
}

normd_status normd_npy_read(const char *path, normd_array *array, normd_error *error)
{
    *array = (normd_array){.data = NULL};
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT, "%s: %s", path, strerror(errno));
    }
    normd_status status = NORMD_BAD_ARGUMENT;
    bool fortran = false;
    char *header = read_header(path, file, error);
    if (header != NULL) {
        status = read_dictionary(path, header, array, &fortran, error);
        free(header);
    }
    if (status == NORMD_OK) {
        status = read_elements(path, file, array, error);
    }
    if (status == NORMD_OK && fortran) {
        status = make_c_order(array, error);
        if (status != NORMD_OK) {
            free(array->data);
        }
    }
    fclose(file);
    return status;
}

bool normd_npy_write_header(FILE *file, normd_dtype dtype, const normd_shape *shape)
{
    char text[320];
    int length = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (",
        normd_dtype_wire_name(dtype));
    for (uint32_t axis = 0; axis < shape->rank; axis++) {
        length += snprintf(text + length, sizeof text - (size_t)length, "%zu,%s", shape->dim[axis],
            axis + 1 < shape->rank ? " " : "");
    }
    length += snprintf(text + length, sizeof text - (size_t)length, "), }");
    /* Padded so that the elements start on a multiple of 64. */
    size_t used = MAGIC_BYTES + 2 + (size_t)length + 1;
    size_t padding = (64 - used % 64) % 64;
    size_t header = (size_t)length + padding + 1;
    fwrite("\x93NUMPY\x01\x00", 1, MAGIC_BYTES, file);
    fputc((int)(header & 0xff), file);
    fputc((int)(header >> 8), file);
    fprintf(file, "%s%*s\n", text, (int)padding, "");
    return ferror(file) == 0;
}
