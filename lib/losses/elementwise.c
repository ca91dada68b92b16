// SPDX-License-Identifier: Apache-2.0
#include "lib/losses/elementwise.h"

#include <math.h>

/* A binary decision: outputs are logits, decided at 0, or probabilities, decided at one half. */
static bool is_hit(const normd_loss *loss, double y, double t)
{
    return (y > (loss->from_logits ? 0.0 : 0.5)) == (t > 0.5);
}

void normd_elementwise_metrics(
    const normd_loss *loss, double y, double t, double weight, double *sums)
{
    if ((loss->kind->metrics >> NORMD_METRIC_ACCURACY & 1U) != 0 && is_hit(loss, y, t)) {
        sums[NORMD_SUM_HITS] += weight;
    }
    for (size_t i = 0; i < loss->metrics.count; i++) {
        double value = 0.0;
        switch (loss->metrics.metric[i].kind) {
        case NORMD_METRIC_ACCURACY:
            value = is_hit(loss, y, t) ? 1.0 : 0.0;
            break;
        case NORMD_METRIC_MAE:
            value = fabs(y - t);
            break;
        case NORMD_METRIC_MSE:
            value = (y - t) * (y - t);
            break;
        case NORMD_METRIC_TOP_K: /* refused when the session was created */
        case NORMD_METRIC_KINDS:
        default:
            break;
        }
        sums[NORMD_SUM_METRICS + i] += weight * value;
    }
}

bool normd_elementwise_is_plain(const normd_elementwise_loop *loop)
{
    const normd_loss *loss = loop->loss;
    bool decides = (loss->kind->metrics >> NORMD_METRIC_ACCURACY & 1U) != 0;
    return loop->sample_weight == NULL && loop->columns == 1 && loss->metrics.count == 0 &&
           !decides;
}

/* Whether the target has the output's shape, or that shape without a last extent of 1. */
static bool shape_fits(const normd_shape *target, const normd_shape *y)
{
    normd_shape squeezed = *y;
    squeezed.rank -= y->rank > 1 && y->dim[y->rank - 1] == 1;
    return normd_shape_equal(target, y) || normd_shape_equal(target, &squeezed);
}

static normd_status check(const normd_loss *loss, const normd_loss_pass *pass, normd_error *error)
{
    char expected[NORMD_SHAPE_TEXT_BYTES];
    char got[NORMD_SHAPE_TEXT_BYTES];
    const normd_array *target = pass->target;
    const char *name = loss->kind->described[loss->convention];
    bool binary = (loss->kind->metrics >> NORMD_METRIC_ACCURACY & 1U) != 0;
    if (!shape_fits(&target->shape, &pass->shape)) {
        return normd_error_set(error, NORMD_BAD_SHAPE, "target: expected %s, got %s",
            normd_shape_format(&pass->shape, expected, sizeof expected),
            normd_shape_format(&target->shape, got, sizeof got));
    }
    if (!normd_dtype_is_float(target->dtype) && (!binary || target->dtype == NORMD_BOOL)) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "target: expected %s values for the loss %s, got %s",
            binary ? "float or integer" : "float", name, normd_dtype_title(target->dtype));
    }
    size_t columns = pass->shape.dim[pass->shape.rank - 1];
    const normd_weights *weights[] = {&loss->weight, &loss->pos_weight};
    for (size_t i = 0; i < 2; i++) {
        if (weights[i]->value != NULL && !weights[i]->scalar && weights[i]->count != columns) {
            return normd_error_set(error, NORMD_BAD_SHAPE,
                "x: expected a batch whose output has %zu columns, as the loss has weights, got "
                "output %s",
                weights[i]->count, normd_shape_format(&pass->shape, got, sizeof got));
        }
    }
    return NORMD_OK;
}

static double divisor_of(const normd_loss *loss, double count, double weights, double columns)
{
    switch (loss->reduction) {
    case NORMD_REDUCE_SUM:
        return 1.0;
    case NORMD_REDUCE_SUM_OF_MEANS:
        return columns;
    case NORMD_REDUCE_SAMPLE_WEIGHTS:
        return weights;
    case NORMD_REDUCE_MEAN:
    case NORMD_REDUCE_BATCH:
    case NORMD_REDUCTIONS:
    default:
        return count;
    }
}

/* The sum of the elements' sample weights. */
static double sum_of_weights(const normd_elementwise_loop *loop)
{
    if (loop->sample_weight == NULL) {
        return (double)loop->count;
    }
    double sum = 0.0;
    for (size_t i = 0; i < loop->count / loop->per_sample; i++) {
        sum += loop->sample_weight[i];
    }
    return sum * (double)loop->per_sample;
}

normd_status normd_elementwise_run(const normd_loss *loss, normd_loss_pass *pass,
    const double *sample_weight, normd_tile_function tile, normd_error *error)
{
    normd_status status = check(loss, pass, error);
    if (status != NORMD_OK) {
        return status;
    }
    size_t columns = pass->shape.dim[pass->shape.rank - 1];
    bool by_column = loss->weight.value != NULL || loss->pos_weight.value != NULL;
    normd_elementwise_loop loop = {.loss = loss,
        .y = pass->y,
        .gradient = pass->gradient,
        .count = normd_array_elements(pass->target),
        .columns = by_column ? columns : 1,
        .sample_weight = sample_weight};
    loop.per_sample = loop.count / pass->shape.dim[0];
    double weights = sum_of_weights(&loop);
    double divisor = divisor_of(loss, (double)loop.count, weights, (double)columns);
    loop.divisor = divisor == 0.0 ? 1.0 : divisor;
    size_t tiles = loop.count / NORMD_ELEMENTWISE_TILE + (loop.count % NORMD_ELEMENTWISE_TILE != 0);
    normd_buffer *converted;
    loop.target = normd_loss_target_values(pass, &converted, error);
    normd_buffer *sums =
        normd_buffer_take(pass->compute->buffers, tiles * normd_loss_sums(loss) * sizeof(double));
    if (loop.target == NULL || sums == NULL) {
        status = normd_error_no_memory(error);
    } else {
        loop.sums = sums->data;
        normd_compute_tiles(pass->compute, loop.count, tiles, tile, &loop);
        normd_loss_finish(loss, pass, loop.sums, tiles, divisor, weights);
    }
    normd_buffer_release(sums);
    normd_buffer_release(converted);
    return status;
}
