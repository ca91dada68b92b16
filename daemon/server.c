// SPDX-License-Identifier: Apache-2.0
#include "daemon/server.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/dispatch.h"
#include "daemon/engine.h"
#include "lib/blas/blas.h"

enum { ZONE_BYTES = 16 * 1024 };

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
    char list[NORMD_ENGINE_LIST_BYTES];
    normd_log_write(&server->log, NORMD_LOG_INFO,
        "normd " NORMD_VERSION ", %d threads, instruction set %s (of %s), caches of %zu and %zu "
        "KiB, %s",
        normd_pool_threads(engine->pool), engine->kernels->name,
        normd_engine_list_kernels(list, sizeof list), engine->caches.second / 1024,
        engine->caches.last / 1024, normd_blas_name());
    if (server->durable == NULL) {
        normd_log_write(&server->log, NORMD_LOG_INFO,
            "no data directory: sessions are in memory only and end with this process");
    }
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
    normd_ledger_destroy(server->ledger);
    normd_chunk_pool_clear(&server->chunks);
    normd_read_pool_clear(&server->read_buffers);
    msgpack_zone_destroy(&server->zone);
    normd_engine_stop(&server->engine);
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
    server->engine.pool = NULL;
    normd_durable_close(server->durable);
    uv_walk(&server->loop, close_handle, NULL);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    free_all(server);
}

/* Before there are threads: the store is looked at by a child of this process first. */
static normd_status open_store(normd_server *server, normd_error *error)
{
    const normd_settings *settings = server->settings;
    if (settings->data_dir[0] == '\0') {
        return NORMD_OK;
    }
    normd_durable_options options = {
        .directory = settings->data_dir,
        .sync = settings->fsync,
        .journal_bytes = settings->journal_bytes,
        .recovery_nanoseconds = settings->recovery_seconds * 1000000000,
        .any_numerics = settings->accept_numerics,
        .log = &server->log,
        .ledger = server->ledger,
        .done = normd_dispatch_done,
        .context = server,
    };
    return normd_durable_open(&options, &server->durable, error);
}

static normd_status take_recovered(
    void *context, const normd_durable_found *found, normd_error *error)
{
    normd_session_map *map = &((normd_server *)context)->sessions;
    normd_session_entry *entry =
        normd_session_map_claim(map, found->durable->name, found->durable->name_length);
    if (entry == NULL) {
        normd_session_destroy(found->session);
        normd_durable_session_release(found->durable);
        return normd_error_no_memory(error);
    }
    normd_session_map_put(map, entry, found->session, found->durable);
    normd_session_map_release(map, entry);
    return NORMD_OK;
}

static normd_status recover(normd_server *server, normd_error *error)
{
    normd_status status =
        normd_durable_recover(server->durable, &server->engine, take_recovered, server, error);
    return status == NORMD_OK ? normd_durable_start(server->durable, error) : status;
}

static normd_status start_all(normd_server *server, normd_error *error)
{
    if (!msgpack_zone_init(&server->zone, ZONE_BYTES)) {
        return normd_error_no_memory(error);
    }
    normd_ledger_limits limits = {
        .clients = server->settings->max_clients,
        .forget_seconds = server->settings->client_seconds,
        .answer_bytes = server->settings->max_client_memory,
    };
    server->ledger = normd_ledger_create(&limits, offsetof(normd_request, next));
    if (server->ledger == NULL) {
        return normd_error_no_memory(error);
    }
    normd_status status = open_store(server, error);
    if (status == NORMD_OK) {
        status = normd_engine_start(&server->engine, &server->totals, server->settings, error);
    }
    if (status == NORMD_OK) {
        normd_session_map_init(&server->sessions, server->engine.pool, &normd_dispatch_queue_work);
        status = start_loop(server, error);
    }
    if (status == NORMD_OK && server->durable != NULL) {
        status = recover(server, error);
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
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of the write */
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
