// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/data/dataset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/data/element.h"
#include "clients/cli/data/npy.h"

/* Memory for an array of a shape that may come from outside. */
static normd_status allocate(normd_array *array, normd_error *error)
{
    size_t elements;
    array->data = NULL;
    if (!normd_shape_elements(&array->shape, &elements)) {
        return normd_error_no_memory(error);
    }
    size_t bytes = elements * normd_dtype_size(array->dtype);
    array->data = aligned_alloc(NORMD_ALIGNMENT, (bytes / NORMD_ALIGNMENT + 1) * NORMD_ALIGNMENT);
    return array->data != NULL ? NORMD_OK : normd_error_no_memory(error);
}

/* Element `k` as a class number; false when it is none. */
static bool store_label(double value, normd_array *target, size_t k)
{
    if (!(value >= 0.0 && value <= 9007199254740992.0) || value != floor(value)) {
        return false;
    }
    ((int64_t *)target->data)[k] = (int64_t)value;
    return true;
}

static normd_status bad_label(const char *path, size_t row, double value, normd_error *error)
{
    return normd_error_set(error, NORMD_BAD_ARGUMENT,
        "%s: row %zu: expected a class number 0, 1, ... as the target, got %g", path, row, value);
}

/* The rows that are wanted of `have`. */
static normd_status select_rows(const normd_dataset_options *options, const char *path, size_t have,
    size_t *rows, normd_error *error)
{
    size_t end = options->end < have ? options->end : have;
    if (options->begin >= end) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "%s: no rows left: it has %zu, and the range starts at %zu", path, have,
            options->begin);
    }
    *rows = end - options->begin;
    return NORMD_OK;
}

/* Splits a table into x (rows, columns less the target) and its target. */
static normd_status split_table(const normd_dataset_options *options, const normd_csv *csv,
    size_t column, normd_dataset *dataset, normd_error *error)
{
    bool has_target = column < csv->columns;
    size_t features = csv->columns - has_target;
    dataset->x = (normd_array){
        .dtype = options->dtype, .shape = {.rank = 2, .dim = {dataset->rows, features}}};
    dataset->target = (normd_array){.dtype = options->labels ? NORMD_I64 : options->dtype,
        .shape = {.rank = options->labels ? 1 : 2, .dim = {dataset->rows, 1}}};
    normd_status status = allocate(&dataset->x, error);
    if (status == NORMD_OK && has_target) {
        status = allocate(&dataset->target, error);
    }
    size_t k = 0;
    for (size_t row = 0; status == NORMD_OK && row < dataset->rows; row++) {
        const double *values = csv->values + (options->begin + row) * csv->columns;
        for (size_t c = 0; c < csv->columns; c++) {
            if (c != column) {
                normd_element_store(&dataset->x, k++, values[c] / options->scale);
            } else if (!options->labels) {
                normd_element_store(&dataset->target, row, values[c]);
            } else if (!store_label(values[c], &dataset->target, row)) {
                status = bad_label(options->table, options->begin + row, values[c], error);
                break;
            }
        }
    }
    return status;
}

static normd_status read_table(
    const normd_dataset_options *options, normd_dataset *dataset, normd_error *error)
{
    normd_csv csv;
    normd_status status = normd_csv_read(options->table, options->header, &csv, error);
    if (status != NORMD_OK) {
        return status;
    }
    size_t column = options->target == NORMD_TARGET_NONE    ? SIZE_MAX
                    : options->target == NORMD_TARGET_FIRST ? 0
                    : options->target == NORMD_TARGET_LAST  ? csv.columns - 1
                                                            : options->column;
    dataset->skipped_header = csv.skipped_header;
    if (options->target != NORMD_TARGET_NONE && (column >= csv.columns || csv.columns < 2)) {
        status = normd_error_set(error, NORMD_BAD_ARGUMENT,
            "%s: expected features and a target in column %zu, got %zu columns", options->table,
            column, csv.columns);
    }
    if (status == NORMD_OK) {
        status = select_rows(options, options->table, csv.rows, &dataset->rows, error);
    }
    if (status == NORMD_OK) {
        status = split_table(options, &csv, column, dataset, error);
    }
    normd_csv_free(&csv);
    return status;
}

/* Reads a .npy file and converts the wanted rows to `dtype`, divided by `scale`. */
static normd_status read_npy(const normd_dataset_options *options, const char *path,
    normd_dtype dtype, double scale, normd_array *array, normd_error *error)
{
    normd_array file;
    normd_status status = normd_npy_read(path, &file, error);
    if (status != NORMD_OK) {
        return status;
    }
    size_t rows = 0;
    if (file.shape.rank == 0) {
        status = normd_error_set(
            error, NORMD_BAD_ARGUMENT, "%s: expected rows of samples, got a scalar", path);
    } else {
        status = select_rows(options, path, file.shape.dim[0], &rows, error);
    }
    *array = (normd_array){.dtype = dtype, .shape = file.shape};
    if (status == NORMD_OK) {
        array->shape.dim[0] = rows;
        status = allocate(array, error);
    }
    size_t per_row = normd_dataset_row_elements(&file);
    for (size_t k = 0; status == NORMD_OK && k < rows * per_row; k++) {
        double value = normd_element_load(&file, options->begin * per_row + k);
        if (dtype != NORMD_I64) {
            normd_element_store(array, k, value / scale);
        } else if (!store_label(value, array, k)) {
            status = bad_label(path, options->begin + k / per_row, value, error);
        }
    }
    free(file.data);
    return status;
}

static normd_status read_pair(
    const normd_dataset_options *options, normd_dataset *dataset, normd_error *error)
{
    normd_status status =
        read_npy(options, options->x_path, options->dtype, options->scale, &dataset->x, error);
    if (status != NORMD_OK) {
        return status;
    }
    dataset->rows = dataset->x.shape.dim[0];
    if (options->y_path == NULL) {
        return NORMD_OK;
    }
    status = read_npy(options, options->y_path, options->labels ? NORMD_I64 : options->dtype, 1.0,
        &dataset->target, error);
    if (status == NORMD_OK && dataset->target.shape.dim[0] != dataset->rows) {
        status =
            normd_error_set(error, NORMD_BAD_ARGUMENT, "%s: expected %zu rows as in %s, got %zu",
                options->y_path, dataset->rows, options->x_path, dataset->target.shape.dim[0]);
    }
    return status;
}

static normd_status read_weights(
    const normd_dataset_options *options, normd_dataset *dataset, normd_error *error)
{
    const char *path = options->weight_path;
    normd_status status = read_npy(options, path, NORMD_F64, 1.0, &dataset->weight, error);
    if (status == NORMD_OK &&
        (dataset->weight.shape.rank != 1 || dataset->weight.shape.dim[0] != dataset->rows)) {
        char got[NORMD_SHAPE_TEXT_BYTES];
        status = normd_error_set(error, NORMD_BAD_ARGUMENT,
            "%s: expected a number for each of %zu samples, got an array of shape %s", path,
            dataset->rows, normd_shape_format(&dataset->weight.shape, got, sizeof got));
    }
    return status;
}

normd_status normd_dataset_read(
    const normd_dataset_options *options, normd_dataset *dataset, normd_error *error)
{
    *dataset = (normd_dataset){.rows = 0};
    normd_status status = options->table != NULL ? read_table(options, dataset, error)
                                                 : read_pair(options, dataset, error);
    if (status == NORMD_OK && options->weight_path != NULL) {
        status = read_weights(options, dataset, error);
    }
    if (status != NORMD_OK) {
        normd_dataset_free(dataset);
    }
    return status;
}

void normd_dataset_free(normd_dataset *dataset)
{
    free(dataset->x.data);
    free(dataset->target.data);
    free(dataset->weight.data);
    *dataset = (normd_dataset){.rows = 0};
}

size_t normd_dataset_row_elements(const normd_array *array)
{
    size_t elements = 1;
    for (uint32_t axis = 1; axis < array->shape.rank; axis++) {
        elements *= array->shape.dim[axis];
    }
    return elements;
}

static size_t row_bytes(const normd_array *array)
{
    return normd_dataset_row_elements(array) * normd_dtype_size(array->dtype);
}

normd_array normd_dataset_rows(const normd_array *array, size_t begin, size_t rows)
{
    normd_array part = *array;
    part.shape.dim[0] = rows;
    part.data = (char *)array->data + begin * row_bytes(array);
    return part;
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void normd_dataset_shuffle(uint64_t *state, size_t *order, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        /* The bias of the remainder is count / 2^64: nothing. */
        size_t other = (size_t)(next_random(state) % (k + 1));
        order[k] = order[other];
        order[other] = k;
    }
}

void normd_dataset_gather(const normd_array *array, const size_t *order, size_t rows, void *to)
{
    size_t bytes = row_bytes(array);
    for (size_t k = 0; k < rows; k++) {
        memcpy((char *)to + k * bytes, (const char *)array->data + order[k] * bytes, bytes);
    }
}
