// SPDX-License-Identifier: Apache-2.0
#include "daemon/config_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const blanks = " \t\r\n";

/* Cuts the line at its comment and at its trailing blanks, and returns it from its first word. */
static char *strip(char *line)
{
    line[strcspn(line, "#")] = '\0';
    line += strspn(line, blanks);
    size_t length = strlen(line);
    while (length > 0 && strchr(blanks, line[length - 1]) != NULL) {
        line[--length] = '\0';
    }
    return line;
}

static normd_status read_line(char *line, normd_settings *settings, normd_error *error)
{
    char *name = strip(line);
    if (*name == '\0') {
        return NORMD_OK;
    }
    char *value = name + strcspn(name, blanks);
    if (*value == '\0') {
        return normd_error_set(
            error, NORMD_BAD_ARGUMENT, "%s: expected a value behind the name, got none", name);
    }
    *value++ = '\0';
    value += strspn(value, blanks);
    return normd_settings_set(settings, name, value, error);
}

normd_status normd_config_file_read(const char *path, normd_settings *settings, normd_error *error)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return normd_error_set(
            error, NORMD_BAD_ARGUMENT, "config: cannot read \"%s\": %s", path, strerror(errno));
    }
    char *line = NULL;
    size_t capacity = 0;
    normd_status status = NORMD_OK;
    for (unsigned number = 1; status == NORMD_OK && getline(&line, &capacity, file) >= 0;
         number++) {
        status = read_line(line, settings, error);
        if (status != NORMD_OK) {
            normd_error_prefix(error, "%s:%u: ", path, number);
        }
    }
    if (status == NORMD_OK && ferror(file)) {
        status = normd_error_set(
            error, NORMD_BAD_ARGUMENT, "config: cannot read \"%s\": %s", path, strerror(errno));
    }
    free(line);
    fclose(file);
    return status;
}
