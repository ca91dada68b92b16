// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/linear.h"

#include <string.h>

#include "lib/blas/gemm.h"
#include "lib/layers/channel_sums.h"

/*
 * Products are cut into blocks of the result, from the shapes alone, and each block is one call of
 * a single-threaded BLAS: the pool is the only parallelism and the bits do not depend on it.
 */
enum {
    BLOCK_MOST = 256, /* rows and columns of a block: large enough for BLAS to be fast, */
    BLOCK_LEAST = 64, /* and small enough for ENOUGH_BLOCKS where the result allows it */
    ENOUGH_BLOCKS = 16,
    SMALL_PRODUCT = 1 << 20, /* multiply-adds; below, one call on the calling thread */
};

/* A product as a whole, whose C is dense; `bias` (n values or NULL) starts every row of C. */
typedef struct product {
    normd_gemm whole;
    const void *bias;
    size_t block_m, block_n;
} product;

static size_t blocks_of(size_t extent, size_t block)
{
    return extent / block + (extent % block != 0);
}

static void start_with_bias(
    const product *p, size_t row, size_t rows, size_t column, size_t columns)
{
    size_t size = normd_dtype_size(p->whole.dtype);
    const char *bias = (const char *)p->bias + column * size;
    for (size_t r = row; r < row + rows; r++) {
        memcpy((char *)p->whole.c + (r * p->whole.n + column) * size, bias, columns * size);
    }
}

/* The matrix from element (row, column) on. */
static normd_matrix part_of(normd_matrix matrix, size_t size, size_t row, size_t column)
{
    size_t place = matrix.transposed ? column * matrix.stride + row : row * matrix.stride + column;
    matrix.data = (const char *)matrix.data + place * size;
    return matrix;
}

static void product_block(void *argument, size_t tile)
{
    const product *p = argument;
    const normd_gemm *whole = &p->whole;
    size_t size = normd_dtype_size(whole->dtype);
    size_t across = blocks_of(whole->n, p->block_n);
    size_t row = tile / across * p->block_m;
    size_t column = tile % across * p->block_n;
    normd_gemm block = *whole;
    block.m = whole->m - row < p->block_m ? whole->m - row : p->block_m;
    block.n = whole->n - column < p->block_n ? whole->n - column : p->block_n;
    block.a = part_of(whole->a, size, row, 0);
    block.b = part_of(whole->b, size, 0, column);
    block.c = (char *)whole->c + (row * whole->n + column) * size;
    if (p->bias != NULL) {
        start_with_bias(p, row, block.m, column, block.n);
    }
    normd_gemm_run(&block);
}

static void run_product(const normd_compute *compute, product *p)
{
    normd_gemm *whole = &p->whole;
    whole->dtype = compute->dtype;
    whole->c_stride = whole->n;
    whole->accumulates = p->bias != NULL;
    size_t area;
    size_t work;
    bool large = __builtin_mul_overflow(whole->m, whole->n, &area) ||
                 __builtin_mul_overflow(area, whole->k, &work) || work > SMALL_PRODUCT;
    size_t block = BLOCK_MOST;
    while (block > BLOCK_LEAST &&
           blocks_of(whole->m, block) * blocks_of(whole->n, block) < ENOUGH_BLOCKS) {
        block /= 2;
    }
    p->block_m = large ? block : whole->m;
    p->block_n = large ? block : whole->n;
    size_t tiles = blocks_of(whole->m, p->block_m) * blocks_of(whole->n, p->block_n);
    normd_compute_tiles(compute, large ? SIZE_MAX : 0, tiles, product_block, p);
}

/* W, as (out, in). */
static normd_matrix weight_of(const normd_layer_pass *pass, const normd_linear *linear)
{
    const char *weight = pass->parameters + linear->base.tensor[0].offset;
    return (normd_matrix){.data = weight, .stride = linear->in};
}

normd_status normd_linear_forward(const normd_layer_pass *pass, normd_error *error)
{
    (void)error;
    const normd_linear *linear = (const normd_linear *)pass->layer;
    product y = {
        .whole =
            {
                .m = normd_linear_rows(&pass->shape),
                .n = linear->out,
                .k = linear->in,
                .a = {.data = pass->x, .stride = linear->in},
                .b = normd_matrix_flip(weight_of(pass, linear)),
                .c = pass->y,
            },
        .bias = linear->bias ? pass->parameters + linear->base.tensor[1].offset : NULL,
    };
    run_product(pass->compute, &y);
    return NORMD_OK;
}

static void parameter_gradients(const normd_layer_pass *pass, const normd_linear *linear)
{
    size_t rows = normd_linear_rows(&pass->shape);
    product weight = {
        .whole =
            {
                .m = linear->out,
                .n = linear->in,
                .k = rows,
                .a = {.data = pass->dy, .stride = linear->out, .transposed = true},
                .b = {.data = pass->x, .stride = linear->in},
                .c = pass->gradients + linear->base.tensor[0].offset,
            },
    };
    run_product(pass->compute, &weight);
    if (linear->bias) {
        normd_channel_sums_run(
            pass->compute, &(normd_channel_sums){
                               .arrays = 1,
                               .outer = rows,
                               .channels = linear->out,
                               .inner = 1,
                               .divisor = 1.0,
                               .values = pass->dy,
                               .sums = pass->gradients + linear->base.tensor[1].offset,
                           });
    }
}

void normd_linear_backward(const normd_layer_pass *pass)
{
    const normd_linear *linear = (const normd_linear *)pass->layer;
    if (linear->trainable) {
        parameter_gradients(pass, linear);
    }
    if (pass->dx != NULL) {
        product dx = {
            .whole =
                {
                    .m = normd_linear_rows(&pass->shape),
                    .n = linear->in,
                    .k = linear->out,
                    .a = {.data = pass->dy, .stride = linear->out},
                    .b = weight_of(pass, linear),
                    .c = pass->dx,
                },
        };
        run_product(pass->compute, &dx);
    }
}
