// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_CONFIG_FILE_H
#define NORMD_DAEMON_CONFIG_FILE_H

#include "daemon/settings.h"

/* Reads lines `name value` from a file into the settings. Names are those of the options without
   dashes; `#` starts a comment; empty lines are let pass. Messages start with "PATH:LINE: ". */
normd_status normd_config_file_read(const char *path, normd_settings *settings, normd_error *error);

#endif
