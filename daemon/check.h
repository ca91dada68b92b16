// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_CHECK_H
#define NORMD_DAEMON_CHECK_H

#include <stdio.h>

#include "daemon/settings.h"

/* What --check does: reads the whole store in settings->data_dir, brings every session back in
   memory, doing again what a recovery would, and changes nothing. Writes what it found. The errors
   are those of a start. */
normd_status normd_check_store(const normd_settings *settings, FILE *to, normd_error *error);

#endif
