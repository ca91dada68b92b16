// SPDX-License-Identifier: Apache-2.0
#include "tests/accuracy/check.h"

#include <stdio.h>
#include <string.h>

/* One result and what it should be. */
typedef struct comparison {
    accuracy_quantity quantity;
    size_t channel, value;
    double got;
    quad expected;
    double bound;
} comparison;

const char *accuracy_quantity_name(accuracy_quantity quantity)
{
    static const char *const names[] = {
#define NAME(name) #name,
        ACCURACY_QUANTITY_MAP(NAME)
#undef NAME
    };
    return names[quantity];
}

void accuracy_figures_merge(accuracy_figures *total, const accuracy_figures *other)
{
    total->mean_ulps = fmax(total->mean_ulps, other->mean_ulps);
    total->variance_ulps = fmax(total->variance_ulps, other->variance_ulps);
    for (size_t q = 0; q < ACCURACY_QUANTITIES; q++) {
        total->ratio[q] = fmax(total->ratio[q], other->ratio[q]);
    }
}

/* The place of a double among all doubles, counted from 0; -0 is 0. */
static int64_t place_f64(double value)
{
    int64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits < 0 ? INT64_MIN - bits : bits;
}

static int64_t place_f32(float value)
{
    int32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits < 0 ? (int64_t)INT32_MIN - bits : bits;
}

static double ulps_between(normd_dtype dtype, double got, quad expected)
{
    if (isnan(got)) {
        return INFINITY;
    }
    int64_t distance = dtype == NORMD_F32 ? place_f32((float)got) - place_f32((float)expected)
                                          : place_f64(got) - place_f64((double)expected);
    return fabs((double)distance);
}

static void say(const accuracy_case *self, const comparison *c)
{
    char shape[NORMD_SHAPE_TEXT_BYTES];
    const accuracy_batch *batch = self->batch;
    fprintf(stderr,
        "accuracy: %s, x %s, dy %s, %s with channels %s: %s of channel %zu, value %zu: expected "
        "%.17g within %.3g, got %.17g\n",
        normd_dtype_title(batch->dtype), self->x_set, self->dy_set,
        normd_shape_format(&batch->extents, shape, sizeof shape),
        batch->shape->channels_last ? "last" : "second", accuracy_quantity_name(c->quantity),
        c->channel, c->value, (double)c->expected, c->bound, c->got);
}

/* Error over bound; NaN and infinity are infinitely far. */
static double ratio_of(const comparison *c)
{
    double error = (double)quad_absolute((quad)c->got - c->expected);
    return isfinite(c->got) ? error / c->bound : INFINITY;
}

static size_t judge(
    const accuracy_case *self, const comparison *c, double ratio, accuracy_figures *figures)
{
    figures->ratio[c->quantity] = fmax(figures->ratio[c->quantity], ratio);
    if (ratio <= 1.0) {
        return 0;
    }
    if (!self->quiet) {
        say(self, c);
    }
    return 1;
}

static size_t check_moment(const accuracy_case *self, comparison c, accuracy_figures *figures)
{
    normd_dtype dtype = self->batch->dtype;
    double ulps = ulps_between(dtype, c.got, c.expected);
    double *most = c.quantity == ACCURACY_mean ? &figures->mean_ulps : &figures->variance_ulps;
    *most = fmax(*most, ulps);
    if (dtype == NORMD_F32) {
        float rounded = (float)c.expected;
        c.bound = (double)(nextafterf(fabsf(rounded), INFINITY) - fabsf(rounded));
    }
    return judge(self, &c, dtype == NORMD_F32 ? ulps : ratio_of(&c), figures);
}

/* Of the values of a channel the one that is furthest off is looked at. */
static size_t check_values(const accuracy_case *self, accuracy_quantity quantity, size_t channel,
    const void *got, const quad *expected, const double *bounds, accuracy_figures *figures)
{
    comparison worst = {.quantity = quantity};
    double largest = -1.0;
    for (size_t k = 0; k < self->batch->count; k++) {
        size_t at = accuracy_at(self->batch, channel, k);
        comparison c = {quantity, channel, k, normd_value_load(self->batch->dtype, got, at),
            expected[at], bounds[at]};
        double ratio = ratio_of(&c);
        if (ratio > largest) {
            largest = ratio;
            worst = c;
        }
    }
    return judge(self, &worst, largest, figures);
}

size_t accuracy_check_forward(const accuracy_case *self, accuracy_figures *figures)
{
    size_t wrong = 0;
    for (size_t c = 0; c < self->batch->channels; c++) {
        const accuracy_moments *m = &self->reference->moments[c];
        comparison mean = {
            ACCURACY_mean, c, 0, self->result->mean[c], m->mean, self->bounds->mean[c]};
        comparison variance = {ACCURACY_variance, c, 0, self->result->variance[c], m->variance,
            self->bounds->variance[c]};
        wrong += check_moment(self, mean, figures);
        wrong += check_moment(self, variance, figures);
        wrong += check_values(
            self, ACCURACY_y, c, self->result->y, self->reference->y, self->bounds->y, figures);
    }
    return wrong;
}

size_t accuracy_check_backward(const accuracy_case *self, accuracy_figures *figures)
{
    size_t wrong = 0;
    for (size_t c = 0; c < self->batch->channels; c++) {
        const accuracy_gradients *g = &self->reference->gradients[c];
        comparison dgamma = {
            ACCURACY_dgamma, c, 0, self->result->dgamma[c], g->dgamma, self->bounds->dgamma[c]};
        comparison dbeta = {
            ACCURACY_dbeta, c, 0, self->result->dbeta[c], g->dbeta, self->bounds->dbeta[c]};
        wrong += judge(self, &dgamma, ratio_of(&dgamma), figures);
        wrong += judge(self, &dbeta, ratio_of(&dbeta), figures);
        wrong += check_values(
            self, ACCURACY_dx, c, self->result->dx, self->reference->dx, self->bounds->dx, figures);
    }
    return wrong;
}
