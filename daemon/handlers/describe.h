// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_HANDLERS_DESCRIBE_H
#define NORMD_DAEMON_HANDLERS_DESCRIBE_H

#include "daemon/request.h"

/* Answers the description of a session: its name, `created` unless that is NULL, and what the
   snapshot says in the words of the asked convention, or its own. Any thread. */
normd_status normd_answer_description(normd_request *request, const normd_snapshot *snapshot,
    const bool *created, normd_error *error);

#endif
