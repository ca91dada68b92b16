// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "lib/pool/pool.h"
#include "tests/cross/digest.h"

/*
 * kernel-digest ROW    prints a line for each result of each case, by the kernels of that row
 * kernel-digest        prints the rows that this machine has
 */
enum { TILE_CASES = 480, BATCH_CASES = 160, THREADS = 3 };

static int list_rows(void)
{
    size_t rows;
    const normd_kernels *table = normd_kernels_table(&rows);
    for (size_t r = 0; r < rows; r++) {
        if (table[r].supported()) {
            puts(table[r].name);
        }
    }
    return 0;
}

int main(int argc, char *argv[])
{
    if (argc < 2) {
        return list_rows();
    }
    digest_case of = {.row = normd_kernels_choose(argv[1])};
    if (of.row == NULL) {
        fprintf(stderr, "kernel-digest: this machine has no %s\n", argv[1]);
        return 2;
    }
    normd_pool *pool = normd_pool_create(THREADS);
    if (pool == NULL) {
        fputs("kernel-digest: cannot start threads\n", stderr);
        return 1;
    }
    for (; of.number < TILE_CASES; of.number++) {
        digest_tile_case(&of);
    }
    for (; of.number < TILE_CASES + BATCH_CASES; of.number++) {
        digest_batch_case(&of, pool);
    }
    normd_pool_destroy(pool);
    return 0;
}
