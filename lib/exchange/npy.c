// SPDX-License-Identifier: Apache-2.0
#include "lib/exchange/npy.h"

#include <stdio.h>
#include <string.h>

#include "lib/options/options.h"

enum { MAGIC_BYTES = 6, VERSION_BYTES = 2, ALIGNMENT = 64, MAX_TEXT_BYTES = 1 << 16 };

static const char magic[] = "\x93NUMPY";

/* The rest of the header's text while it is read. */
typedef struct scanner {
    const char *at, *end;
} scanner;

static void skip_spaces(scanner *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\n')) {
        scan->at++;
    }
}

/* Takes `text` when it comes next, behind spaces. */
static bool take(scanner *scan, const char *text)
{
    size_t length = strlen(text);
    skip_spaces(scan);
    if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, text, length) != 0) {
        return false;
    }
    scan->at += length;
    return true;
}

/* A string of Python in either kind of quotes, without escapes. */
static bool take_string(scanner *scan, const char **text, size_t *length)
{
    skip_spaces(scan);
    if (scan->at == scan->end || (*scan->at != '\'' && *scan->at != '"')) {
        return false;
    }
    char quote = *scan->at++;
    const char *close = memchr(scan->at, quote, (size_t)(scan->end - scan->at));
    if (close == NULL) {
        return false;
    }
    *text = scan->at;
    *length = (size_t)(close - scan->at);
    scan->at = close + 1;
    return true;
}

static bool take_extent(scanner *scan, size_t *extent)
{
    skip_spaces(scan);
    const char *begin = scan->at;
    *extent = 0;
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9') {
        size_t digit = (size_t)(*scan->at++ - '0');
        if (__builtin_mul_overflow(*extent, (size_t)10, extent) ||
            __builtin_add_overflow(*extent, digit, extent)) {
            return false;
        }
    }
    return scan->at > begin;
}

/* "(3, 4)", "(3,)" or "()". */
static bool take_shape(scanner *scan, normd_shape *shape)
{
    *shape = (normd_shape){.rank = 0};
    if (!take(scan, "(")) {
        return false;
    }
    while (!take(scan, ")")) {
        if (shape->rank == NORMD_MAX_RANK || !take_extent(scan, &shape->dim[shape->rank])) {
            return false;
        }
        shape->rank++;
        if (!take(scan, ",")) {
            return take(scan, ")");
        }
    }
    return true;
}

static bool take_flag(scanner *scan, bool *flag)
{
    *flag = take(scan, "True");
    return *flag || take(scan, "False");
}

enum { SEEN_DESCR = 1, SEEN_ORDER = 2, SEEN_SHAPE = 4, SEEN_ALL = 7 };

/* One `'key': value`; its bit, or 0 for what is wrong. */
static int take_entry(scanner *scan, normd_array *array, bool *fortran)
{
    const char *key, *type;
    size_t length, type_length;
    if (!take_string(scan, &key, &length) || !take(scan, ":")) {
        return 0;
    }
    if (length == 5 && memcmp(key, "descr", 5) == 0) {
        bool known = take_string(scan, &type, &type_length) &&
                     normd_dtype_parse_wire(type, type_length, &array->dtype);
        return known ? SEEN_DESCR : 0;
    }
    if (length == 13 && memcmp(key, "fortran_order", 13) == 0) {
        return take_flag(scan, fortran) ? SEEN_ORDER : 0;
    }
    if (length == 5 && memcmp(key, "shape", 5) == 0) {
        return take_shape(scan, &array->shape) ? SEEN_SHAPE : 0;
    }
    return 0;
}

static bool read_dictionary(scanner *scan, normd_array *array, bool *fortran)
{
    int seen = 0;
    if (!take(scan, "{")) {
        return false;
    }
    while (!take(scan, "}")) {
        int entry = take_entry(scan, array, fortran);
        if (entry == 0 || (seen & entry) != 0) {
            return false;
        }
        seen |= entry;
        if (!take(scan, ",")) {
            if (!take(scan, "}")) {
                return false;
            }
            break;
        }
    }
    skip_spaces(scan);
    return seen == SEEN_ALL && scan->at == scan->end;
}

static normd_status fail(
    const char *name, normd_error *error, const char *expected, const char *got)
{
    char shown[NORMD_OPTIONS_SHOW_BYTES];
    return normd_error_set(error, NORMD_BAD_ARGUMENT, "data: array %s: expected %s, got %s",
        normd_options_show_string(name, strlen(name), shown, sizeof shown), expected, got);
}

/* Finds the header's text; `scan` ends with it. The bytes before and in it, or 0. */
static size_t find_header(const unsigned char *bytes, size_t size, scanner *scan)
{
    if (size < MAGIC_BYTES + VERSION_BYTES || memcmp(bytes, magic, MAGIC_BYTES) != 0 ||
        bytes[MAGIC_BYTES] < 1 || bytes[MAGIC_BYTES] > 3) {
        return 0;
    }
    size_t width = bytes[MAGIC_BYTES] == 1 ? 2 : 4;
    size_t begin = MAGIC_BYTES + VERSION_BYTES + width;
    if (size < begin) {
        return 0;
    }
    size_t length = 0;
    for (size_t i = width; i-- > 0;) {
        length = length << 8 | bytes[MAGIC_BYTES + VERSION_BYTES + i];
    }
    if (length > MAX_TEXT_BYTES || length > size - begin) {
        return 0;
    }
    scan->at = (const char *)bytes + begin;
    scan->end = scan->at + length;
    return begin + length;
}

normd_status normd_npy_read(const char *name, const void *file, size_t size, normd_array *array,
    bool *fortran, normd_error *error)
{
    scanner scan;
    char got[64];
    size_t header = find_header(file, size, &scan);
    if (header == 0) {
        return fail(name, error, "a .npy file of format 1 to 3", "another or a shorter one");
    }
    if (!read_dictionary(&scan, array, fortran)) {
        return fail(name, error,
            "a header of descr (a little-endian float, integer or bool), fortran_order and shape "
            "(at most 8 axes)",
            "another one");
    }
    size_t elements;
    if (!normd_shape_elements(&array->shape, &elements)) {
        return fail(name, error, "a shape that fits in memory", "a larger one");
    }
    size_t bytes = normd_array_bytes(array);
    if (bytes != size - header) {
        char expected[64];
        snprintf(expected, sizeof expected, "%zu bytes of elements", bytes);
        snprintf(got, sizeof got, "%zu", size - header);
        return fail(name, error, expected, got);
    }
    /* Arrays have no type for data that is only read. */
    array->data = (unsigned char *)(uintptr_t)file + header;
    return NORMD_OK;
}

size_t normd_npy_write_header(const normd_array *array, char header[NORMD_NPY_HEADER_BYTES])
{
    enum { START_BYTES = MAGIC_BYTES + VERSION_BYTES + 2 };
    char shape[NORMD_SHAPE_TEXT_BYTES];
    memcpy(header, magic, MAGIC_BYTES);
    header[MAGIC_BYTES] = 1;
    header[MAGIC_BYTES + 1] = 0;
    int wrote = snprintf(header + START_BYTES, NORMD_NPY_HEADER_BYTES - START_BYTES,
        "{'descr': '%s', 'fortran_order': False, 'shape': %s, }",
        normd_dtype_wire_name(array->dtype),
        normd_shape_format(&array->shape, shape, sizeof shape));
    size_t used = START_BYTES + (size_t)wrote;
    size_t whole = (used + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    memset(header + used, ' ', whole - used - 1);
    header[whole - 1] = '\n';
    header[MAGIC_BYTES + VERSION_BYTES] = (char)((whole - START_BYTES) & 0xff);
    header[MAGIC_BYTES + VERSION_BYTES + 1] = (char)((whole - START_BYTES) >> 8);
    return whole;
}
