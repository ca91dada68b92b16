// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_SETTINGS_H
#define NORMD_DAEMON_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/log.h"
#include "daemon/store/store.h"
#include "lib/base/error.h"

enum {
    NORMD_SETTINGS_ADDRESS_BYTES = 64,
    NORMD_SETTINGS_PATH_BYTES = 108, /* of sockaddr_un */
    NORMD_SETTINGS_NAME_BYTES = 32,
    NORMD_SETTINGS_DIRECTORY_BYTES = 1024,
    NORMD_SETTINGS_NO_PORT = -1,
    NORMD_DEFAULT_PORT = 6676,
};

/* Everything that can be set when the daemon starts; never changed later. */
typedef struct normd_settings {
    char bind[NORMD_SETTINGS_ADDRESS_BYTES];
    int port;                                  /* 0: any free one; NORMD_SETTINGS_NO_PORT: no TCP */
    char unix_path[NORMD_SETTINGS_PATH_BYTES]; /* "": no Unix socket */
    unsigned unix_mode;
    int threads;
    char instruction_set[NORMD_SETTINGS_NAME_BYTES]; /* "auto": the best there is */
    uint64_t max_message_bytes;
    uint64_t max_connections;
    uint64_t max_memory;
    uint64_t progress_seconds;
    uint64_t max_work_bytes;
    uint64_t max_session_bytes;
    uint64_t max_session_memory;
    uint64_t max_context_memory;
    uint64_t context_bytes;
    uint64_t context_seconds;
    uint64_t max_clients; /* with client and seq, that are remembered */
    uint64_t client_seconds;
    uint64_t max_client_memory;
    char data_dir[NORMD_SETTINGS_DIRECTORY_BYTES]; /* "": sessions are in memory only */
    normd_store_sync fsync;
    uint64_t journal_bytes;
    uint64_t recovery_seconds;
    bool accept_numerics;
    normd_log_level log_level;
} normd_settings;

/* What a start without any option means on this machine. */
void normd_settings_default(normd_settings *settings);

/* Sets one by its name as the command line and the configuration file write it, without dashes. */
normd_status normd_settings_set(
    normd_settings *settings, const char *name, const char *value, normd_error *error);

typedef enum normd_settings_action {
    NORMD_SETTINGS_RUN,
    NORMD_SETTINGS_HELP,
    NORMD_SETTINGS_VERSION,
    NORMD_SETTINGS_CHECK, /* the store in data_dir, and end */
} normd_settings_action;

/* Reads defaults, then the file that --config names, then NORMD_INSTRUCTION_SET from the
   environment, then the command line; later ones win. */
normd_status normd_settings_read(normd_settings *settings, int argc, char *argv[],
    normd_settings_action *action, normd_error *error);

/* Writes the list of options. */
void normd_settings_help(FILE *stream);

#endif
