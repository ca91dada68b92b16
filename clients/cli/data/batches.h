// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_CLI_DATA_BATCHES_H
#define NORMD_CLIENTS_CLI_DATA_BATCHES_H

#include <stdbool.h>
#include <stddef.h>

/* How rows are cut into batches of `size`; the last takes what is left. */
typedef struct normd_batches {
    size_t rows, size, count;
    bool merged; /* the last batch has one row more, which would have been a batch of its own */
} normd_batches;

/* With `merge_single`, a last batch of a single row, whose variance is undefined, is merged into
   the one before it. `rows` and `size` are at least 1. */
normd_batches normd_batches_plan(size_t rows, size_t size, bool merge_single);
/* The rows of batch `index`, from *begin on. */
size_t normd_batches_get(const normd_batches *batches, size_t index, size_t *begin);

#endif
