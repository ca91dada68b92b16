// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_STORE_DIRECTORY_LOCK_H
#define NORMD_DAEMON_STORE_DIRECTORY_LOCK_H

#include "daemon/store/directory.h"

/* Takes DIR/lock: alone, or beside other checks with read_only, which goes without when there is no
   such file. STORE_FAILED: another process has it (named), or no lock can be had. */
normd_status normd_directory_lock(normd_directory *directory, normd_error *error);
void normd_directory_unlock(normd_directory *directory);

#endif
