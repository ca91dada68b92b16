// SPDX-License-Identifier: Apache-2.0
#include "lib/model/clip.h"

#include <math.h>

/* Partial sums that run side by side; the compiler makes vectors of them. */
enum { LANES = 8 };

static double sum_lanes(const double lane[LANES])
{
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

static double squares_f32(const float *values, size_t count)
{
    double lane[LANES] = {0.0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (size_t j = 0; j < LANES; j++) {
            lane[j] += (double)values[i + j] * (double)values[i + j];
        }
    }
    for (size_t j = 0; i + j < count; j++) {
        lane[j] += (double)values[i + j] * (double)values[i + j];
    }
    return sum_lanes(lane);
}

static double squares_f64(const double *values, size_t count)
{
    double lane[LANES] = {0.0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (size_t j = 0; j < LANES; j++) {
            lane[j] += values[i + j] * values[i + j];
        }
    }
    for (size_t j = 0; i + j < count; j++) {
        lane[j] += values[i + j] * values[i + j];
    }
    return sum_lanes(lane);
}

typedef struct norm_loop {
    const normd_model *model;
    const char *gradients;
    double *squares; /* of each tile */
} norm_loop;

static void sum_tile(void *argument, size_t index)
{
    const norm_loop *loop = argument;
    const normd_update_tile *tile = &loop->model->update_tile[index];
    const normd_layer_tensor *tensor = tile->tensor;
    const void *values =
        loop->gradients + tensor->offset + tile->begin * normd_dtype_size(tensor->dtype);
    if (!tensor->trainable) {
        loop->squares[index] = 0.0;
    } else if (tensor->dtype == NORMD_F32) {
        loop->squares[index] = squares_f32(values, tile->count);
    } else {
        loop->squares[index] = squares_f64(values, tile->count);
    }
}

/* Puts the factor of the tiles from `begin` to `end`, which share a norm, in the place of their
   sums. */
static void settle(const norm_loop *loop, size_t begin, size_t end)
{
    double sum = 0.0;
    for (size_t i = begin; i < end; i++) {
        sum += loop->squares[i];
    }
    double factor = normd_optimizer_clip_factor(loop->model->optimizer, sqrt(sum));
    for (size_t i = begin; i < end; i++) {
        loop->squares[i] = factor;
    }
}

normd_status normd_clip_factors(
    const normd_model *model, const char *gradients, normd_buffer **factors, normd_error *error)
{
    *factors = NULL;
    normd_clipping_kind kind = normd_optimizer_clipping(model->optimizer)->kind;
    if (kind != NORMD_CLIP_NORM_EACH && kind != NORMD_CLIP_NORM) {
        return NORMD_OK;
    }
    size_t tiles = model->update_tiles;
    *factors = normd_buffer_take(model->compute.buffers, tiles * sizeof(double));
    if (*factors == NULL) {
        return normd_error_no_memory(error);
    }
    norm_loop loop = {.model = model, .gradients = gradients, .squares = (*factors)->data};
    normd_compute_tiles(&model->compute, model->parameter_values, tiles, sum_tile, &loop);
    size_t begin = 0;
    for (size_t i = 1; i <= tiles; i++) {
        bool same = kind == NORMD_CLIP_NORM ||
                    (i < tiles && model->update_tile[i].tensor == model->update_tile[begin].tensor);
        if (i == tiles || !same) {
            settle(&loop, begin, i);
            begin = i;
        }
    }
    return NORMD_OK;
}
