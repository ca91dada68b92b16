// SPDX-License-Identifier: Apache-2.0
#include "tests/accuracy/batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Few and many channels, short and long runs, ragged ends; one element more or less than what the
   kernels take at once. */
static const accuracy_shape shapes[] = {
    {2, {2, 5}, false, false},
    {2, {3, 7}, false, false},
    {2, {17, 33}, false, false},
    {2, {2, 300}, false, false},
    {2, {1000, 3}, false, false},
    {3, {5, 6, 50}, false, false},
    {3, {5, 6, 50}, true, false},
    {4, {4, 5, 7, 9}, false, false},
    {4, {4, 5, 7, 9}, true, false},
    {4, {2, 17, 3, 3}, false, false},
    {4, {3, 2, 36, 36}, false, false},
    {4, {3, 2, 36, 36}, true, false},
    {2, {99991, 1}, false, true},
    {3, {3, 2, 20011}, false, true},
};

const accuracy_shape *accuracy_shapes(size_t *count)
{
    *count = sizeof shapes / sizeof *shapes;
    return shapes;
}

void *accuracy_allocate(size_t count, size_t size)
{
    size_t bytes = normd_round_to_line(count * size);
    void *memory = aligned_alloc(NORMD_ALIGNMENT, bytes);
    if (memory == NULL) {
        fprintf(stderr, "accuracy: out of memory\n");
        exit(EXIT_FAILURE);
    }
    return memset(memory, 0, bytes);
}

/* Different from channel to channel, of both signs, with and without a rounding in gamma * s. */
static void fill_parameters(accuracy_batch *batch)
{
    static const double gammas[] = {1.5, -0.7, 1.0, 3.1, 0.01};
    static const double betas[] = {0.5, 0.0, -2.3};
    for (size_t c = 0; c < batch->channels; c++) {
        batch->gamma[c] = batch->dtype == NORMD_F32 ? (double)(float)gammas[c % 5] : gammas[c % 5];
        batch->beta[c] = batch->dtype == NORMD_F32 ? (double)(float)betas[c % 3] : betas[c % 3];
    }
}

accuracy_batch accuracy_batch_create(normd_dtype dtype, const accuracy_shape *shape)
{
    accuracy_batch batch = {.dtype = dtype,
        .shape = shape,
        .extents = {.rank = (uint32_t)shape->rank, .dim = {shape->dim[0]}},
        .outer = shape->dim[0],
        .channels = shape->dim[1],
        .inner = 1};
    size_t spatial = 1;
    for (size_t axis = 2; axis < shape->rank; axis++) {
        spatial *= shape->dim[axis];
        batch.extents.dim[shape->channels_last ? axis - 1 : axis] = shape->dim[axis];
    }
    batch.extents.dim[shape->channels_last ? shape->rank - 1 : 1] = shape->dim[1];
    *(shape->channels_last ? &batch.outer : &batch.inner) *= spatial;
    batch.count = batch.outer * batch.inner;
    size_t size = normd_dtype_size(dtype);
    batch.x = accuracy_allocate(accuracy_values(&batch), size);
    batch.dy = accuracy_allocate(accuracy_values(&batch), size);
    batch.gamma = accuracy_allocate(batch.channels, sizeof(double));
    batch.beta = accuracy_allocate(batch.channels, sizeof(double));
    fill_parameters(&batch);
    return batch;
}

void accuracy_batch_destroy(accuracy_batch *batch)
{
    free(batch->x);
    free(batch->dy);
    free(batch->gamma);
    free(batch->beta);
}

accuracy_result accuracy_result_create(const accuracy_batch *batch)
{
    size_t size = normd_dtype_size(batch->dtype);
    return (accuracy_result){
        .y = accuracy_allocate(accuracy_values(batch), size),
        .dx = accuracy_allocate(accuracy_values(batch), size),
        .mean = accuracy_allocate(batch->channels, sizeof(double)),
        .variance = accuracy_allocate(batch->channels, sizeof(double)),
        .dgamma = accuracy_allocate(batch->channels, sizeof(double)),
        .dbeta = accuracy_allocate(batch->channels, sizeof(double)),
    };
}

void accuracy_result_destroy(accuracy_result *result)
{
    free(result->y);
    free(result->dx);
    free(result->mean);
    free(result->variance);
    free(result->dgamma);
    free(result->dbeta);
}
