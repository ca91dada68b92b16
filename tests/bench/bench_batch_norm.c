// SPDX-License-Identifier: Apache-2.0
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/copy.h"
#include "tests/bench/layer.h"
#include "tests/bench/server.h"

/*
 * bench-batch-norm [INSTRUCTION_SET]: our side of the kernel benchmark; see server.h for what it
 * reads and writes. Calls run inside of one job of a pool, as a session's steps do, so that exactly
 * as many threads compute as were asked for.
 */
typedef struct program program;
typedef bool (*operation_function)(program *self);

struct program {
    const normd_kernels *kernels;
    normd_compute compute; /* with the pool for the newest request's number of threads */
    bench_request request;
    bench_batch batch;
    size_t bytes; /* of each array of the batch */
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

static bool run_stream(program *self)
{
    bench_copy_stream(&self->compute, self->batch.y, self->batch.x, self->bytes);
    return true;
}

static const struct operation_row {
    const char *name;
    operation_function run;
    bool is_layer;
    bool is_backward;
} operation_table[] = {
    {"train_forward", run_train_forward, true, false},
    {"eval_forward", run_eval_forward, true, false},
    {"forward_backward", run_forward_backward, true, true},
    {"copy", run_copy, false, false},
    {"stream", run_stream, false, false},
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

/* The kernels of a type by its name; NULL when there are none. */
static const normd_kernel_set *find_kernels(
    const normd_kernels *kernels, const char *name, normd_dtype *dtype)
{
    if (!normd_dtype_parse_title(name, dtype)) {
        return NULL;
    }
    return *dtype == NORMD_F32 ? &kernels->f32 : *dtype == NORMD_F64 ? &kernels->f64 : NULL;
}

static void fill(normd_dtype dtype, void *values, size_t count)
{
    /* The floats stand in the first half of an array of doubles until they are widened. */
    bench_fill(values, count);
    for (size_t i = count; dtype == NORMD_F64 && i-- > 0;) {
        float value;
        memcpy(&value, (const char *)values + i * sizeof value, sizeof value);
        normd_value_store(dtype, values, i, (double)value);
    }
}

static void release_batch(program *self)
{
    free(self->batch.x);
    free(self->batch.y);
    free(self->batch.dy);
    free(self->batch.dx);
    self->batch = (bench_batch){.x = NULL};
    self->bytes = 0;
}

/* An array whose pages are there; aligned as the daemon's buffers are. */
static void *take_array(const program *self, bool random)
{
    void *array = aligned_alloc(NORMD_ALIGNMENT, normd_round_to_line(self->bytes));
    if (array != NULL && random) {
        fill(self->compute.dtype, array, self->bytes / normd_dtype_size(self->compute.dtype));
    } else if (array != NULL) {
        memset(array, 0, self->bytes);
    }
    return array;
}

/* The arrays stay as long as the size and type do. */
static bool take_batch(program *self, size_t values, bool backward)
{
    size_t bytes = values * normd_dtype_size(self->compute.dtype);
    if (self->bytes != bytes) {
        release_batch(self);
        self->bytes = bytes;
        self->batch.x = take_array(self, true);
        self->batch.y = take_array(self, false);
    }
    if (backward && self->batch.dy == NULL) {
        self->batch.dy = take_array(self, true);
        self->batch.dx = take_array(self, false);
    }
    bool ok = self->batch.x != NULL && self->batch.y != NULL &&
              (!backward || (self->batch.dy != NULL && self->batch.dx != NULL));
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
    normd_dtype dtype = NORMD_F32;
    const normd_kernel_set *kernels = find_kernels(self->kernels, request->dtype, &dtype);
    if (row == NULL || kernels == NULL) {
        snprintf(reason, BENCH_REASON_BYTES, "%.31s for %.31s", request->operation, request->dtype);
        return BENCH_ABSENT;
    }
    bench_layer_destroy(&self->layer);
    if (dtype != self->compute.dtype) {
        release_batch(self);
    }
    self->compute.kernels = kernels;
    self->compute.dtype = dtype;
    self->operation = row->run;
    bool ok =
        take_pool(self, request->threads) &&
        take_batch(self, bench_values(request), row->is_backward) &&
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
    if (self.kernels == NULL || sem_init(&self.ended, 0, 0) != 0) {
        fprintf(stderr, "bench-batch-norm: no such instruction set on this machine\n");
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
    return code;
}
