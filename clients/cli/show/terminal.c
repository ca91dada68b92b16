// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/show/terminal.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "protocol/utf8.h"

size_t normd_terminal_columns(FILE *file)
{
    struct winsize size;
    if (ioctl(fileno(file), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
    return 80;
}

bool normd_terminal_is(FILE *file)
{
    const char *kind = getenv("TERM");
    return isatty(fileno(file)) && (kind == NULL || strcmp(kind, "dumb") != 0);
}

void normd_terminal_text(FILE *file, const char *text, size_t length)
{
    size_t step;
    for (size_t at = 0; at < length; at += step) {
        step = normd_utf8_next(text + at, length - at);
        if (step > 0 && normd_utf8_is_plain(text + at, step)) {
            fwrite(text + at, 1, step, file);
        } else {
            fprintf(file, "\\x%02x", (unsigned char)text[at]);
            step = 1;
        }
    }
}

bool normd_terminal_is_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}
