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

/* What is in DIR, one line each; what was verified is said once, at the end. */
static normd_status tell_session(
    void *context, const normd_durable_found *found, normd_error *error)
{
    (void)error;
    looking *look = context;
    const normd_durable_session *durable = found->durable;
    fprintf(look->to,
        "session %s: version %" PRIu64 ", %" PRIu64 " optimizer steps, %zu bytes of state, %zu "
        "forward steps kept\n",
        durable->name, normd_image_version(durable->image), normd_image_steps(durable->image),
        normd_session_state_bytes(found->session), durable->kept->steps.count);
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

static normd_status count_answer(void *context, const char *client, size_t length, uint64_t seq,
    const normd_ledger_answer *answer, normd_error *error)
{
    (void)client, (void)length, (void)seq, (void)answer, (void)error;
    (*(uint64_t *)context)++;
    return NORMD_OK;
}

static void tell(normd_durable *durable, normd_ledger *ledger, const looking *look)
{
    normd_durable_figures figures;
    normd_durable_read_figures(durable, &figures);
    size_t clients, bytes;
    uint64_t answers = 0;
    normd_error error;
    normd_ledger_count(ledger, &clients, &bytes);
    normd_ledger_each(ledger, count_answer, &answers, &error);
    fprintf(
        look->to, "clients: %zu, with the answers to %" PRIu64 " mutations\n", clients, answers);
    fprintf(look->to, "base: %" PRIu64 " rows, %" PRIu64 " bytes\n", figures.recovered_rows,
        figures.recovered_row_bytes);
    fprintf(look->to,
        "journal: %" PRIu64 " records, %" PRIu64 " bytes; %" PRIu64 " requests done again\n",
        figures.recovered_records, figures.recovered_record_bytes, figures.recovered_again);
    if (figures.recovered_cut_bytes > 0) {
        fprintf(look->to,
            "journal: %" PRIu64 " bytes at its end were never written whole, as after a crash; the "
            "next start cuts them off\n",
            figures.recovered_cut_bytes);
    }
    fprintf(look->to,
        "whole: every checksum is right, and %" PRIu64 " sessions come back as a start would bring "
        "them (start %" PRIu64 " was the last; read in %.3f seconds)\n",
        look->sessions, figures.starts, figures.recovery_seconds);
}

normd_status normd_check_store(const normd_settings *settings, FILE *to, normd_error *error)
{
    looking look = {.to = to};
    normd_log log = {.fd = STDERR_FILENO, .level = NORMD_LOG_WARNING};
    normd_engine engine = {.pool = NULL};
    normd_session_totals totals = {.bytes = 0};
    normd_durable *durable = NULL;
    normd_ledger_limits limits = {
        .clients = UINT32_MAX, .answer_bytes = settings->max_client_memory};
    normd_ledger *ledger = normd_ledger_create(&limits, offsetof(normd_request, next));
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
        status = normd_durable_recover(durable, &engine, tell_session, &look, error);
    }
    if (status == NORMD_OK) {
        tell(durable, ledger, &look);
    }
    /* What the journal changed is listed there, and holds the engine's memory. */
    normd_durable_close(durable);
    normd_engine_stop(&engine);
    normd_ledger_destroy(ledger);
    return status;
}
