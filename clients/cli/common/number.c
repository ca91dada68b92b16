// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/common/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool normd_number_parse(const char *text, double *value)
{
    if (text[0] == '\0' || strspn(text, " \t") > 0) {
        return false;
    }
    char *end;
    *value = strtod(text, &end);
    return *end == '\0';
}

/* Reads digits up to the first other character, where `*end` then points. */
static bool read_digits(const char *text, size_t *value, const char **end)
{
    *value = 0;
    *end = text;
    while (**end >= '0' && **end <= '9') {
        size_t digit = (size_t)(**end - '0');
        if (__builtin_mul_overflow(*value, (size_t)10, value) ||
            __builtin_add_overflow(*value, digit, value)) {
            return false;
        }
        (*end)++;
    }
    return *end != text;
}

bool normd_number_parse_count(const char *text, size_t *value)
{
    const char *end;
    return read_digits(text, value, &end) && *end == '\0';
}

bool normd_number_parse_shape(const char *text, normd_shape *shape)
{
    *shape = (normd_shape){.rank = 0};
    for (;;) {
        size_t extent;
        const char *end;
        if (shape->rank == NORMD_MAX_RANK || !read_digits(text, &extent, &end) || extent == 0) {
            return false;
        }
        shape->dim[shape->rank++] = extent;
        if (*end == '\0') {
            size_t elements;
            return normd_shape_elements(shape, &elements);
        }
        if (*end != 'x') {
            return false;
        }
        text = end + 1;
    }
}

bool normd_number_parse_range(const char *text, size_t *begin, size_t *end)
{
    const char *rest = text;
    *begin = 0;
    *end = SIZE_MAX;
    if (*rest != ':' && !read_digits(text, begin, &rest)) {
        return false;
    }
    if (*rest != ':') {
        return false;
    }
    rest++;
    if (*rest != '\0' && (!read_digits(rest, end, &rest) || *rest != '\0')) {
        return false;
    }
    return *begin <= *end;
}

const char *normd_number_format(
    double value, bool single, char text[static NORMD_NUMBER_TEXT_BYTES])
{
    int most = single ? 9 : 17;
    for (int digits = single ? 6 : 15; digits <= most; digits++) {
        int length = snprintf(text, NORMD_NUMBER_TEXT_BYTES, "%.*g", digits, value);
        double back = strtod(text, NULL);
        if (length >= NORMD_NUMBER_TEXT_BYTES ||
            (single ? (float)back == (float)value : back == value)) {
            break;
        }
    }
    return text;
}

const char *normd_number_format_short(double value, char text[static NORMD_NUMBER_TEXT_BYTES])
{
    static const char units[] = " kMGT";
    size_t unit = 0;
    while (fabs(value) >= 999.5 && unit < sizeof units - 2) {
        value /= 1000.0;
        unit++;
    }
    int decimals = unit == 0 || fabs(value) >= 99.95 ? 0 : fabs(value) >= 9.995 ? 1 : 2;
    /* Beyond the units a double may have 309 digits; they are cut. */
    char digits[512];
    snprintf(digits, sizeof digits, "%.*f%.*s", decimals, value, unit > 0, &units[unit]);
    size_t length = strnlen(digits, NORMD_NUMBER_TEXT_BYTES - 1);
    memcpy(text, digits, length);
    text[length] = '\0';
    return text;
}
