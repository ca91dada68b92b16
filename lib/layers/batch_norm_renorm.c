// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/batch_norm_renorm.h"

#include <math.h>
#include <string.h>

/* Mean and variance of what counts as one batch. */
typedef struct batch_moments {
    double mean;
    double variance; /* biased */
    double stored;   /* what the running variance takes */
} batch_moments;

/* The statistics of one feature; without renormalization the first two alone. */
typedef struct feature_statistics {
    double mean, variance, deviation;
    double renorm_mean, renorm_deviation;
} feature_statistics;

normd_batch_norm_composing normd_batch_norm_compose(const normd_layer_pass *pass,
    const normd_batch_norm_view *view, const normd_channel_moments *moments,
    const normd_batch_norm_kept *kept, double count)
{
    const normd_batch_norm *norm = normd_batch_norm_of(pass->layer);
    normd_batch_norm_composing by = {pass, norm, view, moments, kept, count, 0};
    if (norm->track && pass->new_statistics != NULL) {
        char *counter = pass->new_statistics + norm->batches->offset;
        memcpy(&by.batches, counter, sizeof by.batches);
        int64_t more = norm->virtual_strided ? 1 : (int64_t)view->groups;
        int64_t room = NORMD_MAX_COUNT - by.batches;
        int64_t batches = by.batches + (more < room ? more : room);
        memcpy(counter, &batches, sizeof batches);
    }
    return by;
}

static double count_of(const normd_batch_norm_composing *by, size_t channel)
{
    return by->view->groups > 1 ? (double)normd_batch_norm_count(by->view, channel) : by->count;
}

/* With one value a channel sum/(n-1) has no meaning, and the biased variance, 0, stands in. */
static batch_moments moments_of(const normd_batch_norm_composing *by, size_t channel)
{
    double count = count_of(by, channel), m2 = by->moments->m2[channel];
    double divisor = by->norm->unbiased && count > 1.0 ? count - 1.0 : count;
    return (batch_moments){by->moments->mean[channel], m2 / count, m2 / divisor};
}

static batch_moments average_of(const normd_batch_norm_composing *by, size_t feature)
{
    batch_moments total = {0, 0, 0};
    for (size_t g = 0; g < by->view->groups; g++) {
        batch_moments one = moments_of(by, g * by->view->features + feature);
        total.mean += one.mean;
        total.variance += one.variance;
        total.stored += one.stored;
    }
    double groups = (double)by->view->groups;
    return (batch_moments){total.mean / groups, total.variance / groups, total.stored / groups};
}

static double load(const normd_batch_norm_composing *by, const normd_layer_tensor *tensor, size_t c)
{
    const char *moved = by->pass->new_statistics;
    const char *from = moved != NULL ? moved : by->pass->statistics;
    return tensor != NULL ? normd_value_load(tensor->dtype, from + tensor->offset, c) : 0.0;
}

static feature_statistics load_feature(const normd_batch_norm_composing *by, size_t feature)
{
    const normd_batch_norm *norm = by->norm;
    return (feature_statistics){
        .mean = load(by, norm->mean, feature),
        .variance = load(by, norm->var, feature),
        .deviation = load(by, norm->deviation, feature),
        .renorm_mean = load(by, norm->renorm_mean, feature),
        .renorm_deviation = load(by, norm->renorm_deviation, feature),
    };
}

static void store(
    const normd_batch_norm_composing *by, const normd_layer_tensor *tensor, size_t c, double value)
{
    if (tensor != NULL) {
        char *to = by->pass->new_statistics + tensor->offset;
        normd_value_store(tensor->dtype, to, c, value);
    }
}

static bool store_feature(
    const normd_batch_norm_composing *by, size_t feature, const feature_statistics *of)
{
    const normd_batch_norm *norm = by->norm;
    store(by, norm->mean, feature, of->mean);
    store(by, norm->var, feature, of->variance);
    store(by, norm->deviation, feature, of->deviation);
    store(by, norm->renorm_mean, feature, of->renorm_mean);
    store(by, norm->renorm_deviation, feature, of->renorm_deviation);
    feature_statistics rounded = load_feature(by, feature);
    return isfinite(rounded.mean + rounded.variance + rounded.deviation + rounded.renorm_mean +
                    rounded.renorm_deviation);
}

static double clip(double value, double least, double most)
{
    double above = value < least ? least : value; /* NaN stays NaN */
    return above > most ? most : above;
}

/* r and d of one channel. The least deviation avoids a division by zero early in training. */
static void correct_channel(const normd_batch_norm_composing *by, size_t channel,
    const batch_moments *batch, const feature_statistics *of)
{
    const normd_batch_norm *norm = by->norm;
    double least = sqrt(norm->eps);
    double deviation = of->renorm_deviation > least ? of->renorm_deviation : least;
    double r = sqrt(batch->variance + norm->eps) / deviation;
    double d = (batch->mean - of->renorm_mean) / deviation;
    by->kept->correction[channel] = clip(r, norm->rmin, norm->rmax);
    by->kept->shift[channel] = clip(d, -norm->dmax, norm->dmax);
}

/* Each result is rounded to the layer's type, as if it had been stored. */
static double moved(const normd_batch_norm *norm, double keep, double old, double take, double by)
{
    double value = keep * old + take * by;
    return norm->base.dtype == NORMD_F32 ? (double)(float)value : value;
}

/* `turn`: how many virtual batches of this pass went before. */
static feature_statistics move(const normd_batch_norm_composing *by, feature_statistics of,
    const batch_moments *batch, size_t turn)
{
    const normd_batch_norm *norm = by->norm;
    double take = norm->cumulative ? 1.0 / (double)(by->batches + (int64_t)turn + 1) : norm->take;
    double keep = norm->cumulative ? 1.0 - take : norm->keep;
    of.mean = moved(norm, keep, of.mean, take, batch->mean);
    if (!norm->renorm) {
        of.variance = moved(norm, keep, of.variance, take, batch->stored);
        return of;
    }
    double deviation = sqrt(batch->variance + norm->eps);
    of.renorm_mean = moved(norm, norm->renorm_keep, of.renorm_mean, norm->renorm_take, batch->mean);
    of.renorm_deviation =
        moved(norm, norm->renorm_keep, of.renorm_deviation, norm->renorm_take, deviation);
    of.deviation = moved(norm, keep, of.deviation, take, deviation);
    double variance = of.deviation * of.deviation - norm->eps;
    of.variance = variance < 0.0 ? 0.0 : variance;
    return of;
}

static bool correct_feature(const normd_batch_norm_composing *by, size_t feature)
{
    const normd_batch_norm_view *view = by->view;
    bool together = by->norm->virtual_strided || view->groups == 1;
    bool moves = by->pass->new_statistics != NULL && by->norm->track;
    batch_moments batch = {0, 0, 0};
    if (together) {
        batch = average_of(by, feature);
    }
    feature_statistics of = load_feature(by, feature);
    for (size_t g = 0; g < view->groups; g++) {
        size_t channel = g * view->features + feature;
        if (!together) {
            batch = moments_of(by, channel);
        }
        if (by->norm->renorm) {
            correct_channel(by, channel, &batch, &of);
        }
        if (moves && (!together || g + 1 == view->groups)) {
            of = move(by, of, &batch, together ? 0 : g);
        }
    }
    return !moves || store_feature(by, feature, &of);
}

bool normd_batch_norm_correct(const normd_batch_norm_composing *by, size_t begin, size_t end)
{
    bool finite = true;
    for (size_t feature = begin; feature < end; feature++) {
        finite = correct_feature(by, feature) && finite;
    }
    return finite;
}

static double parameter(
    const normd_batch_norm_composing *by, const normd_layer_tensor *tensor, size_t c, double none)
{
    const char *from = by->pass->parameters;
    return tensor != NULL ? normd_value_load(tensor->dtype, from + tensor->offset, c) : none;
}

bool normd_batch_norm_coefficients(const normd_batch_norm_composing *by, size_t begin, size_t end)
{
    const normd_batch_norm *norm = by->norm;
    const normd_batch_norm_kept *kept = by->kept;
    normd_dtype dtype = norm->base.dtype;
    bool finite = true;
    for (size_t c = begin; c < end; c++) {
        size_t feature = c % by->view->features;
        double gamma = parameter(by, norm->gamma, feature, 1.0);
        double beta = parameter(by, norm->beta, feature, 0.0);
        double r = norm->renorm ? kept->correction[c] : 1.0;
        double d = norm->renorm ? kept->shift[c] : 0.0;
        kept->correction[c] = r;
        kept->shift[c] = d;
        normd_value_store(dtype, kept->scale, c, gamma * r * kept->inverse_deviation[c]);
        normd_value_store(dtype, kept->bias, c, norm->renorm ? beta + gamma * d : beta);
        finite = finite && isfinite(normd_value_load(dtype, kept->scale, c)) &&
                 isfinite(normd_value_load(dtype, kept->bias, c));
    }
    return finite;
}

/* sum(dy) and sum(dy (x - mean)) of one channel. */
static normd_gradient_sums channel_sums(const normd_batch_norm *norm,
    const normd_batch_norm_view *view, const normd_batch_norm_kept *kept,
    const normd_gradient_sums *sums, bool centered, size_t channel)
{
    normd_gradient_sums total = sums[channel];
    for (size_t chunk = 1; chunk < view->tiling.chunks; chunk++) {
        const normd_gradient_sums *part = &sums[chunk * view->channels + channel];
        total.dy += part->dy;
        total.dy_x += part->dy_x;
    }
    if (!centered) {
        normd_dtype dtype = norm->base.dtype;
        double mean = normd_value_load(dtype, kept->mean_high, channel) +
                      normd_value_load(dtype, kept->mean_low, channel);
        total.dy_x -= mean * total.dy;
    }
    return total;
}

void normd_batch_norm_collect_gradients(const normd_batch_norm *norm,
    const normd_batch_norm_view *view, const normd_batch_norm_kept *kept,
    const normd_gradient_sums *sums, const uint8_t *centered, void *dgamma, void *dbeta)
{
    for (size_t feature = 0; feature < view->features; feature++) {
        double of_gamma = 0.0, of_beta = 0.0;
        for (size_t g = 0; g < view->groups; g++) {
            size_t c = g * view->features + feature;
            normd_gradient_sums one = channel_sums(norm, view, kept, sums, centered[c] != 0, c);
            of_gamma += one.dy_x * kept->inverse_deviation[c] * kept->correction[c];
            of_gamma += one.dy * kept->shift[c];
            of_beta += one.dy;
        }
        if (dgamma != NULL) {
            normd_value_store(norm->base.dtype, dgamma, feature, of_gamma);
        }
        if (dbeta != NULL) {
            normd_value_store(norm->base.dtype, dbeta, feature, of_beta);
        }
    }
}
