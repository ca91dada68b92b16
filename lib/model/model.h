// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_MODEL_MODEL_H
#define NORMD_MODEL_MODEL_H

#include <stdatomic.h>

#include "lib/layers/layer.h"
#include "lib/losses/loss.h"
#include "lib/memory/limits.h"

/*
 * A model: the list of layers with loss and optimizer, and how its tensors lie in slabs. It is made
 * from a configuration, never changes, and holds no state, so that all threads share it.
 *
 * Slabs. All parameters lie in one block of memory, all statistics in another, and so does what
 * inference derives from both. The optimizer's slots, each laid out as the parameters, are one slab
 * after another, with the optimizer's scalars (doubles) behind the last. Every
 * tensor starts on a cache line; the padding between is zero, so that a slab can be checked or
 * copied as one array.
 */
enum {
    NORMD_MODEL_MAX_LAYERS = 1024,
    NORMD_UPDATE_TILE = 1 << 14, /* values that one tile of an optimizer step changes */
};

/* A piece of one parameter, for the optimizer. */
typedef struct normd_update_tile {
    const normd_layer_tensor *tensor;
    size_t layer;
    size_t set; /* of the optimizer's options */
    size_t begin;
    size_t count;
} normd_update_tile;

typedef struct normd_model {
    atomic_uint references;
    normd_compute compute;
    normd_memory_limits limits;
    normd_convention convention;
    uint64_t seed;
    normd_shape input; /* rank 0: not given; the first and free extents are 0 */
    size_t layers;
    normd_layer **layer;
    normd_loss *loss; /* or NULL */
    normd_optimizer *optimizer;
    size_t parameter_bytes;  /* of the slab */
    size_t parameter_values; /* of all tensors in it */
    size_t statistic_bytes;
    size_t derived_bytes;
    size_t session_bytes; /* what a session takes at most: see normd_memory_limits */
    size_t slots;         /* of the optimizer */
    size_t slot_bytes;    /* of the slab of all slots, with the optimizer's scalars behind them */
    size_t scalars;       /* of the optimizer */
    normd_layer_tensor *scalar; /* what stands for each; offsets into the slab of the slots */
    size_t update_tiles;
    normd_update_tile *update_tile;
    size_t first_trained; /* the first layer with a trainable parameter; `layers`: none */
    bool first_checks;    /* the first layer finds values of x that are not finite by itself */
    bool propagates_nonfinite;
    size_t first_lazy; /* the first layer whose features are not known yet; `layers`: none */
    /* JSON of the configuration that the session was created from, when this is another since; else
       NULL. Set before any other thread sees the model; allocated. */
    char *created;
} normd_model;

/* Reads a configuration (see session.h). `compute` without its kernels and type: `kernels` gives
   them for the type that the configuration asks for. One reference, the caller's. BAD_ARGUMENT,
   TOO_LARGE, INTERNAL. */
normd_status normd_model_create(const normd_compute *compute, const normd_kernels *kernels,
    const normd_memory_limits *limits, const json_t *configuration,
    const normd_attachments *attachments, normd_model **model, normd_error *error);
normd_model *normd_model_retain(normd_model *model);
void normd_model_release(normd_model *model);

/* Fills zeroed slabs with the initial values that the same configuration and attachments tell.
   BAD_ARGUMENT. */
normd_status normd_model_initialize(const normd_model *model, const json_t *configuration,
    const normd_attachments *attachments, char *parameters, char *statistics, normd_error *error);

/* Fills a zeroed slab of slots with the optimizer's initial state. */
void normd_model_initialize_slots(const normd_model *model, char *slots);

/* The optimizer's scalars within a slab of slots. */
static inline double *normd_model_scalars(const normd_model *model, char *slots)
{
    return (double *)(void *)(slots + model->slots * model->parameter_bytes);
}

/* Whether one more batch of gradients makes a step, or they only wait in the accumulator. */
bool normd_model_step_is_due(const normd_model *model, char *slots);

/* Sets the trainable tensors of `parameters` to the average that the optimizer's state holds of
   them. False when it holds none. */
bool normd_model_average(const normd_model *model, char *slots, char *parameters);

/* The configuration with every default filled in, in the words of `convention`; in the model's own
   it can be read again. A new reference, or NULL. */
json_t *normd_model_configuration(const normd_model *model, normd_convention convention);

/* How each framework counts the parameters:
   {"pytorch": {"trainable", "buffers"}, "keras": {"trainable", "non_trainable"}}. */
json_t *normd_model_counts(const normd_model *model);

/* Computes all derived bytes of a pair of slabs. */
void normd_model_derive(
    const normd_model *model, const char *parameters, const char *statistics, char *derived);

/* The shape of the output for an x of this shape (any extent may be 0). `inference_bytes`, when not
   NULL, receives the memory that inference takes at one time at most, x and y with it. BAD_SHAPE
   naming x or the layer that does not take its input; TOO_LARGE. */
normd_status normd_model_output_shape(const normd_model *model, const normd_shape *x,
    normd_shape *y, size_t *inference_bytes, normd_error *error);

/* Whether some features are not known yet (normd_layer). */
static inline bool normd_model_is_lazy(const normd_model *model)
{
    return model->first_lazy < model->layers;
}

/* BAD_ARGUMENT where the model is lazy: it has no state to compute with or to give. */
normd_status normd_model_check_known(const normd_model *model, normd_error *error);

/* The bytes of an array in the model's type, of a shape that was checked before. */
size_t normd_model_array_bytes(const normd_model *model, const normd_shape *shape);

/* TOO_LARGE, naming x, when an output is larger than a call may give back, or its work takes more
   memory than it may. */
normd_status normd_model_check_answer(
    const normd_model *model, const normd_shape *y, normd_error *error);
normd_status normd_model_check_work(const normd_model *model, size_t bytes, normd_error *error);

/* Multiply-adds of inference, UINT64_MAX when the shape does not fit. */
uint64_t normd_model_cost(const normd_model *model, const normd_shape *x);

/* The shape between layers: the output of `index` for an input of shape x. BAD_SHAPE, TOO_LARGE. */
normd_status normd_model_layer_shape(const normd_model *model, size_t index,
    const normd_shape *batch, const normd_shape *x, normd_shape *y, normd_error *error);

#endif
