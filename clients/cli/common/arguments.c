// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/common/arguments.h"

#include <string.h>

#include "clients/cli/common/number.h"

static size_t find_row(const normd_argument *table, size_t rows, const char *name, size_t length)
{
    size_t row = 0;
    while (row < rows && (table[row].name == NULL || strlen(table[row].name) != length ||
                             memcmp(table[row].name, name, length) != 0)) {
        row++;
    }
    return row;
}

/* Reads the option at argv[at]; returns how many words it took, 0 on a mistake. */
static int read_option(const normd_argument *table, size_t rows, int argc, char **argv, int at,
    normd_arguments *arguments, normd_error *error)
{
    const char *name = argv[at] + 2;
    size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    size_t row = find_row(table, rows, name, length);
    if (row == rows) {
        normd_error_set(error, NORMD_BAD_ARGUMENT, "unknown option --%.*s", (int)length, name);
        return 0;
    }
    if (table[row].value == NULL) {
        if (value != NULL) {
            normd_error_set(error, NORMD_BAD_ARGUMENT, "--%s: expected no value, got \"%s\"",
                table[row].name, value);
            return 0;
        }
        arguments->value[row] = "";
        return 1;
    }
    int words = 1;
    if (value == NULL) {
        if (at + 1 >= argc) {
            normd_error_set(error, NORMD_BAD_ARGUMENT, "--%s: expected a value (%s)",
                table[row].name, table[row].value);
            return 0;
        }
        value = argv[at + 1];
        words = 2;
    }
    arguments->value[row] = value;
    return words;
}

normd_status normd_arguments_read(const normd_argument *table, size_t rows, int argc, char **argv,
    bool stop, normd_arguments *arguments, normd_error *error)
{
    *arguments = (normd_arguments){.help = false};
    bool options_end = false;
    int at = 0;
    while (at < argc) {
        const char *word = argv[at];
        if (!options_end && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)) {
            arguments->help = true;
            at++;
        } else if (!options_end && strcmp(word, "--") == 0) {
            options_end = true;
            at++;
        } else if (!options_end && strncmp(word, "--", 2) == 0) {
            int words = read_option(table, rows, argc, argv, at, arguments, error);
            if (words == 0) {
                return NORMD_BAD_ARGUMENT;
            }
            at += words;
        } else if (!options_end && word[0] == '-' && word[1] != '\0') {
            return normd_error_set(error, NORMD_BAD_ARGUMENT, "unknown option %s", word);
        } else if (stop) {
            break;
        } else if (arguments->rest_count == NORMD_ARGUMENTS_MAX_REST) {
            return normd_error_set(error, NORMD_BAD_ARGUMENT, "too many arguments: \"%s\"", word);
        } else {
            arguments->rest[arguments->rest_count++] = word;
            at++;
        }
    }
    arguments->taken = (size_t)at;
    return NORMD_OK;
}

void normd_arguments_help(FILE *out, const normd_argument *table, size_t rows)
{
    enum { COLUMN = 26 };
    for (size_t row = 0; row < rows; row++) {
        const normd_argument *option = &table[row];
        if (option->name == NULL) {
            continue;
        }
        int width = fprintf(out, "  --%s%s%s", option->name, option->value != NULL ? " " : "",
            option->value != NULL ? option->value : "");
        if (width >= COLUMN) {
            fputc('\n', out);
            width = 0;
        }
        fprintf(out, "%*s", COLUMN - width, "");
        for (const char *c = option->help; *c != '\0'; c++) {
            fputc(*c, out);
            if (*c == '\n') {
                fprintf(out, "%*s", COLUMN, "");
            }
        }
        fputc('\n', out);
    }
}

static bool failed(const normd_error *error)
{
    return error->status != NORMD_OK;
}

double normd_arguments_number(const normd_argument *table, const normd_arguments *arguments,
    size_t row, double otherwise, double least, double most, normd_error *error)
{
    const char *text = arguments->value[row];
    double value;
    if (text == NULL || failed(error)) {
        return otherwise;
    }
    if (!normd_number_parse(text, &value) || !(value >= least && value <= most)) {
        normd_error_set(error, NORMD_BAD_ARGUMENT,
            "--%s: expected a number in [%g, %g], got \"%s\"", table[row].name, least, most, text);
        return otherwise;
    }
    return value;
}

size_t normd_arguments_count(const normd_argument *table, const normd_arguments *arguments,
    size_t row, size_t otherwise, size_t least, size_t most, normd_error *error)
{
    const char *text = arguments->value[row];
    size_t value;
    if (text == NULL || failed(error)) {
        return otherwise;
    }
    if (!normd_number_parse_count(text, &value) || value < least || value > most) {
        if (most == SIZE_MAX) {
            normd_error_set(error, NORMD_BAD_ARGUMENT,
                "--%s: expected a whole number of at least %zu, got \"%s\"", table[row].name, least,
                text);
        } else {
            normd_error_set(error, NORMD_BAD_ARGUMENT,
                "--%s: expected a whole number in [%zu, %zu], got \"%s\"", table[row].name, least,
                most, text);
        }
        return otherwise;
    }
    return value;
}
