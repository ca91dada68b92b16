// SPDX-License-Identifier: Apache-2.0
#include "lib/losses/cross_entropy.h"

#include <math.h>

enum { ROWS_OF_TILE = 64 };

/*
 * A row with outputs y has a share a_c for each class: of a label, smoothed by s over C classes,
 * a_c = w_c ((1 - s) [c is the label] + s / C); of probabilities t, a_c = w_c ((1 - s) t_c + s /
 * C). loss = -sum_c a_c log p_c, times the sample's weight and the class_weight of the label.
 *
 * Logits: log p_c = y_c - m - log sum_j exp(y_j - m), m the largest, and
 * dloss/dy_c = p_c sum_j a_j - a_c. Probabilities: p = y / sum y, kept between epsilon and
 * 1 - epsilon as Keras does. A row is computed in double and its gradient rounded once.
 */
typedef struct entropy_loop {
    const normd_loss *loss;
    const normd_entropy_rows *rows;
    normd_dtype dtype;
    const void *y;
    void *gradient; /* or NULL; may be y */
    double divisor;
    double *sums;
    double *columns; /* of a tile: two values a class */
} entropy_loop;

static void load(const entropy_loop *loop, const void *values, size_t row, double *column)
{
    const normd_entropy_rows *rows = loop->rows;
    size_t place = normd_entropy_place(rows, row);
    for (size_t c = 0; c < rows->classes; c++) {
        column[c] = normd_value_load(loop->dtype, values, place + c * rows->stride);
    }
}

static void store(const entropy_loop *loop, size_t row, const double *column)
{
    const normd_entropy_rows *rows = loop->rows;
    size_t place = normd_entropy_place(rows, row);
    for (size_t c = 0; c < rows->classes; c++) {
        normd_value_store(loop->dtype, loop->gradient, place + c * rows->stride, column[c]);
    }
}

static size_t first_maximum(const double *values, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++) {
        best = values[i] > values[best] ? i : best;
    }
    return best;
}

/* How many classes come before the label: larger ones, and equal ones with a lower number. */
static size_t rank_of(const double *y, size_t classes, size_t label)
{
    size_t rank = 0;
    for (size_t c = 0; c < classes; c++) {
        rank += y[c] > y[label] || (y[c] == y[label] && c < label);
    }
    return rank;
}

static void add_metrics(const entropy_loop *loop, const double *y, size_t best, size_t label,
    double weight, double *sums)
{
    const normd_metrics *metrics = &loop->loss->metrics;
    if (best == label) {
        sums[NORMD_SUM_HITS] += weight;
    }
    for (size_t i = 0; i < metrics->count; i++) {
        const normd_metric *metric = &metrics->metric[i];
        bool hit = metric->kind == NORMD_METRIC_TOP_K
                       ? rank_of(y, loop->rows->classes, label) < metric->k
                       : best == label;
        sums[NORMD_SUM_METRICS + i] += hit ? weight : 0.0;
    }
}

/* The shares of the classes. */
static void fill_shares(const entropy_loop *loop, size_t row, size_t label, double *share)
{
    const normd_loss *loss = loop->loss;
    size_t classes = loop->rows->classes;
    if (loop->rows->probabilities != NULL) {
        load(loop, loop->rows->probabilities, row, share);
    } else {
        for (size_t c = 0; c < classes; c++) {
            share[c] = c == label ? 1.0 : 0.0;
        }
    }
    double smoothing = loss->label_smoothing;
    for (size_t c = 0; smoothing != 0.0 && c < classes; c++) {
        share[c] = share[c] * (1.0 - smoothing) + smoothing / (double)classes;
    }
    for (size_t c = 0; loss->weight.value != NULL && c < classes; c++) {
        share[c] *= loss->weight.value[c];
    }
}

/* Both give the loss of a row and put its gradient in place of y. */

static double of_logits(double *y, size_t best, const double *share, size_t classes)
{
    double largest = y[best];
    double sum = 0.0;
    double total = 0.0;
    double loss = 0.0;
    for (size_t c = 0; c < classes; c++) {
        sum += exp(y[c] - largest);
    }
    double log_sum = log(sum);
    for (size_t c = 0; c < classes; c++) {
        total += share[c];
        /* A class without a share may lie infinitely low. */
        loss += share[c] == 0.0 ? 0.0 : share[c] * (log_sum - (y[c] - largest));
    }
    for (size_t c = 0; c < classes; c++) {
        y[c] = exp(y[c] - largest) / sum * total - share[c];
    }
    return loss;
}

/* With q_c = y_c / S clipped to p_c: dloss/dy_k = (sum of the shares not clipped - a_k / q_k) / S,
   where a_k counts as 0 if it is clipped. */
static double of_probabilities(
    const normd_loss *loss, double *y, const double *share, size_t classes)
{
    double sum = 0.0;
    double total = 0.0;
    double value = 0.0;
    for (size_t c = 0; c < classes; c++) {
        sum += y[c];
    }
    for (size_t c = 0; c < classes; c++) {
        double q = y[c] / sum;
        double p = q < loss->lowest ? loss->lowest : q > loss->highest ? loss->highest : q;
        bool clipped = q < p || q > p;
        value -= share[c] * log(p);
        total += clipped ? 0.0 : share[c];
        y[c] = clipped ? 0.0 : -share[c] / q;
    }
    for (size_t c = 0; c < classes; c++) {
        y[c] = (total + y[c]) / sum;
    }
    return value;
}

static void entropy_row(const entropy_loop *loop, size_t row, double *column, double *sums)
{
    const normd_loss *loss = loop->loss;
    size_t classes = loop->rows->classes;
    double *share = column + classes;
    int64_t label = loop->rows->labels[row];
    if (label < 0) {
        for (size_t c = 0; c < classes; c++) {
            column[c] = 0.0;
        }
    } else {
        load(loop, loop->y, row, column);
        size_t best = first_maximum(column, classes);
        double sample_weight = normd_entropy_sample_weight(loop->rows, row);
        add_metrics(loop, column, best, (size_t)label, sample_weight, sums);
        fill_shares(loop, row, (size_t)label, share);
        double weight = sample_weight * normd_weights_at(&loss->class_weight, (size_t)label);
        double value = loss->from_logits ? of_logits(column, best, share, classes)
                                         : of_probabilities(loss, column, share, classes);
        sums[NORMD_SUM_LOSS] += weight * value;
        for (size_t c = 0; c < classes; c++) {
            column[c] = weight * column[c] / loop->divisor;
        }
    }
    if (loop->gradient != NULL) {
        store(loop, row, column);
    }
}

static void entropy_tile(void *argument, size_t tile)
{
    const entropy_loop *loop = argument;
    size_t begin = tile * ROWS_OF_TILE;
    size_t left = loop->rows->rows - begin;
    size_t count = left < ROWS_OF_TILE ? left : ROWS_OF_TILE;
    double *sums = loop->sums + tile * normd_loss_sums(loop->loss);
    for (size_t i = 0; i < normd_loss_sums(loop->loss); i++) {
        sums[i] = 0.0;
    }
    for (size_t row = begin; row < begin + count; row++) {
        entropy_row(loop, row, loop->columns + tile * 2 * loop->rows->classes, sums);
    }
}

/* The labels that probabilities come to. */
static void label_tile(void *argument, size_t tile)
{
    const entropy_loop *loop = argument;
    size_t begin = tile * ROWS_OF_TILE;
    size_t left = loop->rows->rows - begin;
    size_t count = left < ROWS_OF_TILE ? left : ROWS_OF_TILE;
    double *column = loop->columns + tile * 2 * loop->rows->classes;
    for (size_t row = begin; row < begin + count; row++) {
        load(loop, loop->rows->probabilities, row, column);
        loop->rows->labels[row] = (int64_t)first_maximum(column, loop->rows->classes);
    }
}

static normd_status run_rows(const entropy_loop *begun, normd_entropy_rows *rows,
    normd_loss_pass *pass, bool is_labels, normd_error *error)
{
    entropy_loop loop = *begun;
    size_t tiles = rows->rows / ROWS_OF_TILE + (rows->rows % ROWS_OF_TILE != 0);
    size_t elements = rows->rows * rows->classes;
    normd_status status = NORMD_OK;
    if (is_labels) {
        status = normd_entropy_labels(loop.loss, pass->target, rows, error);
    } else {
        normd_compute_tiles(pass->compute, elements, tiles, label_tile, &loop);
    }
    double divisor = 0.0;
    double weights = 0.0;
    if (status == NORMD_OK) {
        status = normd_entropy_divisor(loop.loss, rows, &divisor, &weights, error);
    }
    if (status == NORMD_OK) {
        loop.divisor = divisor == 0.0 ? 1.0 : divisor;
        /* An exponential is worth some ten plain operations. */
        normd_compute_tiles(pass->compute, 16 * elements, tiles, entropy_tile, &loop);
        normd_loss_finish(loop.loss, pass, loop.sums, tiles, divisor, weights);
    }
    return status;
}

static normd_status run(
    const normd_loss *loss, normd_loss_pass *pass, const double *sample_weight, normd_error *error)
{
    bool is_labels = false;
    normd_entropy_rows rows = {.sample_weight = sample_weight};
    normd_status status = normd_entropy_layout(loss, pass, &rows, &is_labels, error);
    if (status != NORMD_OK) {
        return status;
    }
    size_t tiles = rows.rows / ROWS_OF_TILE + (rows.rows % ROWS_OF_TILE != 0);
    size_t sums = tiles * normd_loss_sums(loss);
    size_t columns = tiles * 2 * rows.classes;
    normd_buffer *scratch = normd_buffer_take(
        pass->compute->buffers, (sums + columns) * sizeof(double) + rows.rows * sizeof(int64_t));
    normd_buffer *converted = NULL;
    if (scratch == NULL) {
        return normd_error_no_memory(error);
    }
    entropy_loop loop = {.loss = loss,
        .rows = &rows,
        .dtype = pass->compute->dtype,
        .y = pass->y,
        .gradient = pass->gradient,
        .sums = scratch->data};
    loop.columns = loop.sums + sums;
    rows.labels = (int64_t *)(void *)(loop.columns + columns);
    if (!is_labels) {
        rows.probabilities = normd_loss_target_values(pass, &converted, error);
        status = rows.probabilities == NULL ? NORMD_INTERNAL : NORMD_OK;
    }
    if (status == NORMD_OK) {
        status = run_rows(&loop, &rows, pass, is_labels, error);
    }
    normd_buffer_release(converted);
    normd_buffer_release(scratch);
    return status;
}

const normd_loss_kind normd_loss_cross_entropy = {
    .name = {"cross_entropy", "cross_entropy_loss"},
    .described = {"cross_entropy", "cross_entropy"},
    .rows = true,
    .from_logits = true,
    .metrics = 1 << NORMD_METRIC_ACCURACY | 1 << NORMD_METRIC_TOP_K,
    .read = normd_cross_entropy_read,
    .describe = normd_cross_entropy_describe,
    .run = run,
};

const normd_loss_kind normd_loss_categorical = {
    .name = {"categorical_crossentropy"},
    .described = {"categorical_crossentropy", "categorical_crossentropy"},
    .rows = true,
    .targets = NORMD_TARGETS_PROBABILITIES,
    .metrics = 1 << NORMD_METRIC_ACCURACY | 1 << NORMD_METRIC_TOP_K,
    .read = normd_cross_entropy_read,
    .describe = normd_cross_entropy_describe,
    .run = run,
};

const normd_loss_kind normd_loss_sparse_categorical = {
    .name = {"sparse_categorical_crossentropy"},
    .described = {"sparse_categorical_crossentropy", "sparse_categorical_crossentropy"},
    .rows = true,
    .targets = NORMD_TARGETS_LABELS,
    .metrics = 1 << NORMD_METRIC_ACCURACY | 1 << NORMD_METRIC_TOP_K,
    .read = normd_cross_entropy_read,
    .describe = normd_cross_entropy_describe,
    .run = run,
};
