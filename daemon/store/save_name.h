// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_STORE_SAVE_NAME_H
#define NORMD_DAEMON_STORE_SAVE_NAME_H

#include "lib/base/error.h"

enum { NORMD_SAVE_NAME_BYTES = 64 };

/* Whether a copy may have this name: 1 to 64 of A-Z a-z 0-9 . _ -, not beginning with a dot; so it
   is one path component that no shell takes apart. BAD_ARGUMENT. */
normd_status normd_save_name_check(const char *name, normd_error *error);

#endif
