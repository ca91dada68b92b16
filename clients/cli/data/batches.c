// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/data/batches.h"

normd_batches normd_batches_plan(size_t rows, size_t size, bool merge_single)
{
    normd_batches batches = {.rows = rows, .size = size};
    batches.count = rows / size + (rows % size != 0);
    batches.merged = merge_single && batches.count > 1 && rows % size == 1;
    batches.count -= batches.merged;
    return batches;
}

size_t normd_batches_get(const normd_batches *batches, size_t index, size_t *begin)
{
    *begin = index * batches->size;
    bool last = index + 1 == batches->count;
    return last ? batches->rows - *begin : batches->size;
}
