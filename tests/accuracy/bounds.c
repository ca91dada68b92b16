// SPDX-License-Identifier: Apache-2.0
#include "tests/accuracy/bounds.h"

#include <stdlib.h>

/* Rounding of a double, and its smallest number. */
static const double v = DBL_EPSILON / 2;
static const double v_tiny = DBL_TRUE_MIN;
/* For products of roundings: 16 of floats. */
static const double second_order = 1.000001;
/* Where |mean| is up to so many times sqrt(variance + eps), sums of dy x of floats are taken about
   0: 2^16, and the rounding of what is compared. */
static const double far_mean = 0x1p16 * 1.001;

/* Errors of what a channel's coefficients are made of; names as in README.md. */
typedef struct channel_errors {
    double u, tiny;           /* of the type */
    double store;             /* rounding when a double is stored in the type */
    double additions;         /* K */
    double mean_size, mean;   /* |M|, and the error of mean_high + mean_low */
    double variance;          /* absolute, of the variance as a double */
    double share;             /* the same over variance + eps */
    double scale_size, scale; /* |S|, and its relative error */
    double inverse;
} channel_errors;

/* Additions a value goes through on its way into a sum over the channel: as many as there are
   others, at most 1024 in a chain, and one for every 1024 values in joining chains. */
static double additions_of(double count)
{
    double most = 1024.0 + count / 1024.0;
    return count - 1.0 < most ? count - 1.0 : most;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

/* The distance of the exact mean from the nearest number of the type, which mean_high is (or the
   one on the other side, as far away, where the mean lies in the middle). */
static double rounding_of(normd_dtype dtype, quad mean)
{
    return (double)quad_absolute(
        mean - (dtype == NORMD_F32 ? (quad)(float)mean : (quad)(double)mean));
}

/* The errors of mean and variance. Plain sums stand only where they are certain, and never for
   doubles; others are made again about the mean, without error in the sum. */
static void bound_moments(const accuracy_batch *batch, const accuracy_moments *m, channel_errors *e)
{
    bool narrow = batch->dtype == NORMD_F32;
    double K = e->additions, variance = (double)m->variance;
    double certain = 0x1p-26 * variance;
    bool may_be_plain = narrow && K / 4.0 * v * m->square <= certain;
    double plain = smaller((3.0 * K + 5.0) * v * m->square, certain);
    double off_center = e->u * e->mean_size + K * v * m->absolute;
    double centered = (K + 8.0) * v * (variance + 3.0 * off_center * off_center);
    e->variance =
        (may_be_plain ? larger(plain, centered) : centered) + 4.0 * v * variance + 4.0 * v_tiny;
    e->mean = (may_be_plain ? K * v * m->absolute : 0.0) + (K * v) * (K * v) * m->absolute +
              e->u * rounding_of(batch->dtype, m->mean) +
              (narrow ? v : 4.0 * v * v) * e->mean_size + e->tiny;
}

static channel_errors errors_of(
    const accuracy_batch *batch, const accuracy_moments *m, double measured_variance)
{
    bool narrow = batch->dtype == NORMD_F32;
    channel_errors e = {.u = narrow ? (double)FLT_EPSILON / 2 : v,
        .tiny = narrow ? (double)FLT_TRUE_MIN : v_tiny,
        .store = narrow ? (double)FLT_EPSILON / 2 : 0.0,
        .additions = additions_of((double)batch->count),
        .mean_size = (double)quad_absolute(m->mean),
        .scale_size = (double)quad_absolute(m->scale),
        .inverse = (double)m->inverse};
    bound_moments(batch, m, &e);
    /* The variance of doubles is seen as it is used; that of floats is seen rounded. */
    double seen = (double)quad_absolute((quad)measured_variance - m->variance);
    double variance = narrow ? smaller(e.variance, seen + e.u * measured_variance + e.tiny) : seen;
    e.share = variance * e.inverse * e.inverse;
    e.scale = e.store + 3.5 * v + e.share / 2.0;
    return e;
}

/* The rounding of x - mean_high: none within a factor of two (Sterbenz), with room for mean_high
   being the mean rounded. */
static double difference_error(const channel_errors *e, double x, double mean, double centered)
{
    double ratio = x / mean;
    bool exact = ratio >= 0.5 * (1.0 + 4.0 * e->u) && ratio <= 2.0 * (1.0 - 4.0 * e->u);
    return exact ? 0.0 : e->u * (fabs(centered) + e->u * e->mean_size);
}

void accuracy_bounds_forward(const accuracy_batch *batch, const accuracy_reference *reference,
    const double *variance, accuracy_bounds *bounds)
{
    for (size_t c = 0; c < batch->channels; c++) {
        const accuracy_moments *m = &reference->moments[c];
        channel_errors e = errors_of(batch, m, variance[c]);
        bounds->mean[c] = v * e.mean_size + e.mean;
        bounds->variance[c] = e.variance;
        for (size_t k = 0; k < batch->count; k++) {
            size_t at = accuracy_at(batch, c, k);
            double x = normd_value_load(batch->dtype, batch->x, at);
            double centered = (double)reference->centered[at];
            double difference =
                difference_error(&e, x, (double)m->mean, centered) + e.mean + e.u * fabs(centered);
            double size = fabs(centered) * e.scale_size;
            double sum = batch->beta[c] != 0.0 ? fabs((double)reference->y[at]) : 0.0;
            bounds->y[at] =
                second_order * (e.scale_size * difference + size * (e.u + e.scale) + e.u * sum) +
                e.tiny * (2.0 + fabs(centered));
        }
    }
}

/* Of sum(dy (x - mean)), about 0 or about the mean. */
static double centered_sum_error(
    const accuracy_batch *batch, const channel_errors *e, const accuracy_gradients *g)
{
    double K = e->additions;
    double of_mean = e->mean * fabs((double)g->dbeta);
    double underflow = (double)batch->count * v_tiny; /* of the products */
    if (batch->dtype == NORMD_F32 && e->mean_size * e->inverse <= far_mean) {
        return (K + 2.0) * v * (g->dy_x + e->mean_size * g->dy) + of_mean + underflow;
    }
    return v * ((K + 4.0) * g->dy_centered + e->u * e->mean_size * g->dy) + of_mean + underflow;
}

static void bound_dx(const accuracy_batch *batch, const accuracy_reference *reference, size_t c,
    const channel_errors *e, double sum_error, double *bound)
{
    const accuracy_gradients *g = &reference->gradients[c];
    double count = (double)batch->count, mean = (double)reference->moments[c].mean;
    double mean_dy_error =
        (e->store + v) * fabs((double)g->mean_dy) + e->additions * v * g->dy / count + e->tiny;
    double slope = fabs((double)g->slope);
    double slope_error = slope * (e->store + 8.0 * v + e->share) +
                         e->inverse * e->inverse * sum_error / count + e->tiny;
    for (size_t k = 0; k < batch->count; k++) {
        size_t at = accuracy_at(batch, c, k);
        double x = normd_value_load(batch->dtype, batch->x, at);
        double dy = normd_value_load(batch->dtype, batch->dy, at);
        double centered = (double)reference->centered[at], dx = fabs((double)reference->dx[at]);
        double p = (double)((quad)dy - g->mean_dy);
        double product_error = slope * (difference_error(e, x, mean, centered) + e->mean +
                                           2.0 * e->u * fabs(centered)) +
                               fabs(centered) * slope_error + e->tiny;
        double before_scale = mean_dy_error + e->u * fabs(p) + product_error;
        bound[at] = second_order * (e->scale_size * before_scale + (2.0 * e->u + e->scale) * dx) +
                    e->tiny * (1.0 + fabs(p) + fabs(centered) * slope);
    }
}

void accuracy_bounds_backward(const accuracy_batch *batch, const accuracy_reference *reference,
    const double *variance, accuracy_bounds *bounds)
{
    for (size_t c = 0; c < batch->channels; c++) {
        const accuracy_moments *m = &reference->moments[c];
        const accuracy_gradients *g = &reference->gradients[c];
        channel_errors e = errors_of(batch, m, variance[c]);
        double sum_error = centered_sum_error(batch, &e, g);
        bounds->dgamma[c] =
            second_order * (fabs((double)g->dgamma) * (e.store + 3.5 * v + e.share / 2.0) +
                               e.inverse * sum_error) +
            e.tiny;
        bounds->dbeta[c] =
            second_order * (e.store * fabs((double)g->dbeta) + e.additions * v * g->dy) + e.tiny;
        bound_dx(batch, reference, c, &e, sum_error, bounds->dx);
    }
}

accuracy_bounds accuracy_bounds_create(const accuracy_batch *batch)
{
    size_t values = accuracy_values(batch);
    return (accuracy_bounds){
        .mean = accuracy_allocate(batch->channels, sizeof(double)),
        .variance = accuracy_allocate(batch->channels, sizeof(double)),
        .dgamma = accuracy_allocate(batch->channels, sizeof(double)),
        .dbeta = accuracy_allocate(batch->channels, sizeof(double)),
        .y = accuracy_allocate(values, sizeof(double)),
        .dx = accuracy_allocate(values, sizeof(double)),
    };
}

void accuracy_bounds_destroy(accuracy_bounds *bounds)
{
    free(bounds->mean);
    free(bounds->variance);
    free(bounds->dgamma);
    free(bounds->dbeta);
    free(bounds->y);
    free(bounds->dx);
}
