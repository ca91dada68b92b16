// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/answer.h"
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"
#include "daemon/server.h"
#include "lib/blas/blas.h"
#include "protocol/writer.h"

/* Kept as totals: walking over thousands of sessions would stop the loop. */
static uint64_t session_bytes(const normd_session_totals *totals)
{
    return atomic_load_explicit(&totals->bytes, memory_order_relaxed) +
           normd_budget_used(&totals->contexts);
}

/* The names of the kernels that this machine can run, plainest first. */
static void answer_instruction_sets(msgpack_packer *packer)
{
    size_t rows, supported = 0;
    const normd_kernels *table = normd_kernels_table(&rows);
    for (size_t r = 0; r < rows; r++) {
        supported += table[r].supported();
    }
    normd_write_str(packer, "instruction_sets");
    msgpack_pack_array(packer, supported);
    for (size_t r = 0; r < rows; r++) {
        if (table[r].supported()) {
            normd_write_str(packer, table[r].name);
        }
    }
}

static void answer_store(msgpack_packer *packer, const normd_server *server)
{
    static const char *const modes[] = {[NORMD_STORE_SYNC_ALWAYS] = "always",
        [NORMD_STORE_SYNC_EVERYSEC] = "everysec",
        [NORMD_STORE_SYNC_NO] = "no"};
    normd_durable_figures figures;
    normd_durable_read_figures(server->durable, &figures);
    normd_write_str(packer, "store");
    msgpack_pack_map(packer, 8);
    normd_answer_text(packer, "fsync", modes[server->settings->fsync]);
    normd_answer_uint(packer, "commits", figures.commits);
    normd_answer_uint(packer, "groups", figures.groups);
    normd_answer_uint(packer, "failed_groups", figures.failed_groups);
    normd_answer_uint(packer, "checkpoints", figures.checkpoints);
    normd_answer_uint(packer, "failed_checkpoints", figures.failed_checkpoints);
    normd_answer_uint(packer, "journal_bytes", figures.journal_bytes);
    normd_answer_double(packer, "recovery_seconds", figures.recovery_seconds);
}

static normd_status run(normd_request *request, normd_error *error)
{
    (void)error;
    normd_server *server = request->server;
    msgpack_packer packer = normd_request_answer(request, server->durable != NULL ? 13 : 12);
    normd_answer_text(&packer, "version", NORMD_VERSION);
    normd_answer_double(&packer, "uptime", (double)(uv_hrtime() - server->started) * 1e-9);
    normd_answer_uint(&packer, "threads", (uint64_t)normd_pool_threads(server->engine.pool));
    normd_answer_text(&packer, "instruction_set", server->engine.kernels->name);
    answer_instruction_sets(&packer);
    normd_answer_text(&packer, "blas", normd_blas_name());
    normd_answer_uint(&packer, "connections", server->connection_count);
    normd_answer_uint(&packer, "sessions", normd_session_map_count(&server->sessions));
    normd_answer_uint(&packer, "bytes", session_bytes(&server->totals));
    size_t clients, client_bytes;
    normd_ledger_count(server->ledger, &clients, &client_bytes);
    normd_answer_uint(&packer, "clients", clients);
    normd_answer_uint(&packer, "client_bytes", client_bytes);
    if (server->durable != NULL) {
        answer_store(&packer, server);
    }
    normd_answer_limits(&packer, &server->limits);
    return NORMD_OK;
}

const normd_handler normd_handler_server_info = {.parse = normd_parse_nothing, .run = run};
