// SPDX-License-Identifier: Apache-2.0
#include "tests/accuracy/reference.h"

#include <stdlib.h>

#include "tests/accuracy/norm.h"

accuracy_reference accuracy_reference_create(const accuracy_batch *batch)
{
    size_t values = accuracy_values(batch);
    return (accuracy_reference){
        .moments = accuracy_allocate(batch->channels, sizeof(accuracy_moments)),
        .gradients = accuracy_allocate(batch->channels, sizeof(accuracy_gradients)),
        .centered = accuracy_allocate(values, sizeof(quad)),
        .y = accuracy_allocate(values, sizeof(quad)),
        .dx = accuracy_allocate(values, sizeof(quad)),
    };
}

void accuracy_reference_destroy(accuracy_reference *reference)
{
    free(reference->moments);
    free(reference->gradients);
    free(reference->centered);
    free(reference->y);
    free(reference->dx);
}

static void find_mean(const accuracy_batch *batch, size_t channel, accuracy_moments *moments)
{
    quad sum = 0;
    double absolute = 0.0, square = 0.0;
    for (size_t k = 0; k < batch->count; k++) {
        double x = normd_value_load(batch->dtype, batch->x, accuracy_at(batch, channel, k));
        sum += (quad)x;
        absolute += fabs(x);
        square += x * x;
    }
    moments->mean = sum / (quad)batch->count;
    moments->absolute = absolute / (double)batch->count;
    moments->square = square / (double)batch->count;
}

static void forward_channel(
    const accuracy_batch *batch, size_t channel, accuracy_reference *reference)
{
    accuracy_moments *moments = &reference->moments[channel];
    find_mean(batch, channel, moments);
    quad sum = 0;
    for (size_t k = 0; k < batch->count; k++) {
        size_t at = accuracy_at(batch, channel, k);
        quad centered = (quad)normd_value_load(batch->dtype, batch->x, at) - moments->mean;
        reference->centered[at] = centered;
        sum += centered * centered;
    }
    moments->variance = sum / (quad)batch->count;
    moments->inverse = 1 / quad_root(moments->variance + (quad)ACCURACY_EPS);
    moments->scale = (quad)batch->gamma[channel] * moments->inverse;
    for (size_t k = 0; k < batch->count; k++) {
        size_t at = accuracy_at(batch, channel, k);
        reference->y[at] = reference->centered[at] * moments->scale + (quad)batch->beta[channel];
    }
}

static void backward_channel(
    const accuracy_batch *batch, size_t channel, accuracy_reference *reference)
{
    const accuracy_moments *moments = &reference->moments[channel];
    accuracy_gradients gradients = {.dy = 0.0};
    quad sum = 0, sum_centered = 0;
    for (size_t k = 0; k < batch->count; k++) {
        size_t at = accuracy_at(batch, channel, k);
        double dy = normd_value_load(batch->dtype, batch->dy, at);
        sum += (quad)dy;
        sum_centered += (quad)dy * reference->centered[at];
        gradients.dy += fabs(dy);
        gradients.dy_x += fabs(dy * normd_value_load(batch->dtype, batch->x, at));
        gradients.dy_centered += fabs(dy * (double)reference->centered[at]);
    }
    gradients.dbeta = sum;
    gradients.dgamma = sum_centered * moments->inverse;
    gradients.mean_dy = sum / (quad)batch->count;
    gradients.slope = sum_centered / (quad)batch->count * moments->inverse * moments->inverse;
    reference->gradients[channel] = gradients;
    for (size_t k = 0; k < batch->count; k++) {
        size_t at = accuracy_at(batch, channel, k);
        quad dy = (quad)normd_value_load(batch->dtype, batch->dy, at);
        reference->dx[at] =
            (dy - gradients.mean_dy - reference->centered[at] * gradients.slope) * moments->scale;
    }
}

void accuracy_reference_forward(const accuracy_batch *batch, accuracy_reference *reference)
{
    for (size_t c = 0; c < batch->channels; c++) {
        forward_channel(batch, c, reference);
    }
}

void accuracy_reference_backward(const accuracy_batch *batch, accuracy_reference *reference)
{
    for (size_t c = 0; c < batch->channels; c++) {
        backward_channel(batch, c, reference);
    }
}
