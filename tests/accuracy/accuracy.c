// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/accuracy/data.h"
#include "tests/accuracy/dump.h"
#include "tests/accuracy/norm.h"
#include "tests/accuracy/report.h"

enum { MOST_MESSAGES = 100 }; /* after so many, what is wrong is counted only */

/*
 * accuracy [--json FILE] [--dump FOLDER]: the batch-norm layer against a reference in binary128,
 * for every type, data set and shape. Prints the largest errors of each data set, and ends with
 * failure when one is above its bound or a row of the table of kernels gives other bits than the
 * best. README.md derives the bounds.
 */
typedef struct program {
    const normd_kernels *best;
    json_t *figures;
    accuracy_dump *dump; /* or NULL */
    size_t batches, wrong;
} program;

static const normd_kernel_set *kernels_of(const normd_kernels *row, normd_dtype dtype)
{
    return dtype == NORMD_F32 ? &row->f32 : &row->f64;
}

static bool same_bits(
    const accuracy_batch *batch, const accuracy_result *a, const accuracy_result *b)
{
    size_t values = accuracy_values(batch) * normd_dtype_size(batch->dtype);
    size_t vector = batch->channels * sizeof(double);
    return memcmp(a->y, b->y, values) == 0 && memcmp(a->dx, b->dx, values) == 0 &&
           memcmp(a->mean, b->mean, vector) == 0 && memcmp(a->variance, b->variance, vector) == 0 &&
           memcmp(a->dgamma, b->dgamma, vector) == 0 && memcmp(a->dbeta, b->dbeta, vector) == 0;
}

/* Counts what is wrong with a row's run of the case, and says it. */
static void say(program *self, const accuracy_case *now, const normd_kernels *row, const char *what)
{
    char shape[NORMD_SHAPE_TEXT_BYTES];
    self->wrong++;
    if (!now->quiet) {
        fprintf(stderr, "accuracy: %s, %s, x %s, dy %s, %s: %s\n", row->name,
            normd_dtype_title(now->batch->dtype), now->x_set, now->dy_set,
            normd_shape_format(&now->batch->extents, shape, sizeof shape), what);
    }
}

static bool run_row(
    program *self, const normd_kernels *row, const accuracy_case *now, accuracy_result *result)
{
    normd_error error;
    const normd_kernel_set *kernels = kernels_of(row, now->batch->dtype);
    if (!accuracy_norm_run(kernels, now->batch, result, &error)) {
        say(self, now, row, error.message);
        return false;
    }
    return true;
}

static void run_other_rows(program *self, const accuracy_case *now)
{
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    accuracy_result other = accuracy_result_create(now->batch);
    for (size_t i = 0; i < rows; i++) {
        if (&table[i] != self->best && table[i].supported() &&
            run_row(self, &table[i], now, &other) && !same_bits(now->batch, now->result, &other)) {
            say(self, now, &table[i], "expected the bits of the best row, got others");
        }
    }
    accuracy_result_destroy(&other);
}

/* One backward of a batch; the first one checks the forward, too. */
static void run_case(program *self, accuracy_case now, bool is_first, accuracy_reference *reference,
    accuracy_bounds *bounds, accuracy_result *result, accuracy_figures *figures)
{
    if (!run_row(self, self->best, &now, result)) {
        return;
    }
    if (is_first) {
        accuracy_bounds_forward(now.batch, reference, result->variance, bounds);
        self->wrong += accuracy_check_forward(&now, figures);
        if (self->dump != NULL) {
            accuracy_dump_forward(self->dump, &now);
        }
    }
    accuracy_reference_backward(now.batch, reference);
    accuracy_bounds_backward(now.batch, reference, result->variance, bounds);
    self->wrong += accuracy_check_backward(&now, figures);
    if (self->dump != NULL) {
        accuracy_dump_backward(self->dump, &now);
    }
    run_other_rows(self, &now);
    self->batches++;
}

/* All dy for small batches; for large ones, a different one for each x. */
static void run_batch(program *self, normd_dtype dtype, const accuracy_data_set *x_set,
    size_t x_index, const accuracy_shape *shape, accuracy_figures *figures)
{
    size_t count;
    const accuracy_data_set *dy_sets = accuracy_dy_sets(&count);
    accuracy_batch batch = accuracy_batch_create(dtype, shape);
    accuracy_result result = accuracy_result_create(&batch);
    accuracy_reference reference = accuracy_reference_create(&batch);
    accuracy_bounds bounds = accuracy_bounds_create(&batch);
    accuracy_fill_x(&batch, x_set);
    accuracy_reference_forward(&batch, &reference);
    bool is_first = true;
    for (size_t i = 0; i < count; i++) {
        if (!shape->large || x_index % count == i) {
            accuracy_fill_dy(&batch, &dy_sets[i]);
            accuracy_case now = {x_set->name, dy_sets[i].name, &batch, &reference, &bounds, &result,
                self->wrong >= MOST_MESSAGES};
            run_case(self, now, is_first, &reference, &bounds, &result, figures);
            is_first = false;
        }
    }
    accuracy_bounds_destroy(&bounds);
    accuracy_reference_destroy(&reference);
    accuracy_result_destroy(&result);
    accuracy_batch_destroy(&batch);
}

static void run_type(program *self, normd_dtype dtype)
{
    size_t sets, shapes;
    const accuracy_data_set *set = accuracy_x_sets(&sets);
    const accuracy_shape *shape = accuracy_shapes(&shapes);
    accuracy_figures total = {.mean_ulps = 0.0};
    accuracy_print_head(dtype, self->best->name);
    for (size_t i = 0; i < sets; i++) {
        accuracy_figures figures = {.mean_ulps = 0.0};
        for (size_t s = 0; s < shapes; s++) {
            if (set[i].large || !shape[s].large) {
                run_batch(self, dtype, &set[i], i, &shape[s], &figures);
            }
        }
        accuracy_print(set[i].name, &figures);
        json_array_append_new(self->figures, accuracy_figures_json(dtype, set[i].name, &figures));
        accuracy_figures_merge(&total, &figures);
    }
    accuracy_print("largest", &total);
}

static bool write_json(program *self, const char *path)
{
    json_t *map = json_pack("{s:s, s:s, s:O}", "version", NORMD_VERSION, "instruction_set",
        self->best->name, "figures", self->figures);
    bool ok = map != NULL && json_dump_file(map, path, JSON_INDENT(1)) == 0;
    json_decref(map);
    return ok;
}

static int run(program *self, const char *json)
{
    self->figures = json_array();
    run_type(self, NORMD_F32);
    run_type(self, NORMD_F64);
    printf("\n%zu batches, %zu of their results wrong%s\n", self->batches, self->wrong,
        self->wrong > MOST_MESSAGES ? "; not all of them are told above" : "");
    bool ok = self->wrong == 0;
    if (json != NULL && !write_json(self, json)) {
        fprintf(stderr, "accuracy: %s: expected to write it, got %s\n", json, strerror(errno));
        ok = false;
    }
    if (self->dump != NULL && !accuracy_dump_finish(self->dump)) {
        fprintf(stderr, "accuracy: --dump: expected to write all files, got %s\n", strerror(errno));
        ok = false;
    }
    json_decref(self->figures);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    program self = {.best = normd_kernels_choose(NULL)};
    const char *json = NULL, *folder = NULL;
    for (int i = 1; i < argc; i += 2) {
        const char **option = strcmp(argv[i], "--json") == 0   ? &json
                              : strcmp(argv[i], "--dump") == 0 ? &folder
                                                               : NULL;
        if (option == NULL || i + 1 == argc) {
            fprintf(stderr, "usage: accuracy [--json FILE] [--dump FOLDER]\n");
            return 2;
        }
        *option = argv[i + 1];
    }
    if (folder != NULL) {
        self.dump = accuracy_dump_create(folder);
        if (self.dump == NULL) {
            fprintf(stderr, "accuracy: %s: expected a folder, got %s\n", folder, strerror(errno));
            return EXIT_FAILURE;
        }
    }
    return run(&self, json);
}
