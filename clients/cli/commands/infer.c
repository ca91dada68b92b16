// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/commands.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/commands/samples.h"
#include "clients/cli/commands/stream.h"
#include "clients/cli/common/number.h"
#include "clients/cli/data/element.h"
#include "clients/cli/data/file.h"
#include "clients/cli/data/npy.h"

enum { OUT = NORMD_SAMPLES_OPTIONS, ARGMAX, ROWS };

static const normd_argument options[ROWS] = {
    NORMD_SAMPLES_TABLE("a column to leave out: first, last, or its number from 0; none (default)",
        "rows a request (1024)"),
    [OUT] = {"out", "FILE", "write to FILE; .npy by its name, else CSV (standard output)"},
    [ARGMAX] = {"argmax", NULL, "the index of the greatest value, instead of the values"},
};

/* The predictions of all batches, one after another. */
typedef struct predictions {
    normd_array y; /* data grows; shape.dim[0] counts the rows */
    bool argmax;
    uint64_t version;
} predictions;

static size_t row_elements(const normd_array *y)
{
    return normd_dataset_row_elements(y);
}

static normd_client_status take_batch(
    void *context, normd_client_answer *answer, size_t rows, normd_error *error)
{
    predictions *all = context;
    normd_array y;
    normd_client_status status =
        normd_client_array(answer, normd_client_get(answer->result, "y"), "y", &y, error);
    if (status != NORMD_CLIENT_OK) {
        return status;
    }
    if (y.shape.rank == 0 || y.shape.dim[0] != rows) {
        normd_error_set(error, NORMD_INTERNAL, "y: expected %zu rows", rows);
        return NORMD_CLIENT_FAILED;
    }
    normd_client_uint(normd_client_get(answer->result, "version"), &all->version);
    size_t before = all->y.data != NULL ? normd_array_bytes(&all->y) : 0;
    if (all->y.data == NULL) {
        all->y = y;
        all->y.shape.dim[0] = 0;
        all->y.data = NULL;
    }
    size_t bytes = normd_array_bytes(&y);
    char *grown = realloc(all->y.data, before + bytes + 1);
    if (grown == NULL) {
        normd_error_no_memory(error);
        return NORMD_CLIENT_FAILED;
    }
    memcpy(grown + before, y.data, bytes);
    all->y.data = grown;
    all->y.shape.dim[0] += rows;
    return NORMD_CLIENT_OK;
}

/* Puts the index of each row's greatest element in the place of the row. */
static bool reduce_to_argmax(predictions *all)
{
    size_t rows = all->y.shape.dim[0];
    size_t columns = row_elements(&all->y);
    int64_t *index = malloc((rows > 0 ? rows : 1) * sizeof *index);
    if (index == NULL || columns == 0) {
        free(index);
        return false;
    }
    for (size_t row = 0; row < rows; row++) {
        index[row] = (int64_t)normd_element_argmax(&all->y, row * columns, columns);
    }
    free(all->y.data);
    all->y = (normd_array){.dtype = NORMD_I64, .shape = {.rank = 1, .dim = {rows}}, .data = index};
    return true;
}

/* What stands around rows and elements. */
typedef struct notation {
    const char *open, *comma, *close, *between;
    bool json; /* which has no numbers that are not finite: null */
} notation;

static void print_element(FILE *out, const normd_array *y, size_t index, bool json)
{
    char text[NORMD_NUMBER_TEXT_BYTES];
    double value = normd_element_load(y, index);
    if (y->dtype == NORMD_I64) {
        fprintf(out, "%" PRId64, ((const int64_t *)y->data)[index]);
    } else if (json && !isfinite(value)) {
        fputs("null", out);
    } else {
        fputs(normd_number_format(value, y->dtype != NORMD_F64, text), out);
    }
}

static void write_rows(FILE *out, const normd_array *y, const notation *as)
{
    size_t columns = row_elements(y);
    for (size_t row = 0; row < y->shape.dim[0]; row++) {
        fputs(row > 0 ? as->between : "", out);
        fputs(as->open, out);
        for (size_t c = 0; c < columns; c++) {
            fputs(c > 0 ? as->comma : "", out);
            print_element(out, y, row * columns + c, as->json);
        }
        fputs(as->close, out);
    }
}

static bool is_npy(const char *path)
{
    size_t length = path != NULL ? strlen(path) : 0;
    return length > 4 && strcmp(path + length - 4, ".npy") == 0;
}

static void write_predictions(
    const normd_cli *cli, FILE *out, const char *path, const predictions *all)
{
    bool scalar_rows = all->y.shape.rank == 1;
    if (is_npy(path)) {
        normd_npy_write_header(out, all->y.dtype, &all->y.shape);
        fwrite(all->y.data, 1, normd_array_bytes(&all->y), out);
    } else if (cli->json && path == NULL) {
        fprintf(out, "{\"version\": %" PRIu64 ", \"%s\": [", all->version,
            all->argmax ? "argmax" : "y");
        write_rows(out, &all->y,
            &(notation){scalar_rows ? "" : "[", ", ", scalar_rows ? "" : "]", ", ", true});
        fputs("]}\n", out);
    } else {
        write_rows(out, &all->y, &(notation){"", ",", "\n", "", false});
    }
}

static normd_cli_exit save(const normd_cli *cli, const char *path, const predictions *all)
{
    normd_error error;
    normd_output output;
    if (normd_output_begin(path, &output, &error) != NORMD_OK) {
        return normd_cli_usage_error("%s", error.message);
    }
    write_predictions(cli, output.file, path, all);
    if (normd_output_commit(&output, &error) != NORMD_OK) {
        return normd_cli_usage_error("%s", error.message);
    }
    if (path != NULL && cli->json) {
        printf("{\"version\": %" PRIu64 ", \"rows\": %zu}\n", all->version, all->y.shape.dim[0]);
    } else if (path != NULL && strcmp(path, "-") != 0) {
        size_t rows = all->y.shape.dim[0];
        printf("%zu row%s to %s; version %" PRIu64 "\n", rows, rows == 1 ? "" : "s", path,
            all->version);
    }
    return NORMD_CLI_OK;
}

static normd_cli_exit run(const normd_cli *cli, const normd_arguments *arguments)
{
    predictions all = {.argmax = arguments->value[ARGMAX] != NULL};
    const normd_stream stream = {.method = "infer", .take = take_batch, .context = &all};
    normd_cli_exit code = normd_stream_run(cli, options, arguments, &stream);
    if (code == NORMD_CLI_OK && all.argmax && !reduce_to_argmax(&all)) {
        code = normd_cli_usage_error("--argmax: no memory, or no values to compare");
    }
    if (code == NORMD_CLI_OK) {
        code = save(cli, arguments->value[OUT], &all);
    }
    free(all.y.data);
    return code;
}

const normd_cli_command normd_command_infer = {
    .name = "infer",
    .words = "SESSION [TABLE.csv[.gz] | --x X.npy]",
    .summary = "predictions in eval mode; changes nothing",
    .examples =
        "  normctl infer digits digits.csv.gz --target last --scale 16 --rows 1437: --argmax\n"
        "  normctl infer digits --x x.npy --out y.npy",
    .options = options,
    .option_count = ROWS,
    .least = 1,
    .most = 2,
    .run = run,
};
