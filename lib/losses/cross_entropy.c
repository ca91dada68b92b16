// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "lib/losses/loss.h"
#include "lib/tensor/convert.h"

enum { ROWS_OF_TILE = 64 };

/*
 * For a row of logits l with the largest m: log p_c = l_c - m - log sum_j exp(l_j - m).
 * loss = -sum_c t_c log p_c and dloss/dl_c = p_c * sum_j t_j - t_c, both divided by the rows; a
 * class number stands for t that is 1 there. Per row all is computed in double.
 */
typedef struct entropy_loop {
    const void *logits;
    const int64_t *labels;     /* or NULL */
    const void *probabilities; /* or NULL */
    void *gradient;            /* or NULL; may be logits */
    size_t rows;
    size_t classes;
    double *losses; /* a tile */
    size_t *hits;   /* a tile */
} entropy_loop;

#define ENTROPY_ROWS(suffix, type)                                                                 \
    static size_t first_maximum_##suffix(const type *values, size_t count)                         \
    {                                                                                              \
        size_t best = 0;                                                                           \
        for (size_t i = 1; i < count; i++) {                                                       \
            best = values[i] > values[best] ? i : best;                                            \
        }                                                                                          \
        return best;                                                                               \
    }                                                                                              \
    /* Returns the row's loss; with `label` or, when `t` is given, with probabilities. */          \
    static double row_##suffix(const type *l, size_t classes, double m, size_t label,              \
        const type *t, type *g, double rows)                                                       \
    {                                                                                              \
        double sum = 0.0;                                                                          \
        for (size_t c = 0; c < classes; c++) {                                                     \
            sum += exp((double)l[c] - m);                                                          \
        }                                                                                          \
        double log_sum = log(sum);                                                                 \
        double weight = t == NULL ? 1.0 : 0.0;                                                     \
        double loss = t == NULL ? log_sum - ((double)l[label] - m) : 0.0;                          \
        for (size_t c = 0; t != NULL && c < classes; c++) {                                        \
            weight += (double)t[c];                                                                \
            loss += (double)t[c] * (log_sum - ((double)l[c] - m));                                 \
        }                                                                                          \
        for (size_t c = 0; g != NULL && c < classes; c++) {                                        \
            double p = exp((double)l[c] - m) / sum;                                                \
            double target = t != NULL ? (double)t[c] : c == label ? 1.0 : 0.0;                     \
            g[c] = (type)((p * weight - target) / rows);                                           \
        }                                                                                          \
        return loss;                                                                               \
    }                                                                                              \
    static void entropy_##suffix(void *argument, size_t tile)                                      \
    {                                                                                              \
        const entropy_loop *loop = argument;                                                       \
        size_t classes = loop->classes;                                                            \
        size_t begin = tile * ROWS_OF_TILE;                                                        \
        size_t end = loop->rows - begin < ROWS_OF_TILE ? loop->rows : begin + ROWS_OF_TILE;        \
        double total = 0.0;                                                                        \
        size_t hits = 0;                                                                           \
        for (size_t row = begin; row < end; row++) {                                               \
            const type *l = (const type *)loop->logits + row * classes;                            \
            const type *t = loop->probabilities;                                                   \
            t = t == NULL ? NULL : t + row * classes;                                              \
            type *g = loop->gradient;                                                              \
            g = g == NULL ? NULL : g + row * classes;                                              \
            size_t best = first_maximum_##suffix(l, classes);                                      \
            size_t label =                                                                         \
                t == NULL ? (size_t)loop->labels[row] : first_maximum_##suffix(t, classes);        \
            hits += best == label;                                                                 \
            total += row_##suffix(l, classes, (double)l[best], label, t, g, (double)loop->rows);   \
        }                                                                                          \
        loop->losses[tile] = total;                                                                \
        loop->hits[tile] = hits;                                                                   \
    }

ENTROPY_ROWS(f32, float)
ENTROPY_ROWS(f64, double)

/* Which form the target has, or why none. */
static normd_status entropy_check(const normd_loss_pass *pass, bool *labels, normd_error *error)
{
    char shape[NORMD_SHAPE_TEXT_BYTES];
    const normd_array *target = pass->target;
    if (pass->shape.rank != 2) {
        return normd_error_set(error, NORMD_BAD_SHAPE,
            "x: expected a batch whose output is (N, classes) for the loss cross_entropy, got "
            "output %s",
            normd_shape_format(&pass->shape, shape, sizeof shape));
    }
    bool is_float = normd_dtype_is_float(target->dtype);
    *labels = !is_float && target->dtype != NORMD_BOOL && target->shape.rank == 1 &&
              target->shape.dim[0] == pass->shape.dim[0];
    if (*labels || (is_float && normd_shape_equal(&target->shape, &pass->shape))) {
        return NORMD_OK;
    }
    return normd_error_set(error, NORMD_BAD_SHAPE,
        "target: expected %zu integer labels, shape (%zu,), or float probabilities, shape (%zu, "
        "%zu); got %s %s",
        pass->shape.dim[0], pass->shape.dim[0], pass->shape.dim[0], pass->shape.dim[1],
        normd_dtype_title(target->dtype), normd_shape_format(&target->shape, shape, sizeof shape));
}

static normd_status read_labels(
    const normd_array *target, size_t classes, int64_t *labels, normd_error *error)
{
    if (!normd_convert_labels(target, labels)) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "target: expected labels in 0 to %zu, got one above the largest int64", classes - 1);
    }
    for (size_t row = 0; row < target->shape.dim[0]; row++) {
        if (labels[row] < 0 || (uint64_t)labels[row] >= classes) {
            return normd_error_set(error, NORMD_BAD_ARGUMENT,
                "target: expected labels in 0 to %zu, got %lld in row %zu", classes - 1,
                (long long)labels[row], row);
        }
    }
    return NORMD_OK;
}

static void entropy_sum(normd_loss_pass *pass, entropy_loop *loop, size_t tiles)
{
    /* An exponential is worth some ten plain operations. */
    normd_compute_tiles(pass->compute, 16 * loop->rows * loop->classes, tiles,
        pass->compute->dtype == NORMD_F32 ? entropy_f32 : entropy_f64, loop);
    double loss = 0.0;
    size_t hits = 0;
    for (size_t tile = 0; tile < tiles; tile++) {
        loss += loop->losses[tile];
        hits += loop->hits[tile];
    }
    pass->loss = loss / (double)loop->rows;
    pass->accuracy = (double)hits / (double)loop->rows;
    pass->has_accuracy = true;
}

static normd_status entropy_run(normd_loss_pass *pass, normd_error *error)
{
    bool labels = false;
    normd_status status = entropy_check(pass, &labels, error);
    if (status != NORMD_OK) {
        return status;
    }
    entropy_loop loop = {
        .logits = pass->y,
        .gradient = pass->gradient,
        .rows = pass->shape.dim[0],
        .classes = pass->shape.dim[1],
    };
    size_t tiles = loop.rows / ROWS_OF_TILE + (loop.rows % ROWS_OF_TILE != 0);
    size_t record = sizeof(double) + sizeof(size_t);
    normd_buffer *scratch = normd_buffer_take(
        pass->compute->buffers, tiles * record + (labels ? loop.rows * sizeof(int64_t) : 0));
    normd_buffer *converted = NULL;
    if (scratch == NULL) {
        return normd_error_no_memory(error);
    }
    loop.losses = scratch->data;
    loop.hits = (size_t *)(void *)(loop.losses + tiles);
    if (labels) {
        int64_t *numbers = (int64_t *)(void *)(loop.hits + tiles);
        status = read_labels(pass->target, loop.classes, numbers, error);
        loop.labels = numbers;
    } else {
        loop.probabilities = normd_loss_target_values(pass, &converted, error);
        status = loop.probabilities == NULL ? NORMD_INTERNAL : NORMD_OK;
    }
    if (status == NORMD_OK) {
        entropy_sum(pass, &loop, tiles);
    }
    normd_buffer_release(converted);
    normd_buffer_release(scratch);
    return status;
}

const normd_loss normd_cross_entropy = {
    .type = "cross_entropy", .output_rank = 2, .run = entropy_run};
