// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_ENGINE_H
#define NORMD_DAEMON_ENGINE_H

#include "daemon/settings.h"
#include "lib/session/session.h"

/* Makes what all sessions share as the settings say: kernels, workers, memory, budgets.
   BAD_ARGUMENT for kernels that this machine does not have, INTERNAL. */
normd_status normd_engine_start(normd_engine *engine, normd_session_totals *totals,
    const normd_settings *settings, normd_error *error);

/* Ends the workers and gives the memory back; also of one that was not started, or whose start
   failed. No session may use it any more. */
void normd_engine_stop(normd_engine *engine);

/* The kernels that this machine can run, as "reference, baseline, avx2". */
enum { NORMD_ENGINE_LIST_BYTES = 100 };
const char *normd_engine_list_kernels(char *text, size_t size);

#endif
