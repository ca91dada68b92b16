// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_BENCH_LAYER_H
#define NORMD_TESTS_BENCH_LAYER_H

#include "lib/layers/layer.h"
#include "tests/bench/server.h"

/*
 * The batch-norm layer over one batch, as a session calls it: the kernels with everything that the
 * daemon does around them (tiles, merging, the check for NaN, the running update).
 */
typedef struct bench_layer {
    const normd_compute *compute; /* borrowed */
    normd_layer *layer;
    normd_layer_pass pass;
    normd_buffer *slabs; /* all of the pass's memory but x, y, dy, dx */
} bench_layer;

/* The memory of a batch, of the same size each. */
typedef struct bench_batch {
    void *x, *y, *dy, *dx;
} bench_batch;

/* Creates the layer for the request's shape and runs nothing. False when out of memory. */
bool bench_layer_create(bench_layer *layer, const normd_compute *compute,
    const bench_request *request, const bench_batch *batch);
void bench_layer_destroy(bench_layer *layer);

/* One call of an operation. */
bool bench_layer_train_forward(bench_layer *layer);
bool bench_layer_eval_forward(bench_layer *layer);
bool bench_layer_forward_backward(bench_layer *layer);

#endif
