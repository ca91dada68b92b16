// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>

#include "lib/losses/kind.h"
#include "lib/memory/limits.h"
#include "lib/tensor/convert.h"

/* Checks sample weights and gives them as doubles. */
static normd_status read_sample_weights(
    const normd_loss_pass *pass, double *values, normd_error *error)
{
    const normd_array *given = pass->sample_weight;
    size_t samples = pass->shape.dim[0];
    if (given->shape.rank != 1 || given->shape.dim[0] != samples) {
        char got[NORMD_SHAPE_TEXT_BYTES];
        return normd_error_set(error, NORMD_BAD_SHAPE,
            "sample_weight: expected one number a sample, shape (%zu,), got %s", samples,
            normd_shape_format(&given->shape, got, sizeof got));
    }
    if (given->dtype == NORMD_BOOL) {
        return normd_error_set(
            error, NORMD_BAD_ARGUMENT, "sample_weight: expected numbers, got bool");
    }
    normd_convert_values(given->dtype, given->data, NORMD_F64, values, samples);
    for (size_t i = 0; i < samples; i++) {
        if (!isfinite(values[i]) || values[i] < 0.0) {
            return normd_error_set(error, NORMD_BAD_ARGUMENT,
                "sample_weight: expected finite numbers of 0 or more, got %g at index %zu",
                values[i], i);
        }
    }
    return NORMD_OK;
}

normd_status normd_loss_run(const normd_loss *loss, normd_loss_pass *pass, normd_error *error)
{
    if (pass->sample_weight == NULL) {
        return loss->kind->run(loss, pass, NULL, error);
    }
    normd_buffer *weights =
        normd_buffer_take(pass->compute->buffers, pass->shape.dim[0] * sizeof(double));
    if (weights == NULL) {
        return normd_error_no_memory(error);
    }
    normd_status status = read_sample_weights(pass, weights->data, error);
    if (status == NORMD_OK) {
        status = loss->kind->run(loss, pass, weights->data, error);
    }
    normd_buffer_release(weights);
    return status;
}

size_t normd_loss_bytes(const normd_loss *loss, const normd_compute *compute, const normd_shape *y)
{
    if (loss == NULL) {
        return 0;
    }
    /* Of a row: a label, and its share of the sums and columns of its tile of 64 rows. Of an
       element: its share of the sums of a tile of some thousand. */
    size_t elements = normd_array_elements(&(normd_array){.dtype = compute->dtype, .shape = *y});
    size_t classes = 1;
    size_t rows = elements / 1024;
    if (loss->kind->rows && y->rank >= 2) {
        classes = y->dim[normd_loss_class_axis(loss, y->rank)];
        rows = classes == 0 ? 0 : elements / classes;
    }
    size_t tiles = rows / 64 + 1;
    size_t tile = (normd_loss_sums(loss) + 2 * classes) * sizeof(double);
    size_t bytes = normd_array_bytes(&(normd_array){.dtype = compute->dtype, .shape = *y});
    bytes = normd_bytes_add(bytes, (rows + y->dim[0]) * sizeof(double));
    return normd_bytes_add(bytes, tiles * tile);
}

const void *normd_loss_target_values(
    const normd_loss_pass *pass, normd_buffer **buffer, normd_error *error)
{
    const normd_array *target = pass->target;
    size_t size = normd_dtype_size(pass->compute->dtype);
    *buffer = NULL;
    if (target->dtype == pass->compute->dtype && (uintptr_t)target->data % size == 0) {
        return target->data;
    }
    size_t count = normd_array_elements(target);
    *buffer = normd_buffer_take(pass->compute->buffers, count * size);
    if (*buffer == NULL) {
        normd_error_no_memory(error);
        return NULL;
    }
    normd_convert_values(target->dtype, target->data, pass->compute->dtype, (*buffer)->data, count);
    return (*buffer)->data;
}

void normd_loss_finish(const normd_loss *loss, normd_loss_pass *pass, const double *sums,
    size_t tiles, double divisor, double weights)
{
    enum { MOST = NORMD_SUM_METRICS + NORMD_METRICS_MAX };
    double total[MOST] = {0.0};
    size_t count = normd_loss_sums(loss);
    for (size_t tile = 0; tile < tiles; tile++) {
        for (size_t i = 0; i < count; i++) {
            total[i] += sums[tile * count + i];
        }
    }
    pass->loss = divisor == 0.0 ? 0.0 : total[NORMD_SUM_LOSS] / divisor;
    pass->has_accuracy = (loss->kind->metrics >> NORMD_METRIC_ACCURACY & 1U) != 0;
    pass->accuracy = weights == 0.0 ? 0.0 : total[NORMD_SUM_HITS] / weights;
    pass->metrics = loss->metrics.count;
    for (size_t i = 0; i < pass->metrics; i++) {
        normd_metric_value *metric = &pass->metric[i];
        snprintf(metric->name, sizeof metric->name, "%s", loss->metrics.metric[i].name);
        metric->value = weights == 0.0 ? 0.0 : total[NORMD_SUM_METRICS + i] / weights;
    }
}
