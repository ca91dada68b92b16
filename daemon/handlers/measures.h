// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_HANDLERS_MEASURES_H
#define NORMD_DAEMON_HANDLERS_MEASURES_H

#include "daemon/request.h"

/* The answer of stats.batch and stats.drift: {version, layers: [{name, type, count, ARRAY...}]}.
   Takes the measures. TOO_LARGE. */
normd_status normd_answer_measures(
    normd_request *request, normd_measures *measures, normd_error *error);

#endif
