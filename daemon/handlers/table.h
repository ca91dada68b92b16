// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_HANDLERS_TABLE_H
#define NORMD_DAEMON_HANDLERS_TABLE_H

#include "daemon/handler.h"

/* One a method, each in a file of the method's name. */
extern const normd_handler normd_handler_hello, normd_handler_ping, normd_handler_server_info,
    normd_handler_session_create, normd_handler_session_list, normd_handler_session_describe,
    normd_handler_session_delete, normd_handler_session_export, normd_handler_session_import,
    normd_handler_session_convert, normd_handler_session_copy, normd_handler_optimizer_set,
    normd_handler_forward, normd_handler_backward, normd_handler_step, normd_handler_train,
    normd_handler_evaluate, normd_handler_infer, normd_handler_stats, normd_handler_stats_reset,
    normd_handler_stats_recalibrate, normd_handler_stats_freeze, normd_handler_stats_thaw,
    normd_handler_stats_batch, normd_handler_stats_drift, normd_handler_server_save;

#endif
