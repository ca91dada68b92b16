// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/show/terminal.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

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

bool normd_terminal_is_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}
