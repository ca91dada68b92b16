// SPDX-License-Identifier: Apache-2.0
#include "daemon/engine.h"

#include <stdio.h>

#include "lib/blas/blas.h"

/* Unused batch memory that is kept for the next batch. */
static const size_t KEEP_BYTES = (size_t)256 << 20;
/* A bin of MessagePack holds less than 4 GiB, and an answer is more than its array. */
static const uint64_t MOST_ANSWER_BYTES = UINT32_MAX - (UINT64_C(1) << 20);

const char *normd_engine_list_kernels(char *text, size_t size)
{
    size_t rows, length = 0;
    const normd_kernels *table = normd_kernels_table(&rows);
    text[0] = '\0';
    for (size_t r = 0; r < rows && length < size; r++) {
        if (table[r].supported()) {
            const char *comma = length > 0 ? ", " : "";
            length += (size_t)snprintf(text + length, size - length, "%s%s", comma, table[r].name);
        }
    }
    return text;
}

static normd_status refuse_kernels(const char *name, normd_error *error)
{
    char list[NORMD_ENGINE_LIST_BYTES];
    return normd_error_set(error, NORMD_BAD_ARGUMENT,
        "instruction-set: expected auto or one that this machine has (%s), got \"%s\"",
        normd_engine_list_kernels(list, sizeof list), name);
}

normd_status normd_engine_start(normd_engine *engine, normd_session_totals *totals,
    const normd_settings *settings, normd_error *error)
{
    engine->kernels = normd_kernels_choose(settings->instruction_set);
    if (engine->kernels == NULL) {
        return refuse_kernels(settings->instruction_set, error);
    }
    engine->caches = normd_cache_sizes_read();
    normd_blas_single_thread();
    totals->sessions.limit = settings->max_session_memory;
    totals->contexts.limit = settings->max_context_memory;
    engine->totals = totals;
    engine->context_bytes = settings->context_bytes;
    engine->context_milliseconds = settings->context_seconds * 1000;
    uint64_t message = settings->max_message_bytes;
    engine->limits = (normd_memory_limits){
        .answer_bytes = message < MOST_ANSWER_BYTES ? message : MOST_ANSWER_BYTES,
        .work_bytes = settings->max_work_bytes,
        .session_bytes = settings->max_session_bytes,
    };
    engine->buffers = normd_buffer_cache_create(KEEP_BYTES);
    engine->pool = normd_pool_create(settings->threads);
    if (engine->buffers == NULL || engine->pool == NULL) {
        return normd_error_set(error, NORMD_INTERNAL, "cannot start %d threads", settings->threads);
    }
    return NORMD_OK;
}

void normd_engine_stop(normd_engine *engine)
{
    normd_pool_destroy(engine->pool);
    normd_buffer_cache_destroy(engine->buffers);
    *engine = (normd_engine){.pool = NULL};
}
