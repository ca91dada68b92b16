// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/table.h"

static const normd_handler *const handlers[] = {
    [NORMD_METHOD_HELLO] = &normd_handler_hello,
    [NORMD_METHOD_PING] = &normd_handler_ping,
    [NORMD_METHOD_SERVER_INFO] = &normd_handler_server_info,
    [NORMD_METHOD_SESSION_CREATE] = &normd_handler_session_create,
    [NORMD_METHOD_SESSION_LIST] = &normd_handler_session_list,
    [NORMD_METHOD_SESSION_DESCRIBE] = &normd_handler_session_describe,
    [NORMD_METHOD_SESSION_DELETE] = &normd_handler_session_delete,
    [NORMD_METHOD_SESSION_EXPORT] = &normd_handler_session_export,
    [NORMD_METHOD_SESSION_IMPORT] = &normd_handler_session_import,
    [NORMD_METHOD_SESSION_CONVERT] = &normd_handler_session_convert,
    [NORMD_METHOD_SESSION_COPY] = &normd_handler_session_copy,
    [NORMD_METHOD_OPTIMIZER_SET] = &normd_handler_optimizer_set,
    [NORMD_METHOD_FORWARD] = &normd_handler_forward,
    [NORMD_METHOD_BACKWARD] = &normd_handler_backward,
    [NORMD_METHOD_STEP] = &normd_handler_step,
    [NORMD_METHOD_TRAIN] = &normd_handler_train,
    [NORMD_METHOD_EVALUATE] = &normd_handler_evaluate,
    [NORMD_METHOD_INFER] = &normd_handler_infer,
    [NORMD_METHOD_STATS] = &normd_handler_stats,
    [NORMD_METHOD_STATS_RESET] = &normd_handler_stats_reset,
    [NORMD_METHOD_STATS_RECALIBRATE] = &normd_handler_stats_recalibrate,
    [NORMD_METHOD_STATS_FREEZE] = &normd_handler_stats_freeze,
    [NORMD_METHOD_STATS_THAW] = &normd_handler_stats_thaw,
    [NORMD_METHOD_STATS_BATCH] = &normd_handler_stats_batch,
    [NORMD_METHOD_STATS_DRIFT] = &normd_handler_stats_drift,
    [NORMD_METHOD_SERVER_SAVE] = &normd_handler_server_save,
};
_Static_assert(
    sizeof handlers / sizeof *handlers == NORMD_METHOD_COUNT, "every method has its handler");

const normd_handler *normd_handler_of(normd_method_id id)
{
    return handlers[id];
}
