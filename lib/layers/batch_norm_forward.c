// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "lib/layers/batch_norm_loop.h"
#include "lib/layers/batch_norm_mask.h"
#include "lib/layers/batch_norm_pieces.h"
#include "lib/layers/batch_norm_renorm.h"

typedef struct forward_loop {
    normd_batch_norm_loop base;
    const normd_layer_pass *pass;
    const normd_batch_norm *norm;
    normd_batch_norm_view view;
    normd_batch_norm_kept kept;
    normd_batch_norm_scratch scratch;
    normd_settling settling;
    normd_normalizer normalizer;
    normd_stores stores;
    double count;  /* of values under the mask */
    bool composed; /* what follows is in use */
    normd_batch_norm_composing composing;
    atomic_bool broken; /* some result is not finite */
} forward_loop;

static const normd_kernel_set *kernels_of(const forward_loop *loop)
{
    return loop->pass->compute->kernels;
}

static normd_sums *spare_of(const forward_loop *loop, size_t records)
{
    return loop->scratch.spare_sums != NULL ? loop->scratch.spare_sums + records : NULL;
}

static void sum(normd_batch_norm_loop *base, const normd_tile *tile, size_t chunk)
{
    const forward_loop *loop = (forward_loop *)base;
    size_t records = chunk * loop->view.channels;
    normd_batch_norm_sums(
        &loop->view, loop->pass, tile, loop->scratch.sums + records, spare_of(loop, records));
}

static void note(forward_loop *loop, bool finite)
{
    if (!finite) {
        atomic_store_explicit(&loop->broken, true, memory_order_relaxed);
    }
}

/* The channels have one count. */
static void settle_moments(forward_loop *loop, size_t begin, size_t end)
{
    normd_settling settling = loop->settling;
    if (loop->pass->mask != NULL) {
        normd_batch_norm_mask_moments(
            &loop->scratch.moments, loop->count, settling.count, begin, end);
    } else {
        settling.count = (double)normd_batch_norm_count(&loop->view, begin);
    }
    note(loop, kernels_of(loop)->settle(&settling, begin, end));
    if (!loop->composed || loop->base.settle_together != NULL) {
        return;
    }
    if (loop->norm->renorm) {
        note(loop, normd_batch_norm_correct(&loop->composing, begin, end));
    }
    note(loop, normd_batch_norm_coefficients(&loop->composing, begin, end));
}

static void settle_all(forward_loop *loop, size_t begin, size_t end)
{
    for (size_t from = begin, to; from < end; from = to) {
        to = normd_batch_norm_count_end(&loop->view, from, end);
        settle_moments(loop, from, to);
    }
}

static double count_of(const forward_loop *loop, size_t channel)
{
    return loop->pass->mask != NULL ? loop->count
                                    : (double)normd_batch_norm_count(&loop->view, channel);
}

/* Where the sums have too few digits left, the second ones are about the mean, which they do tell:
   rounded to the type, so that a column of equal values has differences of exactly 0. */
static bool settle(normd_batch_norm_loop *base, size_t begin, size_t end)
{
    forward_loop *loop = (forward_loop *)base;
    const normd_channel_moments *moments = &loop->scratch.moments;
    bool uncertain = false;
    for (size_t from = begin, to; from < end; from = to) {
        to = normd_batch_norm_count_end(&loop->view, from, end);
        uncertain |= kernels_of(loop)->moments(loop->scratch.sums, loop->view.tiling.chunks,
            loop->view.channels, count_of(loop, from), loop->view.additions, from, to, moments);
    }
    if (!uncertain) {
        settle_all(loop, begin, end);
        return true;
    }
    for (size_t c = begin; c < end; c++) {
        normd_value_store(loop->norm->base.dtype, loop->kept.mean_high, c, moments->mean[c]);
    }
    return false;
}

static void sum_again(normd_batch_norm_loop *base, const normd_tile *tile, size_t chunk)
{
    const forward_loop *loop = (forward_loop *)base;
    size_t records = chunk * loop->view.channels;
    normd_centered_sums *spare = loop->scratch.spare_centered_sums;
    normd_batch_norm_centered_sums(&loop->view, loop->pass, tile, loop->kept.mean_high,
        loop->scratch.moments.uncertain, loop->scratch.centered_sums + records,
        spare != NULL ? spare + records : NULL);
}

static void settle_again(normd_batch_norm_loop *base, size_t begin, size_t end)
{
    forward_loop *loop = (forward_loop *)base;
    for (size_t from = begin, to; from < end; from = to) {
        to = normd_batch_norm_count_end(&loop->view, from, end);
        kernels_of(loop)->centered_moments(loop->scratch.centered_sums, loop->view.tiling.chunks,
            loop->view.channels, count_of(loop, from), loop->kept.mean_high, from, to,
            &loop->scratch.moments);
    }
    settle_all(loop, begin, end);
}

/* r and d of renormalization need the moments of all virtual batches. */
static void settle_together(normd_batch_norm_loop *base)
{
    forward_loop *loop = (forward_loop *)base;
    note(loop, normd_batch_norm_correct(&loop->composing, 0, loop->view.features));
    note(loop, normd_batch_norm_coefficients(&loop->composing, 0, loop->view.channels));
}

static void normalize(normd_batch_norm_loop *base, const normd_tile *tile)
{
    const forward_loop *loop = (forward_loop *)base;
    normd_batch_norm_normalize(&loop->view, loop->pass, tile, &loop->normalizer, loop->stores);
}

/* Says which value is at fault: one of x that is not finite, or moments that overflow. */
static normd_status refuse_feature(const forward_loop *loop, size_t feature, normd_error *error)
{
    const normd_geometry geometry = normd_batch_norm_geometry(loop->norm, &loop->pass->shape);
    const normd_geometry *g = &geometry;
    const char *x = loop->pass->x;
    size_t size = kernels_of(loop)->element_bytes;
    bool finite = true;
    for (size_t o = 0; o < g->outer && finite; o++) {
        const char *run_of = x + (o * g->channels + feature) * g->inner * size;
        finite = kernels_of(loop)->all_finite(run_of, g->inner);
    }
    if (!finite) {
        return normd_error_set(error, NORMD_NOT_FINITE,
            "%s: expected finite values, got NaN or infinity in feature %zu",
            loop->pass->input_name, feature);
    }
    return normd_error_set(error, NORMD_NOT_FINITE,
        "%s: expected values whose mean and variance are finite in %s, got an overflow in feature "
        "%zu",
        loop->pass->input_name, normd_dtype_title(loop->norm->base.dtype), feature);
}

static bool is_finite(const forward_loop *loop, const void *values, size_t index)
{
    return values == NULL || isfinite(normd_value_load(loop->norm->base.dtype, values, index));
}

static bool has_correction(const forward_loop *loop, size_t channel)
{
    const double *r = loop->kept.correction, *d = loop->kept.shift;
    return r == NULL || (isfinite(r[channel]) && isfinite(d[channel]));
}

/* Whether all statistics of a feature are finite after the pass. */
static bool is_moved_well(const forward_loop *loop, size_t feature)
{
    const normd_layer *layer = &loop->norm->base;
    const char *statistics = loop->pass->new_statistics;
    bool finite = true;
    for (size_t t = 0; t < layer->tensors && statistics != NULL; t++) {
        const normd_layer_tensor *tensor = &layer->tensor[t];
        if (tensor->slab == NORMD_SLAB_STATISTICS && tensor->dtype == layer->dtype) {
            finite = finite && is_finite(loop, statistics + tensor->offset, feature);
        }
    }
    return finite;
}

/* Finds the first channel with a result that is not finite. */
static normd_status refuse(const forward_loop *loop, normd_error *error)
{
    const char *type = normd_dtype_title(loop->norm->base.dtype);
    const normd_channel_moments *moments = &loop->scratch.moments;
    for (size_t c = 0; c < loop->view.channels; c++) {
        size_t feature = c % loop->view.features;
        if (!is_finite(loop, loop->kept.mean_high, c) || !isfinite(moments->m2[c])) {
            return refuse_feature(loop, feature, error);
        }
        if (!is_finite(loop, loop->kept.bias, c) || !has_correction(loop, c)) {
            return normd_error_set(error, NORMD_NOT_FINITE,
                "%s: expected values whose renormalization is finite in %s, got r %g and d %g in "
                "feature %zu",
                loop->pass->input_name, type, loop->kept.correction[c], loop->kept.shift[c],
                feature);
        }
        if (!is_finite(loop, loop->kept.scale, c)) {
            return normd_error_set(error, NORMD_NOT_FINITE,
                "%s: expected values whose gamma / sqrt(variance + eps) is finite in %s, got "
                "variance %g with eps %g in feature %zu",
                loop->pass->input_name, type, moments->m2[c] / count_of(loop, c), loop->norm->eps,
                feature);
        }
        if (!is_moved_well(loop, feature)) {
            return refuse_feature(loop, feature, error);
        }
    }
    return NORMD_OK;
}

/* Lets the running statistics move. With one value a channel sum/(n-1) has no meaning, and the
   biased variance, 0, stands in. */
static void move_running(const forward_loop *loop, normd_settling *by)
{
    const normd_batch_norm *norm = loop->norm;
    char *statistics = loop->pass->new_statistics;
    int64_t batches;
    memcpy(&batches, statistics + norm->batches->offset, sizeof batches);
    if (batches < NORMD_MAX_COUNT) {
        batches++;
    }
    memcpy(statistics + norm->batches->offset, &batches, sizeof batches);
    by->take = norm->cumulative ? 1.0 / (double)batches : norm->take;
    by->keep = norm->cumulative ? 1.0 - by->take : norm->keep;
    by->divisor = norm->unbiased && loop->count > 1.0 ? loop->count - 1.0 : by->count;
    by->running_mean = statistics + norm->mean->offset;
    by->running_var = statistics + norm->var->offset;
}

static normd_status check_counts(const forward_loop *loop, normd_error *error)
{
    const normd_layer_pass *pass = loop->pass;
    char got[NORMD_SHAPE_TEXT_BYTES];
    const normd_batch_norm_view *view = &loop->view;
    size_t values = view->last_samples * view->before * view->after;
    size_t size = loop->norm->virtual_batch;
    if (size > 0 && loop->norm->virtual_strided && pass->shape.dim[0] % size != 0) {
        return normd_error_set(error, NORMD_BAD_SHAPE,
            "%s: expected a multiple of %zu samples, the virtual batch size, got %zu",
            pass->input_name, size, pass->shape.dim[0]);
    }
    if (pass->mask != NULL) {
        normd_status status = normd_batch_norm_check_mask(loop->norm, pass, error);
        if (status != NORMD_OK) {
            return status;
        }
        values = pass->positions;
    }
    if (values == 1 && !loop->norm->single_value_allowed) {
        return normd_error_set(error, NORMD_BAD_SHAPE,
            "%s: expected more than 1 value per channel for batch statistics, got %s%s",
            pass->input_name, normd_shape_format(&pass->shape, got, sizeof got),
            pass->mask != NULL ? " with one position valid"
            : view->groups > 1 ? " with virtual batches"
                               : "");
    }
    return NORMD_OK;
}

/* Frozen: inference mode within a training pass. Backward needs the deviations for gamma alone. */
static normd_status forward_frozen(const forward_loop *loop)
{
    const normd_batch_norm *norm = loop->norm;
    size_t bytes = norm->features * normd_dtype_size(norm->base.dtype);
    memcpy(loop->kept.mean_high, loop->pass->statistics + norm->mean->offset, bytes);
    memset(loop->kept.mean_low, 0, bytes);
    memcpy(loop->kept.scale, loop->pass->derived, bytes);
    const char *var = loop->pass->statistics + norm->var->offset;
    for (size_t c = 0; c < norm->features && norm->trainable; c++) {
        double deviation = sqrt(normd_value_load(norm->base.dtype, var, c) + norm->eps);
        loop->kept.inverse_deviation[c] = 1.0 / deviation;
    }
    normd_batch_norm_normalize_running(loop->pass, loop->pass->derived);
    return NORMD_OK;
}

static normd_settling settling_of(const forward_loop *loop)
{
    const normd_layer_pass *pass = loop->pass;
    const normd_batch_norm *norm = loop->norm;
    bool has_gamma = norm->gamma != NULL && !loop->composed;
    normd_settling settling = {
        .moments = &loop->scratch.moments,
        .count = pass->mask != NULL ? normd_batch_norm_masked_count(norm, pass) : loop->count,
        .eps = norm->eps,
        .gamma = has_gamma ? pass->parameters + norm->gamma->offset : NULL,
        .mean_high = loop->kept.mean_high,
        .mean_low = loop->kept.mean_low,
        .scale = loop->kept.scale,
        .inverse_deviation = loop->kept.inverse_deviation,
    };
    if (norm->track && pass->new_statistics != NULL && !loop->composed) {
        move_running(loop, &settling);
    }
    return settling;
}

static normd_batch_norm_loop base_of(const forward_loop *loop)
{
    bool together = loop->norm->renorm && loop->view.groups > 1;
    return (normd_batch_norm_loop){
        .compute = loop->pass->compute,
        .tiling = &loop->view.tiling,
        .unsettled = loop->scratch.unsettled,
        .sum = sum,
        .settle = settle,
        .sum_again = sum_again,
        .settle_again = settle_again,
        .settle_together = together ? settle_together : NULL,
        .apply = normalize,
    };
}

/* With the batch's own statistics. */
static normd_status forward_batch(forward_loop *loop, normd_error *error)
{
    const normd_layer_pass *pass = loop->pass;
    const normd_batch_norm *norm = loop->norm;
    normd_status status = check_counts(loop, error);
    if (status != NORMD_OK) {
        return status;
    }
    const normd_compute *compute = pass->compute;
    size_t values = normd_batch_norm_values(&loop->view.tiling.geometry);
    size_t positions =
        pass->mask != NULL ? pass->positions : normd_batch_norm_count(&loop->view, 0);
    loop->count = (double)positions;
    loop->scratch = normd_batch_norm_scratch_at(norm, &loop->view, pass->scratch);
    loop->composed = normd_batch_norm_is_composed(norm, &loop->view);
    loop->settling = settling_of(loop);
    if (loop->composed) {
        loop->composing = normd_batch_norm_compose(
            pass, &loop->view, &loop->scratch.moments, &loop->kept, loop->settling.count);
        loop->normalizer.bias = loop->kept.bias;
    }
    loop->stores = normd_compute_stores(compute, 2 * values * compute->kernels->element_bytes);
    loop->base = base_of(loop);
    normd_batch_norm_loop_run(&loop->base);
    if (loop->composed && !norm->renorm) {
        note(loop, normd_batch_norm_correct(&loop->composing, 0, loop->view.features));
    }
    bool broken = atomic_load_explicit(&loop->broken, memory_order_relaxed);
    return broken && !norm->base.propagates_nonfinite ? refuse(loop, error) : NORMD_OK;
}

normd_status normd_batch_norm_forward(const normd_layer_pass *pass, normd_error *error)
{
    const normd_batch_norm *norm = normd_batch_norm_of(pass->layer);
    forward_loop loop = {.pass = pass, .norm = norm};
    loop.view = normd_batch_norm_view_of(norm, &pass->shape);
    loop.kept = normd_batch_norm_kept_at(norm, &loop.view, pass->kept);
    atomic_init(&loop.broken, false);
    loop.normalizer = (normd_normalizer){
        .mean_high = loop.kept.mean_high,
        .mean_low = loop.kept.mean_low,
        .scale = loop.kept.scale,
        .bias = norm->beta != NULL ? pass->parameters + norm->beta->offset : norm->zeros,
        .relu = norm->base.relu_follows,
    };
    return normd_batch_norm_uses_batch(norm) ? forward_batch(&loop, error) : forward_frozen(&loop);
}
