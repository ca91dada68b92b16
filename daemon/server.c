// SPDX-License-Identifier: Apache-2.0
#include "daemon/server.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/dispatch.h"
#include "lib/blas/blas.h"

/* Unused batch memory that is kept for the next batch. */
static const size_t KEEP_BYTES = (size_t)256 << 20;
/* A bin of MessagePack holds less than 4 GiB, and an answer is more than its array. */
static const uint64_t MOST_ANSWER_BYTES = UINT32_MAX - (UINT64_C(1) << 20);
enum { ZONE_BYTES = 16 * 1024, KERNEL_LIST_BYTES = 100 };

/* Every connection takes a descriptor; the soft limit of most systems is far below what is
   allowed. */
static void raise_file_limit(const normd_log *log, uint64_t connections)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < connections + 64) {
        normd_log_write(log, NORMD_LOG_WARNING,
            "the limit of %llu open files does not hold %llu connections",
            (unsigned long long)limit.rlim_max, (unsigned long long)connections);
    }
}

/* The kernels that this machine can run, as "reference, baseline, avx2". */
static const char *list_kernels(char *text, size_t size)
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
    char list[KERNEL_LIST_BYTES];
    return normd_error_set(error, NORMD_BAD_ARGUMENT,
        "instruction-set: expected auto or one that this machine has (%s), got \"%s\"",
        list_kernels(list, sizeof list), name);
}

static normd_status start_engine(
    normd_server *server, const normd_settings *settings, normd_error *error)
{
    normd_engine *engine = &server->engine;
    engine->kernels = normd_kernels_choose(settings->instruction_set);
    if (engine->kernels == NULL) {
        return refuse_kernels(settings->instruction_set, error);
    }
    engine->caches = normd_cache_sizes_read();
    normd_blas_single_thread();
    server->totals.sessions.limit = settings->max_session_memory;
    server->totals.contexts.limit = settings->max_context_memory;
    engine->totals = &server->totals;
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

/* A signal handler of libuv's runs on the loop. The second signal does not wait for anything. */
static void on_signal(uv_signal_t *handle, int number)
{
    normd_server *server = handle->data;
    if (server->stop != NORMD_STOP_NOT) {
        normd_log_write(&server->log, NORMD_LOG_WARNING, "%s again: stopping at once",
            number == SIGINT ? "SIGINT" : "SIGTERM");
        _exit(128 + number);
    }
    normd_log_write(&server->log, NORMD_LOG_INFO, "%s: stopping, %zu requests in flight",
        number == SIGINT ? "SIGINT" : "SIGTERM", server->in_flight);
    normd_server_stop(server);
}

static normd_status start_loop(normd_server *server, normd_error *error)
{
    static const int numbers[NORMD_SERVER_SIGNALS] = {SIGINT, SIGTERM};
    int result =
        normd_completion_open(&server->completion, &server->loop, normd_dispatch_deliver, server);
    for (int i = 0; result == 0 && i < NORMD_SERVER_SIGNALS; i++) {
        result = uv_signal_init(&server->loop, &server->signal[i]);
        server->signal[i].data = server;
        if (result == 0) {
            result = uv_signal_start(&server->signal[i], on_signal, numbers[i]);
        }
    }
    if (result == 0) {
        result = uv_timer_init(&server->loop, &server->deadline);
        server->deadline.data = server;
    }
    if (result == 0) {
        result = normd_expiry_open(&server->expiry, server);
    }
    if (result == 0) {
        result = normd_turns_open(&server->turns, &server->loop);
    }
    if (result == 0) {
        result = normd_progress_open(
            &server->progress, &server->loop, server->settings->progress_seconds);
    }
    if (result != 0) {
        return normd_error_set(
            error, NORMD_INTERNAL, "cannot start the event loop: %s", uv_strerror(result));
    }
    return NORMD_OK;
}

static void on_connection(void *context, normd_transport *transport)
{
    normd_server *server = context;
    if (server->connection_count >= server->settings->max_connections) {
        normd_log_write(&server->log, NORMD_LOG_WARNING,
            "closing %s: %zu connections are open, and no more are allowed", transport->peer,
            server->connection_count);
        transport->operations->close(transport);
        return;
    }
    normd_connection_open(server, transport);
}

static normd_status listen_all(normd_server *server, normd_error *error)
{
    const normd_settings *settings = server->settings;
    normd_status status = NORMD_OK;
    if (settings->port != NORMD_SETTINGS_NO_PORT) {
        status = normd_listener_open_tcp(
            &server->listener[0], &server->loop, settings, on_connection, server, error);
    }
    if (status == NORMD_OK && settings->unix_path[0] != '\0') {
        status = normd_listener_open_unix(
            &server->listener[1], &server->loop, settings, on_connection, server, error);
    }
    return status;
}

static void announce(const normd_server *server)
{
    const normd_engine *engine = &server->engine;
    char list[KERNEL_LIST_BYTES];
    normd_log_write(&server->log, NORMD_LOG_INFO,
        "normd " NORMD_VERSION ", %d threads, instruction set %s (of %s), caches of %zu and %zu "
        "KiB, %s",
        normd_pool_threads(engine->pool), engine->kernels->name, list_kernels(list, sizeof list),
        engine->caches.second / 1024, engine->caches.last / 1024, normd_blas_name());
    normd_log_write(&server->log, NORMD_LOG_INFO,
        "no data directory: sessions are in memory only and end with this process");
    for (int i = 0; i < NORMD_SERVER_LISTENERS; i++) {
        if (server->listener[i].open) {
            dprintf(server->log.fd, "normd: listening on %s\n", server->listener[i].name);
        }
    }
}

static void free_all(normd_server *server)
{
    normd_session_map_clear(&server->sessions);
    normd_request_pool_clear(&server->requests);
    normd_chunk_pool_clear(&server->chunks);
    normd_read_pool_clear(&server->read_buffers);
    msgpack_zone_destroy(&server->zone);
    normd_buffer_cache_destroy(server->engine.buffers);
    uv_loop_close(&server->loop);
}

static void close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

/* The end of a start that failed half way. */
static void abandon(normd_server *server)
{
    normd_pool_destroy(server->engine.pool);
    uv_walk(&server->loop, close_handle, NULL);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    free_all(server);
}

static normd_status start_all(normd_server *server, normd_error *error)
{
    if (!msgpack_zone_init(&server->zone, ZONE_BYTES)) {
        return normd_error_no_memory(error);
    }
    normd_status status = start_engine(server, server->settings, error);
    if (status == NORMD_OK) {
        normd_session_map_init(&server->sessions, server->engine.pool, &normd_dispatch_queue_work);
        status = start_loop(server, error);
    }
    if (status == NORMD_OK) {
        status = listen_all(server, error);
    }
    if (status == NORMD_OK) {
        announce(server);
    }
    return status;
}

normd_status normd_server_start(
    normd_server *server, const normd_settings *settings, normd_error *error)
{
    *server = (normd_server){
        .settings = settings,
        .log = {.fd = STDERR_FILENO, .level = settings->log_level},
        .limits = NORMD_LIMITS_DEFAULT,
        .memory = {.limit = settings->max_memory},
        .started = uv_hrtime(),
    };
    server->limits.message_bytes = settings->max_message_bytes;
    signal(SIGPIPE, SIG_IGN);
    raise_file_limit(&server->log, settings->max_connections);
    int result = uv_loop_init(&server->loop);
    if (result != 0) {
        return normd_error_set(
            error, NORMD_INTERNAL, "cannot make the event loop: %s", uv_strerror(result));
    }
    normd_status status = start_all(server, error);
    if (status != NORMD_OK) {
        abandon(server);
    }
    return status;
}

void normd_server_run(normd_server *server)
{
    uv_run(&server->loop, UV_RUN_DEFAULT);
    normd_log_write(&server->log, NORMD_LOG_INFO, "stopped");
    free_all(server);
}
