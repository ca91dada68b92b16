// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/commands.h"

#include <math.h>
#include <stdio.h>

#include "clients/cli/commands/samples.h"
#include "clients/cli/commands/stream.h"
#include "clients/cli/show/json.h"

static const normd_argument options[NORMD_SAMPLES_OPTIONS] = {
    NORMD_SAMPLES_TABLE("last (default), first, or a column's number from 0: is left out",
        "rows that are compared at once (1024)"),
};

typedef struct drift {
    const normd_cli *cli;
    size_t rows; /* before this batch */
} drift;

/* The feature whose value is furthest from `neutral`, on a scale that `distance` gives. */
static size_t furthest(const normd_array *values, double (*distance)(double))
{
    size_t worst = 0;
    const float *f32 = values->data;
    const double *f64 = values->data;
    for (size_t i = 0; i < values->shape.dim[0]; i++) {
        bool single = values->dtype == NORMD_F32;
        double here = single ? (double)f32[i] : f64[i];
        double there = single ? (double)f32[worst] : f64[worst];
        if (distance(here) > distance(there)) {
            worst = i;
        }
    }
    return worst;
}

static double shift_size(double shift)
{
    return fabs(shift);
}

static double ratio_size(double ratio)
{
    return fabs(log(ratio));
}

static double value_at(const normd_array *values, size_t i)
{
    return values->dtype == NORMD_F32 ? (double)((const float *)values->data)[i]
                                      : ((const double *)values->data)[i];
}

static normd_client_status print_layer(
    normd_client_answer *answer, const msgpack_object *layer, normd_error *error)
{
    normd_array shift;
    normd_array ratio;
    const void *name = "?";
    size_t length = 1;
    normd_client_bytes(answer, normd_client_get(layer, "name"), &name, &length);
    normd_client_status status = normd_client_array(
        answer, normd_client_get(layer, "mean_shift"), "mean_shift", &shift, error);
    if (status == NORMD_CLIENT_OK) {
        status = normd_client_array(
            answer, normd_client_get(layer, "variance_ratio"), "variance_ratio", &ratio, error);
    }
    if (status == NORMD_CLIENT_OK) {
        size_t s = furthest(&shift, shift_size);
        size_t r = furthest(&ratio, ratio_size);
        printf("  layer %.*s: mean off by %+.3g deviations (feature %zu), variance %.3g times "
               "(feature %zu)\n",
            (int)length, (const char *)name, value_at(&shift, s), s, value_at(&ratio, r), r);
    }
    return status;
}

static normd_client_status take(
    void *context, normd_client_answer *answer, size_t rows, normd_error *error)
{
    drift *d = context;
    normd_client_status status = NORMD_CLIENT_OK;
    if (d->cli->json) {
        normd_json_print(stdout, answer, answer->result);
    } else {
        printf("rows %zu to %zu, at most:\n", d->rows, d->rows + rows - 1);
        const msgpack_object *layers = normd_client_get(answer->result, "layers");
        bool list = layers != NULL && layers->type == MSGPACK_OBJECT_ARRAY;
        for (uint32_t i = 0; list && i < layers->via.array.size && status == NORMD_CLIENT_OK; i++) {
            status = print_layer(answer, &layers->via.array.ptr[i], error);
        }
    }
    d->rows += rows;
    return status;
}

static normd_cli_exit run(const normd_cli *cli, const normd_arguments *arguments)
{
    drift d = {.cli = cli};
    const normd_stream stream = {.method = "stats.drift", .take = take, .context = &d};
    return normd_stream_run(cli, options, arguments, &stream);
}

const normd_cli_command normd_command_drift = {
    .name = "drift",
    .words = "SESSION [TABLE.csv[.gz] | --x X.npy]",
    .summary = "how far samples are from the running statistics; changes nothing",
    .examples = "  normctl drift digits digits.csv.gz --scale 16 --rows 1437:\n"
                "  normctl --json drift digits --x x.npy",
    .options = options,
    .option_count = NORMD_SAMPLES_OPTIONS,
    .least = 1,
    .most = 2,
    .run = run,
};
