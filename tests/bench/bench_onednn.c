// SPDX-License-Identifier: Apache-2.0
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/server.h"

/*
 * bench-onednn: oneDNN's batch normalization behind the same line protocol. Primitives and memory
 * objects are made outside of the timing. The number of threads is the library's own: what the
 * process's CPU affinity and environment say when it starts.
 */
enum { ALIGNMENT = 64, MOST_ARGUMENTS = 12, MOST_MEMORIES = 16 };

typedef struct onednn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    /* The arrays of the batch stay as long as size and type do. */
    size_t bytes; /* of each */
    dnnl_data_type_t type;
    void *x, *y, *dy, *dx;

    /* The newest request's. */
    dnnl_memory_desc_t batch_desc, vector_desc;
    dnnl_memory_t memory[MOST_MEMORIES];
    void *vector[MOST_MEMORIES];
    int memories;
    dnnl_exec_arg_t argument[MOST_ARGUMENTS]; /* forward takes the first ones, backward all */
    int arguments;
    dnnl_primitive_t forward, backward;
    bool failed;
} onednn;

static void release_batch(onednn *self)
{
    free(self->x);
    free(self->y);
    free(self->dy);
    free(self->dx);
    self->x = self->y = self->dy = self->dx = NULL;
    self->bytes = 0;
}

/* Frees the newest request's objects; arrays of the batch stay. */
static void release_request(onednn *self)
{
    for (int i = 0; i < self->memories; i++) {
        dnnl_memory_destroy(self->memory[i]);
        free(self->vector[i]);
    }
    dnnl_primitive_destroy(self->forward);
    dnnl_primitive_destroy(self->backward);
    dnnl_memory_desc_destroy(self->batch_desc);
    dnnl_memory_desc_destroy(self->vector_desc);
    self->forward = self->backward = NULL;
    self->batch_desc = self->vector_desc = NULL;
    self->memories = self->arguments = 0;
    self->failed = false;
}

/* Notes a failure; later steps then do nothing that matters. */
static void must(onednn *self, dnnl_status_t status)
{
    self->failed |= status != dnnl_success;
}

static void *take(size_t bytes)
{
    return aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
}

static void *take_batch_array(onednn *self, const char *dtype, size_t values)
{
    void *array = take(values * bench_type_bytes(dtype));
    self->failed |= array == NULL;
    if (array != NULL) {
        bench_fill(dtype, array, values);
    }
    return array;
}

static void take_batch(
    onednn *self, dnnl_data_type_t type, const char *dtype, size_t values, bool backward)
{
    size_t bytes = values * bench_type_bytes(dtype);
    if (self->bytes != bytes || self->type != type) {
        release_batch(self);
        self->type = type;
        self->x = take_batch_array(self, dtype, values);
        self->y = take_batch_array(self, dtype, values);
        self->bytes = bytes;
    }
    if (backward && self->dy == NULL) {
        self->dy = take_batch_array(self, dtype, values);
        self->dx = take_batch_array(self, dtype, values);
    }
}

static void add_memory(onednn *self, int name, dnnl_memory_desc_t desc, void *data)
{
    dnnl_memory_t *memory = &self->memory[self->memories];
    must(self, dnnl_memory_create(memory, desc, self->engine, data));
    self->argument[self->arguments++] = (dnnl_exec_arg_t){name, *memory};
    self->memories++;
}

/* A vector of C floats that starts as `value` each. */
static void add_vector(onednn *self, int name, size_t channels, float value)
{
    float *vector = take(channels * sizeof *vector);
    for (size_t c = 0; vector != NULL && c < channels; c++) {
        vector[c] = value;
    }
    self->failed |= vector == NULL;
    self->vector[self->memories] = vector;
    add_memory(self, name, self->vector_desc, vector);
}

/* Dense strides for N, C, ... with the channels second or last. */
static void make_descriptions(onednn *self, const bench_request *request, dnnl_data_type_t type)
{
    dnnl_dims_t dims = {0}, strides = {0}, channels = {(dnnl_dim_t)request->dim[1]};
    dnnl_dim_t step = 1;
    size_t rank = request->rank;
    for (size_t axis = 0; axis < rank; axis++) {
        dims[axis] = (dnnl_dim_t)request->dim[axis];
    }
    if (request->channels_last) {
        strides[1] = step;
        step *= dims[1];
    }
    for (size_t axis = rank; axis-- > 0;) {
        if (axis != 1 || !request->channels_last) {
            strides[axis] = step;
            step *= dims[axis];
        }
    }
    must(self,
        dnnl_memory_desc_create_with_strides(&self->batch_desc, (int)rank, dims, type, strides));
    must(self, dnnl_memory_desc_create_with_tag(&self->vector_desc, 1, channels, dnnl_f32, dnnl_a));
}

static void make_primitives(onednn *self, bool eval, bool backward)
{
    const float epsilon = 1e-5F;
    unsigned flags = dnnl_use_scale | dnnl_use_shift;
    dnnl_primitive_desc_t forward = NULL, back = NULL;
    must(self, dnnl_batch_normalization_forward_primitive_desc_create(&forward, self->engine,
                   eval ? dnnl_forward_inference : dnnl_forward_training, self->batch_desc,
                   self->batch_desc, epsilon, eval ? flags | dnnl_use_global_stats : flags, NULL));
    if (!self->failed) {
        must(self, dnnl_primitive_create(&self->forward, forward));
    }
    if (!self->failed && backward) {
        must(self, dnnl_batch_normalization_backward_primitive_desc_create(&back, self->engine,
                       dnnl_backward, self->batch_desc, self->batch_desc, self->batch_desc, epsilon,
                       flags, forward, NULL));
    }
    if (!self->failed && backward) {
        must(self, dnnl_primitive_create(&self->backward, back));
    }
    dnnl_primitive_desc_destroy(forward);
    dnnl_primitive_desc_destroy(back);
}

static void make_arguments(onednn *self, size_t channels, bool backward)
{
    add_memory(self, DNNL_ARG_SRC, self->batch_desc, self->x);
    add_vector(self, DNNL_ARG_MEAN, channels, 0.0F);
    add_vector(self, DNNL_ARG_VARIANCE, channels, 1.0F);
    add_vector(self, DNNL_ARG_SCALE, channels, 1.5F);
    add_vector(self, DNNL_ARG_SHIFT, channels, 0.5F);
    add_memory(self, DNNL_ARG_DST, self->batch_desc, self->y);
    if (backward) {
        add_memory(self, DNNL_ARG_DIFF_DST, self->batch_desc, self->dy);
        add_memory(self, DNNL_ARG_DIFF_SRC, self->batch_desc, self->dx);
        add_vector(self, DNNL_ARG_DIFF_SCALE, channels, 0.0F);
        add_vector(self, DNNL_ARG_DIFF_SHIFT, channels, 0.0F);
    }
}

static bench_answer prepare(void *argument, const bench_request *request, char *reason)
{
    onednn *self = argument;
    bool eval = strcmp(request->operation, "eval_forward") == 0;
    bool backward = strcmp(request->operation, "forward_backward") == 0;
    bool known = eval || backward || strcmp(request->operation, "train_forward") == 0;
    bool narrow = strcmp(request->dtype, "bfloat16") == 0;
    if (!known || (!narrow && strcmp(request->dtype, "float32") != 0)) {
        snprintf(reason, BENCH_REASON_BYTES, "%.31s for %.31s", request->operation, request->dtype);
        return BENCH_ABSENT;
    }
    release_request(self);
    dnnl_data_type_t type = narrow ? dnnl_bf16 : dnnl_f32;
    take_batch(self, type, request->dtype, bench_values(request), backward);
    if (!self->failed) {
        make_descriptions(self, request, type);
    }
    if (!self->failed) {
        make_primitives(self, eval, backward);
    }
    if (!self->failed) {
        make_arguments(self, request->dim[1], backward);
    }
    if (self->failed) {
        snprintf(reason, BENCH_REASON_BYTES, "oneDNN refuses, or out of memory");
        release_batch(self);
    }
    return self->failed ? BENCH_ERROR : BENCH_READY;
}

static bool run(void *argument, size_t calls)
{
    enum { FORWARD_ARGUMENTS = 6 };
    onednn *self = argument;
    for (size_t i = 0; i < calls; i++) {
        must(self,
            dnnl_primitive_execute(self->forward, self->stream, FORWARD_ARGUMENTS, self->argument));
        if (self->backward != NULL) {
            must(self, dnnl_primitive_execute(
                           self->backward, self->stream, self->arguments, self->argument));
        }
        /* A caller wants its result before it goes on. */
        must(self, dnnl_stream_wait(self->stream));
    }
    return !self->failed;
}

int main(void)
{
    onednn self = {.bytes = 0};
    must(&self, dnnl_engine_create(&self.engine, dnnl_cpu, 0));
    if (!self.failed) {
        must(&self, dnnl_stream_create(&self.stream, self.engine, dnnl_stream_default_flags));
    }
    if (self.failed) {
        fprintf(stderr, "bench-onednn: no CPU engine; see README.md for the environment\n");
        return EXIT_FAILURE;
    }
    const dnnl_version_t *version = dnnl_version();
    char info[64];
    snprintf(info, sizeof info, "oneDNN %d.%d.%d", version->major, version->minor, version->patch);
    int code =
        bench_serve(&(bench_program){.self = &self, .info = info, .prepare = prepare, .run = run});
    release_request(&self);
    release_batch(&self);
    dnnl_stream_destroy(self.stream);
    dnnl_engine_destroy(self.engine);
    return code;
}
