// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/commands.h"

#include <stdio.h>
#include <stdlib.h>

#include "clients/cli/commands/query.h"
#include "clients/cli/common/number.h"
#include "clients/cli/data/element.h"
#include "clients/cli/show/fields.h"
#include "clients/cli/show/table.h"
#include "clients/cli/show/terminal.h"

enum { LAYER, CONVENTION, FEATURES, ROWS, SHOWN = 8 };

static const normd_argument options[ROWS] = {
    [LAYER] = {"layer", "NAME", "only this layer"},
    [CONVENTION] = {"convention", "NAME", "names as pytorch or keras has them"},
    [FEATURES] = {"features", "A:B", "the features to list (the first 8); : is all"},
};

/* What of each layer is listed, and how. */
typedef struct view {
    size_t begin, end; /* features [begin, end) */
    bool ascii;
} view;

/* The layer's vectors of one length as columns. Arrays of other ranks are left out. */
static void collect_columns(
    normd_client_answer *answer, const msgpack_object *layer, normd_table *table)
{
    for (uint32_t k = 0; k < layer->via.map.size; k++) {
        const msgpack_object_kv *pair = &layer->via.map.ptr[k];
        normd_array array;
        if (table->columns == NORMD_TABLE_MAX_COLUMNS || !normd_client_is_array(&pair->val) ||
            normd_client_array(answer, &pair->val, "array", &array, NULL) != NORMD_CLIENT_OK ||
            array.shape.rank != 1 || (table->columns > 0 && array.shape.dim[0] != table->rows)) {
            continue;
        }
        double *values = calloc(array.shape.dim[0] + 1, sizeof *values);
        if (values == NULL) {
            continue;
        }
        for (size_t i = 0; i < array.shape.dim[0]; i++) {
            values[i] = normd_element_load(&array, i);
        }
        table->rows = array.shape.dim[0];
        table->name[table->columns] = pair->key.via.str.ptr;
        table->name_length[table->columns] = pair->key.via.str.size;
        table->values[table->columns++] = values;
    }
}

static void free_columns(normd_table *table)
{
    for (size_t c = 0; c < table->columns; c++) {
        free(table->values[c]);
    }
}

/* "1  batch_norm  128 features  num_batches_tracked 230". */
static void print_title(
    normd_client_answer *answer, const msgpack_object *layer, const normd_table *table)
{
    const msgpack_object *name = normd_client_get(layer, "name");
    const msgpack_object *type = normd_client_get(layer, "type");
    if (name != NULL) {
        normd_fields_value(stdout, answer, name);
    }
    if (type != NULL) {
        fputs("  ", stdout);
        normd_fields_value(stdout, answer, type);
    }
    if (table->columns > 0) {
        printf("  %zu feature%s", table->rows, table->rows == 1 ? "" : "s");
    }
    const msgpack_object *tracked = normd_client_get(layer, "num_batches_tracked");
    if (tracked != NULL && tracked->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
        printf("  %llu batch%s tracked", (unsigned long long)tracked->via.u64,
            tracked->via.u64 == 1 ? "" : "es");
    }
    putchar('\n');
}

static void print_layer(const view *v, normd_client_answer *answer, const msgpack_object *layer)
{
    normd_table table = {.columns = 0};
    if (layer->type != MSGPACK_OBJECT_MAP) {
        return;
    }
    collect_columns(answer, layer, &table);
    print_title(answer, layer, &table);
    size_t end = v->end < table.rows ? v->end : table.rows;
    size_t begin = v->begin < end ? v->begin : end;
    if (table.columns > 0) {
        normd_table_print(stdout, &table, begin, end, v->ascii, normd_terminal_columns(stdout));
    }
    free_columns(&table);
}

/* The features of the largest layer. */
static size_t most_features(normd_client_answer *answer, const msgpack_object *layers)
{
    size_t most = 0;
    for (uint32_t k = 0; k < layers->via.array.size; k++) {
        normd_table table = {.columns = 0};
        if (layers->via.array.ptr[k].type == MSGPACK_OBJECT_MAP) {
            collect_columns(answer, &layers->via.array.ptr[k], &table);
        }
        most = table.rows > most ? table.rows : most;
        free_columns(&table);
    }
    return most;
}

static normd_cli_exit show(const void *context, normd_client_answer *answer)
{
    const view *v = context;
    const msgpack_object *layers = normd_client_get(answer->result, "layers");
    bool empty =
        layers == NULL || layers->type != MSGPACK_OBJECT_ARRAY || layers->via.array.size == 0;
    size_t most = empty ? 0 : most_features(answer, layers);
    if (most > 0 && (v->begin >= most || v->begin == v->end)) {
        return normd_cli_usage_error(
            "--features: expected some of 0:%zu, got none from %zu on", most, v->begin);
    }
    uint64_t version = 0;
    normd_client_uint(normd_client_get(answer->result, "version"), &version);
    printf("version %llu\n", (unsigned long long)version);
    if (empty) {
        puts("no layers with statistics");
        return NORMD_CLI_OK;
    }
    for (uint32_t k = 0; k < layers->via.array.size; k++) {
        putchar('\n');
        print_layer(v, answer, &layers->via.array.ptr[k]);
    }
    return NORMD_CLI_OK;
}

static normd_cli_exit run(const normd_cli *cli, const normd_arguments *arguments)
{
    view v = {.end = SHOWN, .ascii = cli->ascii};
    const char *features = arguments->value[FEATURES];
    if (features != NULL && !normd_number_parse_range(features, &v.begin, &v.end)) {
        return normd_cli_usage_error("--features: expected A:B with A <= B, got \"%s\"", features);
    }
    return normd_query_run(cli,
        &(normd_query){.method = "stats",
            .key = {"session", "layer", "convention"},
            .value = {arguments->rest[0], arguments->value[LAYER], arguments->value[CONVENTION]},
            .show = show,
            .context = &v});
}

const normd_cli_command normd_command_stats = {
    .name = "stats",
    .words = "SESSION",
    .summary = "running statistics, weight and bias of each layer, with plots",
    .details = "For each vector: its course over the features, and how often which value occurs.",
    .examples = "  normctl stats digits\n"
                "  normctl stats digits --layer 1 --features 0:32\n"
                "  normctl stats digits --convention keras",
    .options = options,
    .option_count = ROWS,
    .least = 1,
    .most = 1,
    .run = run,
};
