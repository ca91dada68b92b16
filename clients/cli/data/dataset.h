// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_CLI_DATA_DATASET_H
#define NORMD_CLIENTS_CLI_DATA_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clients/cli/data/csv.h"
#include "lib/base/array.h"

/* Which column of a table is the target. */
typedef enum normd_target {
    NORMD_TARGET_NONE,
    NORMD_TARGET_FIRST,
    NORMD_TARGET_LAST,
    NORMD_TARGET_COLUMN,
} normd_target;

/* Where samples come from and what becomes of them. */
typedef struct normd_dataset_options {
    const char *table;       /* a CSV file; or NULL, and then: */
    const char *x_path;      /* .npy, (rows, ...) */
    const char *y_path;      /* .npy, (rows, ...), or NULL */
    const char *weight_path; /* .npy, (rows), beside either; or NULL */
    normd_csv_header header;
    normd_target target;
    size_t column;     /* with NORMD_TARGET_COLUMN, from 0 */
    double scale;      /* x is divided by it */
    size_t begin, end; /* rows [begin, end); end may lie beyond the last */
    normd_dtype dtype; /* of x, and of targets that are no labels: F32 or F64 */
    bool labels;       /* targets are class numbers (int64) */
} normd_dataset_options;

/* Samples in memory, ready to be sent: x (rows, ...), target (rows) of labels or (rows, ...). */
typedef struct normd_dataset {
    normd_array x;
    normd_array target; /* data is NULL when there is none */
    normd_array weight; /* of samples, F64 (rows); data is NULL when there are none */
    size_t rows;
    bool skipped_header;
} normd_dataset;

normd_status normd_dataset_read(
    const normd_dataset_options *options, normd_dataset *dataset, normd_error *error);
void normd_dataset_free(normd_dataset *dataset);

/* Elements of one row. */
size_t normd_dataset_row_elements(const normd_array *array);
/* Rows [begin, begin + rows) of an array, where they lie. */
normd_array normd_dataset_rows(const normd_array *array, size_t begin, size_t rows);

/* Fills `order` with a permutation of 0 .. count-1 (Fisher-Yates on splitmix64); `state` is the
   seed and goes on from call to call. */
void normd_dataset_shuffle(uint64_t *state, size_t *order, size_t count);
/* Copies the rows that `order` names, one after another, to `to`. */
void normd_dataset_gather(const normd_array *array, const size_t *order, size_t rows, void *to);

#endif
