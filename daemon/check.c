// SPDX-License-Identifier: Apache-2.0
#include "daemon/check.h"

#include <inttypes.h>
#include <unistd.h>

#include "daemon/durable.h"
#include "daemon/engine.h"
#include "daemon/request.h"

typedef struct looking {
    FILE *to;
    uint64_t sessions;
} looking;

static normd_status count(void *context, const normd_durable_found *found, normd_error *error)
{
    (void)error;
    looking *look = context;
    normd_snapshot *snapshot = normd_session_snapshot(found->session);
    fprintf(look->to, "session %s: version %" PRIu64 ", %zu bytes\n", found->durable->name,
        normd_snapshot_version(snapshot), normd_session_state_bytes(found->session));
    normd_snapshot_release(snapshot);
    normd_session_destroy(found->session);
    normd_durable_session_release(found->durable);
    look->sessions++;
    return NORMD_OK;
}

static void nobody(void *context, normd_request *request)
{
    (void)context;
    (void)request;
}

static void tell(normd_durable *durable, normd_ledger *ledger, const looking *look)
{
    normd_durable_figures figures;
    normd_durable_read_figures(durable, &figures);
    size_t clients, bytes;
    normd_ledger_count(ledger, &clients, &bytes);
    fprintf(look->to,
        "whole: %" PRIu64 " sessions, %zu clients, %" PRIu64 " journal records, read in %.3f "
        "seconds",
        look->sessions, clients, figures.recovered_records, figures.recovery_seconds);
    if (figures.recovered_cut_bytes > 0) {
        fprintf(look->to, "; the journal ends in %" PRIu64 " bytes that were never written whole",
            figures.recovered_cut_bytes);
    }
    fputc('\n', look->to);
}

normd_status normd_check_store(const normd_settings *settings, FILE *to, normd_error *error)
{
    looking look = {.to = to};
    normd_log log = {.fd = STDERR_FILENO, .level = NORMD_LOG_WARNING};
    normd_engine engine = {.pool = NULL};
    normd_session_totals totals = {.bytes = 0};
    normd_durable *durable = NULL;
    normd_ledger *ledger = normd_ledger_create(UINT32_MAX, 0, offsetof(normd_request, next));
    if (ledger == NULL) {
        return normd_error_no_memory(error);
    }
    normd_durable_options options = {
        .directory = settings->data_dir,
        .read_only = true,
        .any_numerics = settings->accept_numerics,
        .log = &log,
        .ledger = ledger,
        .done = nobody,
    };
    normd_status status = normd_durable_open(&options, &durable, error);
    if (status == NORMD_OK) {
        status = normd_engine_start(&engine, &totals, settings, error);
    }
    if (status == NORMD_OK) {
        status = normd_durable_recover(durable, &engine, count, &look, error);
    }
    if (status == NORMD_OK) {
        tell(durable, ledger, &look);
    }
    normd_engine_stop(&engine);
    normd_durable_close(durable);
    normd_ledger_destroy(ledger);
    return status;
}
