// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

#include "daemon/check.h"
#include "daemon/server.h"
#include "daemon/settings.h"

enum { EXIT_USAGE = 2 };

int main(int argc, char *argv[])
{
    normd_settings settings;
    normd_settings_action action;
    normd_error error;
    if (normd_settings_read(&settings, argc, argv, &action, &error) != NORMD_OK) {
        fprintf(stderr, "normd: %s\n", error.message);
        return EXIT_USAGE;
    }
    if (action == NORMD_SETTINGS_HELP) {
        normd_settings_help(stdout);
        return EXIT_SUCCESS;
    }
    if (action == NORMD_SETTINGS_VERSION) {
        puts("normd " NORMD_VERSION);
        return EXIT_SUCCESS;
    }
    if (action == NORMD_SETTINGS_CHECK) {
        if (normd_check_store(&settings, stdout, &error) == NORMD_OK) {
            return EXIT_SUCCESS;
        }
        fprintf(stderr, "normd: %s\nnormd: nothing was changed in %s\n", error.message,
            settings.data_dir);
        return EXIT_FAILURE;
    }
    normd_server server;
    if (normd_server_start(&server, &settings, &error) != NORMD_OK) {
        fprintf(stderr, "normd: %s\n", error.message);
        return EXIT_FAILURE;
    }
    normd_server_run(&server);
    return EXIT_SUCCESS;
}
