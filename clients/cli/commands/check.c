// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/commands.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ACCEPT_NUMERICS, ROWS };

static const normd_argument options[ROWS] = {
    [ACCEPT_NUMERICS] = {"accept-numerics", NULL,
        "check a store of another machine, whose last bits may differ here"},
};

/* The normd in the folder that this program lies in: the one of the same build. False: the path is
   too long, or the kernel does not tell it. */
static bool find_beside(char path[PATH_MAX])
{
    static const char NAME[] = "normd";
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
    if (length <= 0 || length == PATH_MAX - 1) {
        return false;
    }
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    if (slash == NULL || (size_t)(slash + 1 - path) + sizeof NAME > PATH_MAX) {
        return false;
    }
    memcpy(slash + 1, NAME, sizeof NAME);
    return true;
}

/* Stores are read by normd alone: this process becomes one, so that its words and its exit code are
   ours. */
static normd_cli_exit run(const normd_cli *cli, const normd_arguments *arguments)
{
    if (cli->json) {
        return normd_cli_usage_error("check: expected no --json: it writes lines for people, and "
                                     "its exit code says whether the store is whole");
    }
    char path[PATH_MAX];
    char check[] = "--check", accept[] = "--accept-numerics", yes[] = "yes", name[] = "normd";
    char *directory = strdup(arguments->rest[0]);
    bool accepts = arguments->value[ACCEPT_NUMERICS] != NULL;
    char *const argv[] = {
        name, check, directory, accepts ? accept : NULL, accepts ? yes : NULL, NULL};
    if (directory == NULL) {
        return normd_cli_usage_error("out of memory");
    }
    if (find_beside(path)) {
        execv(path, argv);
    }
    execvp(name, argv);
    normd_cli_exit code = normd_cli_usage_error("check: expected the program normd beside normctl "
                                                "or in PATH, which reads stores, got none: %s",
        strerror(errno));
    free(directory);
    return code;
}

const normd_cli_command normd_command_check = {
    .name = "check",
    .words = "DIR",
    .summary = "verify a data directory that no daemon has",
    .details = "Runs normd --check DIR, on this machine, and changes nothing. Every checksum and "
               "every session is\nverified, with what a start would do again. Exit status: 0 "
               "whole; 1 damaged, or in use by a daemon.",
    .examples = "  normctl check /var/lib/normd\n"
                "  normctl check /var/lib/normd/saves/20250131T120000.123Z",
    .options = options,
    .option_count = ROWS,
    .least = 1,
    .most = 1,
    .run = run,
};
