// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_CLI_SHOW_TERMINAL_H
#define NORMD_CLIENTS_CLI_SHOW_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Columns of the terminal behind `file`; 80 when it is none or does not say. */
size_t normd_terminal_columns(FILE *file);
/* Whether `file` is a terminal that can redraw a line. */
bool normd_terminal_is(FILE *file);
/* Writes text from elsewhere: what could command a terminal, and what is no UTF-8, as "\x1b". */
void normd_terminal_text(FILE *file, const char *text, size_t length);
/* Whether the locale writes UTF-8. Call setlocale(LC_CTYPE, "") before. */
bool normd_terminal_is_utf8(void);

#endif
