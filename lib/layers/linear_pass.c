// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/linear.h"

#include <cblas.h>
#include <pthread.h>
#include <string.h>

#include "lib/blas/blas.h"

/*
 * Products are cut into blocks of the result, from the shapes alone, and each block is one call of
 * a single-threaded BLAS: the pool is the only parallelism and the bits do not depend on it.
 */
enum {
    BLOCK_MOST = 256, /* rows and columns of a block: large enough for BLAS to be fast, */
    BLOCK_LEAST = 64, /* and small enough for ENOUGH_BLOCKS where the result allows it */
    ENOUGH_BLOCKS = 16,
    SUM_COLUMNS = 64,        /* columns of dy that one tile adds up */
    SMALL_PRODUCT = 1 << 20, /* multiply-adds; below, one call on the calling thread */
};

static pthread_once_t blas_once = PTHREAD_ONCE_INIT;

/* C (m, n) = op(A) op(B) + beta C, where op may transpose; `bias` (n values or NULL) starts every
   row of C. */
typedef struct product {
    normd_dtype dtype;
    size_t m, n, k;
    const void *a;
    bool a_transposed; /* A lies as (k, m) */
    const void *b;
    bool b_transposed; /* B lies as (n, k) */
    const void *bias;
    void *c;
    size_t block_m, block_n;
} product;

static size_t blocks_of(size_t extent, size_t block)
{
    return extent / block + (extent % block != 0);
}

static void start_with_bias(
    const product *p, size_t row, size_t rows, size_t column, size_t columns)
{
    size_t size = normd_dtype_size(p->dtype);
    const char *bias = (const char *)p->bias + column * size;
    for (size_t r = row; r < row + rows; r++) {
        memcpy((char *)p->c + (r * p->n + column) * size, bias, columns * size);
    }
}

static void product_block(void *argument, size_t tile)
{
    const product *p = argument;
    size_t across = blocks_of(p->n, p->block_n);
    size_t row = tile / across * p->block_m;
    size_t column = tile % across * p->block_n;
    size_t rows = p->m - row < p->block_m ? p->m - row : p->block_m;
    size_t columns = p->n - column < p->block_n ? p->n - column : p->block_n;
    if (p->bias != NULL) {
        start_with_bias(p, row, rows, column, columns);
    }
    CBLAS_TRANSPOSE ta = p->a_transposed ? CblasTrans : CblasNoTrans;
    CBLAS_TRANSPOSE tb = p->b_transposed ? CblasTrans : CblasNoTrans;
    blasint lda = (blasint)(p->a_transposed ? p->m : p->k);
    blasint ldb = (blasint)(p->b_transposed ? p->k : p->n);
    size_t a_from = p->a_transposed ? row : row * p->k;
    size_t b_from = p->b_transposed ? column * p->k : column;
    size_t c_from = row * p->n + column;
    double beta = p->bias != NULL ? 1.0 : 0.0;
    if (p->dtype == NORMD_F32) {
        cblas_sgemm(CblasRowMajor, ta, tb, (blasint)rows, (blasint)columns, (blasint)p->k, 1.0F,
            (const float *)p->a + a_from, lda, (const float *)p->b + b_from, ldb, (float)beta,
            (float *)p->c + c_from, (blasint)p->n);
    } else {
        cblas_dgemm(CblasRowMajor, ta, tb, (blasint)rows, (blasint)columns, (blasint)p->k, 1.0,
            (const double *)p->a + a_from, lda, (const double *)p->b + b_from, ldb, beta,
            (double *)p->c + c_from, (blasint)p->n);
    }
}

static void run_product(const normd_compute *compute, product *p)
{
    pthread_once(&blas_once, normd_blas_single_thread);
    p->dtype = compute->dtype;
    size_t area;
    size_t work;
    bool large = __builtin_mul_overflow(p->m, p->n, &area) ||
                 __builtin_mul_overflow(area, p->k, &work) || work > SMALL_PRODUCT;
    size_t block = BLOCK_MOST;
    while (block > BLOCK_LEAST && blocks_of(p->m, block) * blocks_of(p->n, block) < ENOUGH_BLOCKS) {
        block /= 2;
    }
    p->block_m = large ? block : p->m;
    p->block_n = large ? block : p->n;
    size_t tiles = blocks_of(p->m, p->block_m) * blocks_of(p->n, p->block_n);
    normd_compute_tiles(compute, large ? SIZE_MAX : 0, tiles, product_block, p);
}

normd_status normd_linear_forward(const normd_layer_pass *pass, normd_error *error)
{
    (void)error;
    const normd_linear *linear = (const normd_linear *)pass->layer;
    product y = {
        .m = pass->shape.dim[0],
        .n = linear->out,
        .k = linear->in,
        .a = pass->x,
        .b = pass->parameters + linear->base.tensor[0].offset,
        .b_transposed = true,
        .bias = linear->bias ? pass->parameters + linear->base.tensor[1].offset : NULL,
        .c = pass->y,
    };
    run_product(pass->compute, &y);
    return NORMD_OK;
}

/* db: the sum of each column of dy, in double, in the order of the rows. */
typedef struct column_sums {
    size_t rows;
    size_t columns;
    const void *dy;
    void *sums;
} column_sums;

#define SUM_TILE(suffix, type)                                                                     \
    static void sum_columns_##suffix(void *argument, size_t tile)                                  \
    {                                                                                              \
        const column_sums *s = argument;                                                           \
        size_t begin = tile * SUM_COLUMNS;                                                         \
        size_t width = s->columns - begin < SUM_COLUMNS ? s->columns - begin : SUM_COLUMNS;        \
        double sum[SUM_COLUMNS] = {0};                                                             \
        for (size_t row = 0; row < s->rows; row++) {                                               \
            const type *dy = (const type *)s->dy + row * s->columns + begin;                       \
            for (size_t i = 0; i < width; i++) {                                                   \
                sum[i] += (double)dy[i];                                                           \
            }                                                                                      \
        }                                                                                          \
        type *to = (type *)s->sums + begin;                                                        \
        for (size_t i = 0; i < width; i++) {                                                       \
            to[i] = (type)sum[i];                                                                  \
        }                                                                                          \
    }

SUM_TILE(f32, float)
SUM_TILE(f64, double)

static void parameter_gradients(const normd_layer_pass *pass, const normd_linear *linear)
{
    size_t rows = pass->shape.dim[0];
    product weight = {
        .m = linear->out,
        .n = linear->in,
        .k = rows,
        .a = pass->dy,
        .a_transposed = true,
        .b = pass->x,
        .c = pass->gradients + linear->base.tensor[0].offset,
    };
    run_product(pass->compute, &weight);
    if (linear->bias) {
        column_sums sums = {
            .rows = rows,
            .columns = linear->out,
            .dy = pass->dy,
            .sums = pass->gradients + linear->base.tensor[1].offset,
        };
        bool f32 = pass->compute->dtype == NORMD_F32;
        normd_compute_tiles(pass->compute, rows * linear->out, blocks_of(linear->out, SUM_COLUMNS),
            f32 ? sum_columns_f32 : sum_columns_f64, &sums);
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
            .m = pass->shape.dim[0],
            .n = linear->in,
            .k = linear->out,
            .a = pass->dy,
            .b = pass->parameters + linear->base.tensor[0].offset,
            .c = pass->dx,
        };
        run_product(pass->compute, &dx);
    }
}
