// SPDX-License-Identifier: Apache-2.0
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/layer.h"
#include "tests/bench/passes.h"
#include "tests/bench/server.h"

/*
 * bench-batch-norm [INSTRUCTION_SET]: our side of the kernel benchmark; see server.h for what it
 * reads and writes. Calls run inside of one job of a pool, as a session's steps do, so that exactly
 * as many threads compute as were asked for.
 */
enum { BENCH_ARRAYS = 4, KEEP_BYTES = 256 << 20 }; /* the daemon's cache keeps as much */

typedef struct program program;
typedef bool (*operation_function)(program *self);

struct program {
    const normd_kernels *kernels;
    normd_compute compute; /* with the pool for the newest request's number of threads */
    bench_request request;
    normd_buffer *array[BENCH_ARRAYS]; /* of the batch: x, y, dy, dx */
    const char *array_type;            /* what they hold */
    bench_batch batch;
    size_t bytes; /* of each array */
    bench_layer layer;
    operation_function operation;

    normd_job job;
    sem_t ended;
    size_t calls;
    bool ok;
};

static bool run_train_forward(program *self)
{
    return bench_layer_train_forward(&self->layer);
}

static bool run_eval_forward(program *self)
{
    return bench_layer_eval_forward(&self->layer);
}

static bool run_forward_backward(program *self)
{
    return bench_layer_forward_backward(&self->layer);
}

static bool run_copy(program *self)
{
    bench_copy(&self->compute, self->batch.y, self->batch.x, self->bytes);
    return true;
}

static bool run_copy_streamed(program *self)
{
    bench_copy_streamed(&self->compute, self->batch.y, self->batch.x, self->bytes);
    return true;
}

/* Passes that only read or write go over two arrays, so that they find as much in the caches as a
   copy does. */
static bool run_read(program *self)
{
    bench_read(&self->compute, self->batch.x, self->bytes);
    bench_read(&self->compute, self->batch.y, self->bytes);
    return true;
}

static bool run_write(program *self)
{
    bench_write(&self->compute, self->batch.y, self->bytes);
    bench_write(&self->compute, self->batch.dx, self->bytes);
    return true;
}

static bool run_write_streamed(program *self)
{
    bench_write_streamed(&self->compute, self->batch.y, self->bytes);
    bench_write_streamed(&self->compute, self->batch.dx, self->bytes);
    return true;
}

static const struct operation_row {
    const char *name;
    operation_function run;
    bool is_layer;
    bool has_gradients; /* dy and dx */
} operation_table[] = {
    {"train_forward", run_train_forward, true, false},
    {"eval_forward", run_eval_forward, true, false},
    {"forward_backward", run_forward_backward, true, true},
    {"copy", run_copy, false, false},
    {"copy_streamed", run_copy_streamed, false, false},
    {"read", run_read, false, false},
    {"write", run_write, false, true},
    {"write_streamed", run_write_streamed, false, true},
};

static const struct operation_row *find_operation(const char *name)
{
    for (size_t i = 0; i < sizeof operation_table / sizeof *operation_table; i++) {
        if (strcmp(operation_table[i].name, name) == 0) {
            return &operation_table[i];
        }
    }
    return NULL;
}

/* The types that there are kernels for, and the type of parameters and statistics beside each. */
static const struct kernel_row {
    const char *name;
    size_t kernels; /* where they are in normd_kernels */
    normd_dtype dtype;
} kernel_table[] = {
    {"float32", offsetof(normd_kernels, f32), NORMD_F32},
    {"float64", offsetof(normd_kernels, f64), NORMD_F64},
    {"float16", offsetof(normd_kernels, f16), NORMD_F32},
    {"bfloat16", offsetof(normd_kernels, bf16), NORMD_F32},
};

static const struct kernel_row *find_kernels(const char *name)
{
    for (size_t i = 0; i < sizeof kernel_table / sizeof *kernel_table; i++) {
        if (strcmp(kernel_table[i].name, name) == 0) {
            return &kernel_table[i];
        }
    }
    return NULL;
}

static void release_batch(program *self)
{
    for (size_t i = 0; i < BENCH_ARRAYS; i++) {
        normd_buffer_release(self->array[i]);
        self->array[i] = NULL;
    }
    self->batch = (bench_batch){.x = NULL};
    self->bytes = 0;
}

/* The data of an array whose pages are there; NULL when out of memory. */
static void *take_array(program *self, size_t index, bool random)
{
    normd_buffer *buffer = normd_buffer_take(self->compute.buffers, self->bytes);
    self->array[index] = buffer;
    if (buffer == NULL) {
        return NULL;
    }
    memset(buffer->data, 0, self->bytes);
    if (random) {
        bench_fill(
            self->array_type, buffer->data, self->bytes / bench_type_bytes(self->array_type));
    }
    return buffer->data;
}

/* The arrays stay as long as the size and type do. */
static bool take_batch(program *self, size_t values, const char *type, bool gradients)
{
    size_t bytes = values * bench_type_bytes(type);
    if (self->bytes != bytes || self->array_type != type) {
        release_batch(self);
        self->bytes = bytes;
        self->array_type = type;
        self->batch.x = take_array(self, 0, true);
        self->batch.y = take_array(self, 1, false);
    }
    if (gradients && self->batch.dy == NULL) {
        self->batch.dy = take_array(self, 2, true);
        self->batch.dx = take_array(self, 3, false);
    }
    bool ok = self->batch.x != NULL && self->batch.y != NULL &&
              (!gradients || (self->batch.dy != NULL && self->batch.dx != NULL));
    if (!ok) {
        release_batch(self);
    }
    return ok;
}

static bool take_pool(program *self, int threads)
{
    if (self->compute.pool != NULL && normd_pool_threads(self->compute.pool) != threads) {
        normd_pool_destroy(self->compute.pool);
        self->compute.pool = NULL;
    }
    if (self->compute.pool == NULL) {
        self->compute.pool = normd_pool_create(threads);
    }
    return self->compute.pool != NULL;
}

static bench_answer prepare(void *argument, const bench_request *request, char *reason)
{
    program *self = argument;
    const struct operation_row *row = find_operation(request->operation);
    const struct kernel_row *type = find_kernels(request->dtype);
    if (row == NULL || type == NULL) {
        snprintf(reason, BENCH_REASON_BYTES, "%.31s for %.31s", request->operation, request->dtype);
        return BENCH_ABSENT;
    }
    bench_layer_destroy(&self->layer);
    self->compute.kernels =
        (const normd_kernel_set *)(const void *)((const char *)self->kernels + type->kernels);
    self->compute.dtype = type->dtype;
    self->operation = row->run;
    bool ok =
        take_pool(self, request->threads) &&
        take_batch(self, bench_values(request), type->name, row->has_gradients) &&
        (!row->is_layer || bench_layer_create(&self->layer, &self->compute, request, &self->batch));
    if (!ok) {
        snprintf(reason, BENCH_REASON_BYTES, "out of memory or threads");
    }
    return ok ? BENCH_READY : BENCH_ERROR;
}

static void run_job(normd_job *job)
{
    program *self = (program *)(void *)((char *)job - offsetof(program, job));
    self->ok = true;
    for (size_t i = 0; i < self->calls && self->ok; i++) {
        self->ok = self->operation(self);
    }
    sem_post(&self->ended);
}

static bool run(void *argument, size_t calls)
{
    program *self = argument;
    self->calls = calls;
    self->job.run = run_job;
    normd_pool_submit(self->compute.pool, &self->job, NORMD_LANE_TRAIN);
    while (sem_wait(&self->ended) != 0) {
    }
    return self->ok;
}

int main(int argc, char **argv)
{
    program self = {.kernels = normd_kernels_choose(argc > 1 ? argv[1] : NULL)};
    self.compute.buffers = normd_buffer_cache_create(KEEP_BYTES);
    self.compute.caches = normd_cache_sizes_read();
    if (self.kernels == NULL || self.compute.buffers == NULL || sem_init(&self.ended, 0, 0) != 0) {
        fprintf(
            stderr, "bench-batch-norm: no such instruction set on this machine, or no memory\n");
        normd_buffer_cache_destroy(self.compute.buffers);
        return EXIT_FAILURE;
    }
    char info[64];
    snprintf(info, sizeof info, "normd %s, %s", NORMD_VERSION, self.kernels->name);
    int code = bench_serve(&(bench_program){
        .self = &self,
        .info = info,
        .prepare = prepare,
        .run = run,
    });
    bench_layer_destroy(&self.layer);
    normd_pool_destroy(self.compute.pool);
    release_batch(&self);
    normd_buffer_cache_destroy(self.compute.buffers);
    return code;
}
