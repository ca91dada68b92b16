// SPDX-License-Identifier: Apache-2.0
#include "lib/losses/loss.h"

enum { MSE_TILE = 1 << 13 };

typedef struct mse_loop {
    const void *y;
    const void *target;
    void *gradient; /* or NULL */
    size_t count;
    double *sums; /* a tile */
} mse_loop;

/* The gradient is 2 (y - target) / count, each in double and rounded once. */
#define MSE_TILES(suffix, type)                                                                    \
    static void mse_##suffix(void *argument, size_t tile)                                          \
    {                                                                                              \
        const mse_loop *loop = argument;                                                           \
        const type *y = loop->y;                                                                   \
        const type *target = loop->target;                                                         \
        type *gradient = loop->gradient;                                                           \
        size_t begin = tile * MSE_TILE;                                                            \
        size_t end = loop->count - begin < MSE_TILE ? loop->count : begin + MSE_TILE;              \
        double sum = 0.0;                                                                          \
        for (size_t i = begin; i < end; i++) {                                                     \
            double difference = (double)y[i] - (double)target[i];                                  \
            sum += difference * difference;                                                        \
            if (gradient != NULL) {                                                                \
                gradient[i] = (type)(2.0 * difference / (double)loop->count);                      \
            }                                                                                      \
        }                                                                                          \
        loop->sums[tile] = sum;                                                                    \
    }

MSE_TILES(f32, float)
MSE_TILES(f64, double)

static normd_status mse_check(const normd_loss_pass *pass, normd_error *error)
{
    char expected[NORMD_SHAPE_TEXT_BYTES];
    char got[NORMD_SHAPE_TEXT_BYTES];
    if (!normd_shape_equal(&pass->target->shape, &pass->shape)) {
        return normd_error_set(error, NORMD_BAD_SHAPE, "target: expected %s, got %s",
            normd_shape_format(&pass->shape, expected, sizeof expected),
            normd_shape_format(&pass->target->shape, got, sizeof got));
    }
    if (!normd_dtype_is_float(pass->target->dtype)) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "target: expected float values for the loss mse, got %s",
            normd_dtype_title(pass->target->dtype));
    }
    return NORMD_OK;
}

static normd_status mse_run(normd_loss_pass *pass, normd_error *error)
{
    normd_status status = mse_check(pass, error);
    if (status != NORMD_OK) {
        return status;
    }
    mse_loop loop = {.y = pass->y, .gradient = pass->gradient};
    loop.count = normd_array_elements(pass->target);
    size_t tiles = loop.count / MSE_TILE + (loop.count % MSE_TILE != 0);
    normd_buffer *converted;
    loop.target = normd_loss_target_values(pass, &converted, error);
    normd_buffer *sums = normd_buffer_take(pass->compute->buffers, tiles * sizeof(double));
    if (loop.target == NULL || sums == NULL) {
        status = normd_error_no_memory(error);
    } else {
        loop.sums = sums->data;
        normd_compute_tiles(pass->compute, loop.count, tiles,
            pass->compute->dtype == NORMD_F32 ? mse_f32 : mse_f64, &loop);
        double sum = 0.0;
        for (size_t tile = 0; tile < tiles; tile++) {
            sum += loop.sums[tile];
        }
        pass->loss = sum / (double)loop.count;
        pass->has_accuracy = false;
    }
    normd_buffer_release(sums);
    normd_buffer_release(converted);
    return status;
}

const normd_loss normd_mse = {.type = "mse", .run = mse_run};
