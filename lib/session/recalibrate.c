// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>

#include "lib/session/image_state.h"
#include "lib/session/recalibration.h"

static const char *const mode_names[] = {
    [NORMD_RECALIBRATE_POOLED] = "pooled",
    [NORMD_RECALIBRATE_MEAN_OF_VARIANCES] = "mean_of_variances",
};

/* The sum of squares is divided by this for the variance that the layer stores. */
static double divisor_of(const normd_batch_norm *norm, double count)
{
    return norm->unbiased && count > 1.0 ? count - 1.0 : count;
}

/* m = m + (b - m) / n, the cumulative average. */
static void average(normd_moments *total, const normd_moments *batch, double divisor, double n)
{
    total->count = 1.0;
    total->mean += (batch->mean - total->mean) / n;
    total->m2 += (batch->m2 / divisor - total->m2) / n;
}

static void add_batch(normd_recalibration *recalibration)
{
    const normd_statistics_collection *batch = &recalibration->batch;
    recalibration->batches++;
    for (size_t i = 0; i < batch->model->layers; i++) {
        for (size_t c = batch->begin[i]; c < batch->begin[i + 1]; c++) {
            normd_moments *total = &recalibration->total.moments[c];
            const normd_moments *part = &batch->moments[c];
            if (recalibration->mode == NORMD_RECALIBRATE_POOLED) {
                normd_moments_merge(total, part);
            } else {
                double divisor = divisor_of(normd_statistics_norm(batch->model, i), part->count);
                average(total, part, divisor, (double)recalibration->batches);
            }
        }
    }
}

/* What renormalization keeps: the deviation that makes the variance, and the mean and deviation
   that r and d are taken from, which a training batch like the collected ones then leaves alone. */
static void write_renorm(
    const normd_batch_norm *norm, size_t channel, double mean, double variance, char *statistics)
{
    normd_dtype dtype = norm->base.dtype;
    double deviation = sqrt(variance + norm->eps);
    normd_value_store(dtype, statistics + norm->deviation->offset, channel, deviation);
    normd_value_store(dtype, statistics + norm->renorm_mean->offset, channel, mean);
    normd_value_store(dtype, statistics + norm->renorm_deviation->offset, channel, deviation);
}

static void write_layer(const normd_recalibration *recalibration, const normd_batch_norm *norm,
    const normd_moments *total, char *statistics)
{
    normd_dtype dtype = norm->base.dtype;
    int64_t batches = (int64_t)recalibration->batches;
    for (size_t c = 0; c < norm->features; c++) {
        bool pooled = recalibration->mode == NORMD_RECALIBRATE_POOLED;
        double divisor = pooled ? divisor_of(norm, total[c].count) : 1.0;
        double variance = total[c].m2 / divisor;
        normd_value_store(dtype, statistics + norm->mean->offset, c, total[c].mean);
        normd_value_store(dtype, statistics + norm->var->offset, c, variance);
        if (norm->renorm) {
            write_renorm(norm, c, total[c].mean, variance, statistics);
        }
    }
    memcpy(statistics + norm->batches->offset, &batches, sizeof batches);
}

/* The collected statistics become the running ones of all layers that are not frozen. */
static normd_status finish(
    normd_session *session, const normd_recalibration *recalibration, normd_error *error)
{
    const normd_model *model = session->model;
    const normd_snapshot *base = session->current;
    normd_change change = {
        .statistics = normd_slab_take(session->statistic_shelf),
        .version = base->version + 1,
        .steps = base->steps,
    };
    if (change.statistics == NULL) {
        return normd_error_no_memory(error);
    }
    char *statistics = normd_slab_data(change.statistics);
    memcpy(statistics, normd_slab_data(base->statistics), model->statistic_bytes);
    const normd_statistics_collection *total = &recalibration->total;
    for (size_t i = 0; i < model->layers; i++) {
        const normd_batch_norm *norm = normd_statistics_norm(model, i);
        if (total->begin[i] < total->begin[i + 1] && normd_batch_norm_uses_batch(norm)) {
            write_layer(recalibration, norm, total->moments + total->begin[i], statistics);
        }
    }
    return normd_session_publish(session, &change, error);
}

static normd_status check(const normd_recalibration *going, const normd_array *x,
    const normd_recalibration_options *options, normd_error *error)
{
    if (going == NULL && x == NULL) {
        return normd_error_set(
            error, NORMD_BAD_ARGUMENT, "x: expected a batch, since none came before; got nothing");
    }
    if (going != NULL && going->mode != options->mode) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "mode: expected \"%s\" as in the batches before, or restart, got \"%s\"",
            mode_names[going->mode], mode_names[options->mode]);
    }
    return NORMD_OK;
}

/* `going` is the session's, or a new one. */
static normd_status recalibrate(normd_session *session, const normd_array *x,
    const normd_recalibration_options *options, normd_recalibration *going, normd_error *error)
{
    normd_status status = NORMD_OK;
    if (x != NULL) {
        status = normd_statistics_collect(session, x, options->mask, &going->batch, error);
    }
    if (status == NORMD_OK && x != NULL) {
        add_batch(going);
        if (going == session->recalibration) {
            normd_recalibration_changed(session);
        }
    }
    return status == NORMD_OK && options->finish ? finish(session, going, error) : status;
}

/* A first batch that tells the features, too. */
static normd_status recalibrate_lazy(normd_session *session, const normd_array *x,
    const normd_recalibration_options *options, normd_recalibration_result *result,
    normd_error *error)
{
    normd_session *made;
    *result = (normd_recalibration_result){.version = session->current->version};
    normd_status status =
        normd_session_materialize(session, &x->shape, options->finish, &made, error);
    if (status == NORMD_OK) {
        status = normd_session_recalibrate(made, x, options, result, error);
    }
    if (status == NORMD_OK) {
        normd_session_adopt(session, made);
    }
    normd_session_destroy(made);
    return status;
}

normd_status normd_session_recalibrate(normd_session *session, const normd_array *x,
    const normd_recalibration_options *options, normd_recalibration_result *result,
    normd_error *error)
{
    if (x != NULL && normd_model_is_lazy(session->model)) {
        return recalibrate_lazy(session, x, options, result, error);
    }
    *result = (normd_recalibration_result){.version = session->current->version};
    normd_status status = normd_statistics_check(session->model, NULL, true, error);
    if (status == NORMD_OK && !options->restart) {
        status = normd_recalibration_wake(session, error);
    }
    if (status != NORMD_OK) {
        return status;
    }
    normd_recalibration *going = options->restart ? NULL : session->recalibration;
    status = check(going, x, options, error);
    if (status == NORMD_OK && going == NULL) {
        status = normd_recalibration_begin(session->model, options->mode, &going, error);
    }
    if (status == NORMD_OK) {
        status = recalibrate(session, x, options, going, error);
    }
    *result = (normd_recalibration_result){
        .batches = going != NULL ? going->batches : 0,
        .version = session->current->version,
    };
    if (going != session->recalibration && status != NORMD_OK) {
        normd_recalibration_destroy(going);
    } else if (going != session->recalibration) {
        normd_recalibration_drop(session);
        session->recalibration = going;
    }
    if (status == NORMD_INTERNAL || (status == NORMD_OK && options->finish)) {
        normd_recalibration_drop(session);
    }
    return status;
}
