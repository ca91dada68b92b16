// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_CLI_COMMON_NUMBER_H
#define NORMD_CLIENTS_CLI_COMMON_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/array.h"

/* Numbers as people write them. Each function takes the whole text or none of it. */

/* "0.5", "1e-3", "nan", "inf". */
bool normd_number_parse(const char *text, double *value);
/* Decimal digits only. */
bool normd_number_parse_count(const char *text, size_t *value);
/* "64x256"; every extent at least 1. */
bool normd_number_parse_shape(const char *text, normd_shape *shape);
/* A half-open range "A:B"; each side may be left out: `begin` is then 0, `end` SIZE_MAX. */
bool normd_number_parse_range(const char *text, size_t *begin, size_t *end);

enum { NORMD_NUMBER_TEXT_BYTES = 32 };
/* The shortest text that reads back as the same float (or double). Returns `text`. */
const char *normd_number_format(
    double value, bool single, char text[static NORMD_NUMBER_TEXT_BYTES]);
/* A count for people: "987", "12.3k", "4.56M". Returns `text`. */
const char *normd_number_format_short(double value, char text[static NORMD_NUMBER_TEXT_BYTES]);

#endif
