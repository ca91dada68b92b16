// SPDX-License-Identifier: Apache-2.0
#include "clients/bench/settings.h"

#include <stdio.h>
#include <string.h>

#include "clients/cli/common/arguments.h"
#include "clients/cli/common/model_text.h"
#include "clients/cli/common/number.h"

enum {
    HOST,
    PORT,
    UNIX,
    METHOD,
    SHAPE,
    MODEL,
    LOSS,
    OPTIMIZER,
    SESSIONS,
    CONNECTIONS,
    PIPELINE,
    THREADS,
    REQUESTS,
    SECONDS,
    RATE,
    CHURN,
    SEED,
    CSV,
    JSON,
    ROWS,
};

static const normd_argument options[ROWS] = {
    [HOST] = {"host", "H", "the daemon's host (127.0.0.1)"},
    [PORT] = {"port", "P", "its port (6676)"},
    [UNIX] = {"unix", "PATH", "its Unix socket, instead of host and port"},
    [METHOD] = {"method", "NAME", "infer (default), train, forward, stats or ping"},
    [SHAPE] = {"shape", "SHAPE", "of a batch: 64x256 (default), 32x64x28x28"},
    [MODEL] = {"model", "TEXT", "the layers, as normctl create takes them (batch_norm)"},
    [LOSS] = {"loss", "NAME", "for train: mse (default) or cross_entropy"},
    [OPTIMIZER] = {"optimizer", "TEXT", "for train, as normctl create takes it (sgd)"},
    [SESSIONS] = {"sessions", "N", "spread the connections over N sessions (1)"},
    [CONNECTIONS] = {"connections", "N", "(50)"},
    [PIPELINE] = {"pipeline", "N", "requests in flight on each connection (1)"},
    [THREADS] = {"threads", "N", "of this program (1)"},
    [REQUESTS] = {"requests", "N", "end after N requests"},
    [SECONDS] = {"seconds", "S", "end after S seconds (5, unless --requests is given)"},
    [RATE] = {"rate", "R",
        "send R requests a second, whether answers come or not;\n"
        "latency counts from when a request should have gone"},
    [CHURN] = {"churn", NULL,
        "half of the connections are cut at random bytes and opened\n"
        "again; the others must get right answers"},
    [SEED] = {"seed", "N", "of the data and of the churn (1)"},
    [CSV] = {"csv", NULL, "the report as a CSV header and line"},
    [JSON] = {"json", NULL, "the report as JSON"},
};

static const char *const method_names[] = {"infer", "train", "forward", "stats", "ping"};

static void print_help(void)
{
    fputs("normbench measures normd under load.\n\n"
          "usage: normbench [--OPTION VALUE ...]\n\noptions:\n",
        stdout);
    normd_arguments_help(stdout, options, ROWS);
    fputs("\nIts sessions are made at the start and deleted at the end. Exit status: 0 done; 1 a "
          "wrong\n"
          "or refused answer, or a lost connection; 2 wrong usage; 3 cannot connect.\n\n"
          "examples:\n"
          "  normbench --method infer --shape 1x256 --connections 50 --pipeline 16\n"
          "  normbench --method train --shape 64x256 --model \"linear 128, batch_norm, relu\"\n"
          "  normbench --rate 20000 --seconds 10 --json\n"
          "  normbench --churn --seconds 600 --connections 64\n",
        stdout);
}

static void read_method(
    const normd_arguments *arguments, normd_bench_settings *settings, normd_error *error)
{
    const char *name = arguments->value[METHOD] != NULL ? arguments->value[METHOD] : "infer";
    for (size_t k = 0; k < sizeof method_names / sizeof method_names[0]; k++) {
        if (strcmp(name, method_names[k]) == 0) {
            settings->method = (normd_bench_method)k;
            settings->method_name = method_names[k];
            return;
        }
    }
    normd_error_set(error, NORMD_BAD_ARGUMENT,
        "--method: expected infer, train, forward, stats or ping, got \"%s\"", name);
}

/* A mistake in a text is one of usage; what the layers mean is the daemon's to judge. */
static void check_texts(const normd_bench_settings *settings, normd_error *error)
{
    normd_error reason;
    json_t *layers = normd_model_text_layers(settings->model, &reason);
    if (layers == NULL && error->status == NORMD_OK) {
        normd_error_set(error, NORMD_BAD_ARGUMENT, "--model: %.400s", reason.message);
    }
    json_t *optimizer = normd_model_text_option(settings->optimizer, "--optimizer", &reason);
    if (optimizer == NULL && error->status == NORMD_OK) {
        normd_error_set(error, NORMD_BAD_ARGUMENT, "%.400s", reason.message);
    }
    json_decref(layers);
    json_decref(optimizer);
}

static void read_words(
    const normd_arguments *arguments, normd_bench_settings *settings, normd_error *error)
{
    const char *const *value = arguments->value;
    const char *shape = value[SHAPE] != NULL ? value[SHAPE] : "64x256";
    settings->model = value[MODEL] != NULL ? value[MODEL] : "batch_norm";
    settings->loss = value[LOSS] != NULL ? value[LOSS] : "mse";
    settings->optimizer = value[OPTIMIZER] != NULL ? value[OPTIMIZER] : "sgd";
    settings->churn = value[CHURN] != NULL;
    settings->format = value[JSON] != NULL  ? NORMD_BENCH_JSON
                       : value[CSV] != NULL ? NORMD_BENCH_CSV
                                            : NORMD_BENCH_TEXT;
    read_method(arguments, settings, error);
    check_texts(settings, error);
    if (error->status == NORMD_OK &&
        (!normd_number_parse_shape(shape, &settings->shape) || settings->shape.rank < 2)) {
        normd_error_set(error, NORMD_BAD_ARGUMENT,
            "--shape: expected ROWSxFEATURES or more axes, got \"%s\"", shape);
    }
}

static void read_address(
    const normd_arguments *arguments, normd_bench_settings *settings, normd_error *error)
{
    size_t port = normd_arguments_count(options, arguments, PORT, 6676, 1, 65535, error);
    const char *host = arguments->value[HOST] != NULL ? arguments->value[HOST] : "127.0.0.1";
    int length;
    if (arguments->value[UNIX] != NULL) {
        length = snprintf(
            settings->address, sizeof settings->address, "unix:%s", arguments->value[UNIX]);
    } else {
        bool bare_ipv6 = strchr(host, ':') != NULL && host[0] != '[';
        length = snprintf(settings->address, sizeof settings->address,
            bare_ipv6 ? "[%s]:%zu" : "%s:%zu", host, port);
    }
    if ((size_t)length >= sizeof settings->address && error->status == NORMD_OK) {
        normd_error_set(error, NORMD_BAD_ARGUMENT, "the address is too long");
    }
}

static void read_numbers(
    const normd_arguments *arguments, normd_bench_settings *settings, normd_error *error)
{
    settings->connections =
        normd_arguments_count(options, arguments, CONNECTIONS, 50, 1, 60000, error);
    settings->pipeline = normd_arguments_count(options, arguments, PIPELINE, 1, 1, 4096, error);
    settings->threads = normd_arguments_count(options, arguments, THREADS, 1, 1, 256, error);
    settings->sessions = normd_arguments_count(options, arguments, SESSIONS, 1, 1, 10000, error);
    settings->requests = normd_arguments_count(options, arguments, REQUESTS, 0, 1, SIZE_MAX, error);
    double seconds = settings->requests > 0 ? 0.0 : 5.0;
    settings->seconds =
        normd_arguments_number(options, arguments, SECONDS, seconds, 0.001, 1e7, error);
    settings->rate = normd_arguments_number(options, arguments, RATE, 0.0, 0.001, 1e9, error);
    settings->seed = normd_arguments_count(options, arguments, SEED, 1, 0, SIZE_MAX, error);
    if (settings->threads > settings->connections) {
        settings->threads = settings->connections;
    }
    if (settings->sessions > settings->connections) {
        settings->sessions = settings->connections;
    }
    if (error->status == NORMD_OK && settings->churn && settings->connections < 2) {
        normd_error_set(error, NORMD_BAD_ARGUMENT, "--churn: expected at least 2 connections");
    }
}

bool normd_bench_settings_read(
    int argc, char **argv, normd_bench_settings *settings, int *exit_code)
{
    *settings = (normd_bench_settings){.seed = 1};
    normd_arguments arguments;
    normd_error error = {.status = NORMD_OK};
    normd_status status =
        normd_arguments_read(options, ROWS, argc - 1, argv + 1, false, &arguments, &error);
    if (status == NORMD_OK && arguments.help) {
        print_help();
        *exit_code = 0;
        return false;
    }
    if (status == NORMD_OK && arguments.rest_count > 0) {
        normd_error_set(
            &error, NORMD_BAD_ARGUMENT, "expected options alone, got \"%s\"", arguments.rest[0]);
    }
    if (error.status == NORMD_OK) {
        read_words(&arguments, settings, &error);
        read_address(&arguments, settings, &error);
        read_numbers(&arguments, settings, &error);
    }
    if (error.status != NORMD_OK) {
        fprintf(stderr, "normbench: %s (see normbench --help)\n", error.message);
        *exit_code = 2;
        return false;
    }
    return true;
}
