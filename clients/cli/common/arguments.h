// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_CLI_COMMON_ARGUMENTS_H
#define NORMD_CLIENTS_CLI_COMMON_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "lib/base/error.h"

/*
 * Command lines by a table: the same rows read the options and print their help; a row without a
 * name is no option. Options are long, take their value as `--name value` or `--name=value`, and
 * may stand anywhere; `--` ends them.
 */
typedef struct normd_argument {
    const char *name;  /* without the dashes */
    const char *value; /* what people call the value ("N"); NULL for a flag */
    const char *help;
} normd_argument;

enum { NORMD_ARGUMENTS_MAX = 32, NORMD_ARGUMENTS_MAX_REST = 8 };

/* The values by their row in the table (NULL when not given, "" for a flag), and the rest. They
   point into argv. */
typedef struct normd_arguments {
    const char *value[NORMD_ARGUMENTS_MAX];
    const char *rest[NORMD_ARGUMENTS_MAX_REST];
    size_t rest_count;
    bool help;    /* --help or -h was given */
    size_t taken; /* words of argv that were read; fewer than argc when `stop` ended it */
} normd_arguments;

/* Reads `argc` words. With `stop`, ends in front of the first word that is no option. BAD_ARGUMENT
   names what is wrong. */
normd_status normd_arguments_read(const normd_argument *table, size_t rows, int argc, char **argv,
    bool stop, normd_arguments *arguments, normd_error *error);

/* One aligned line per option. */
void normd_arguments_help(FILE *out, const normd_argument *table, size_t rows);

/* The option's value as a number; `otherwise` when it was not given. On a mistake returns
   `otherwise` and fills `error` unless it is filled already (status not OK). */
double normd_arguments_number(const normd_argument *table, const normd_arguments *arguments,
    size_t row, double otherwise, double least, double most, normd_error *error);
size_t normd_arguments_count(const normd_argument *table, const normd_arguments *arguments,
    size_t row, size_t otherwise, size_t least, size_t most, normd_error *error);

#endif
