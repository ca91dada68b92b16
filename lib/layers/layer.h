// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_LAYERS_LAYER_H
#define NORMD_LAYERS_LAYER_H

#include <jansson.h>

#include "lib/conventions/convention.h"
#include "lib/init/initializer.h"
#include "lib/layers/compute.h"
#include "lib/optimizers/optimizer.h"
#include "lib/options/options.h"
#include "lib/penalties/constraint.h"
#include "lib/penalties/regularizer.h"

/*
 * A layer: what it reads from its options, the tensors it owns, and its two passes. A kind of layer
 * is one row of operations (its own file exports it) in the table of layer.c. Layers hold no state:
 * their tensors lie in slabs that the session owns and hands to each pass, so that one layer may
 * compute for many threads at once.
 */
typedef struct normd_layer normd_layer;

/* The slab that a tensor lies in. Parameters are what gradients belong to; statistics change in a
   training forward. */
typedef enum normd_slab_kind { NORMD_SLAB_PARAMETERS, NORMD_SLAB_STATISTICS } normd_slab_kind;

/* What a counter of batches, changes or steps comes to at most: up to here a double counts exactly.
   A file that says more is refused. */
#define NORMD_MAX_COUNT (INT64_C(1) << 53)

typedef struct normd_layer_tensor {
    const char *name; /* "weight"; PyTorch's name, static storage */
    normd_slab_kind slab;
    normd_parameter_role role; /* of a parameter */
    bool trainable;            /* a parameter that the optimizer changes */
    bool not_negative;         /* a variance */
    bool own;                  /* no framework stores it */
    bool optional;             /* a file may leave it out, then it stays as it is */
    normd_dtype dtype;
    normd_shape shape;
    size_t elements;
    size_t offset; /* bytes into its slab; the model sets it */
    /* Initial values: the option's name in each convention and its default (NULL: zeros, no
       option); the name that is in use and what describe shows, both set by declare. */
    const char *init_name[NORMD_CONVENTION_COUNT];
    const char *init_default;
    /* How Keras stores it: axis i of Keras' array is axis keras_axes[i] of this one (see
       lib/tensor/permute.h), NULL: the same. An array under Keras' name lies so. */
    const uint8_t *keras_axes;
    size_t fan_in, fan_out;
    const char *init_key;
    json_t *init;
    /* Of a parameter, set by declare. */
    normd_regularizer regularizer;
    normd_constraint constraint;
} normd_layer_tensor;

enum { NORMD_LAYER_MAX_TENSORS = 8 };

/* What is known of an array between two layers while a model is put together. Extents that only the
   batch tells are 0; rank 0: nothing is known but, if not 0, the number of features. */
typedef struct normd_flow {
    normd_shape shape;
    size_t features;
    int features_axis; /* the axis that they are known to be on, as an option says it; 0: any */
} normd_flow;

/* What a layer is created from. `flow` comes in as what is before the layer and leaves as what is
   behind it. Mistakes stick to `options`. */
typedef struct normd_layer_source {
    normd_options *options;
    const char *type; /* as given: a kind may have several names; static storage */
    normd_convention convention;
    normd_dtype dtype;
    uint64_t seed; /* the session's */
    size_t index;  /* in the list of layers; normd_layer_create sets it */
    normd_flow *flow;
} normd_layer_source;

/* Memory that one layer needs for a batch of some shape. */
typedef struct normd_layer_need {
    size_t kept;    /* bytes that forward leaves for backward */
    size_t scratch; /* bytes that a pass uses within itself */
} normd_layer_need;

/* One pass of one layer over one batch. Pointers to slabs are to their beginnings. */
typedef struct normd_layer_pass {
    const normd_compute *compute;
    const normd_layer *layer;
    const char *input_name; /* for messages: "x", "layers[2]'s input" */
    normd_shape shape;      /* of x and dx */
    normd_shape y_shape;    /* of y and dy */
    const char *parameters;
    const char *statistics;
    const char *derived;  /* of the layer, for eval; see `derive` */
    char *new_statistics; /* or NULL: they stay as they are. Holds a copy of `statistics`. */
    const uint8_t *mask;  /* a byte a position, not 0 where it counts; or NULL */
    const normd_shape *mask_shape;
    size_t positions; /* valid ones of the mask, at least 1 */
    const void *x;    /* backward: NULL when the layer did not ask to keep it */
    void *y;          /* may be x where the operations say so */
    void *kept;       /* written by forward, read by backward */
    void *scratch;
    const void *dy;  /* backward from here on */
    void *dx;        /* NULL: not wanted; may be dy where the operations say so */
    char *gradients; /* a slab laid out as the parameters; every trainable tensor is written */
} normd_layer_pass;

typedef struct normd_layer_operations {
    const char *type;      /* "batch_norm" */
    bool in_place;         /* y may be x, dx may be dy */
    bool keeps_values;     /* y is x under another shape: nothing is written over where y is x */
    bool backward_reads_x; /* y may not overwrite it in training */
    bool backward_reads_y; /* a later layer may not overwrite it in training */
    bool takes_mask;       /* computes over the valid positions of a mask */
    bool takes_relu;       /* computes a ReLU that follows along with its own passes */
    /* Reads the options and declares the tensors. NULL after a mistake or out of memory. */
    normd_layer *(*create)(const normd_layer_source *source);
    /* Allocates own_bytes, when it is known that the session may be so large. May be NULL. False
       when out of memory. */
    bool (*prepare)(normd_layer *layer);
    void (*destroy)(normd_layer *layer);
    /* Every option in the words of `convention`; a new reference, or NULL. */
    json_t *(*describe)(const normd_layer *layer, normd_convention convention);
    /* Whether the layer takes an input of this shape, and the shape of its output. `text` (of
       NORMD_SHAPE_TEXT_BYTES) receives what is expected when it does not. */
    bool (*output_shape)(
        const normd_layer *layer, const normd_shape *x, normd_shape *y, char *text);
    /* May be NULL: nothing. */
    void (*need)(const normd_layer *layer, const normd_shape *x, normd_layer_need *need);
    /* Training forward. NOT_FINITE, BAD_SHAPE (too few values; the mask's). */
    normd_status (*forward)(const normd_layer_pass *pass, normd_error *error);
    normd_status (*infer)(const normd_layer_pass *pass, normd_error *error);
    void (*backward)(const normd_layer_pass *pass);
    /* May be NULL. Fills the initial values that follow from those of other tensors, which are
       there. */
    void (*initialize)(const normd_layer *layer, const char *parameters, char *statistics);
    /* May be NULL. Computes the layer's derived bytes, what inference needs of a new pair of
       parameters and statistics. */
    void (*derive)(
        const normd_layer *layer, const char *parameters, const char *statistics, char *derived);
    /* Multiply-adds (or comparable work) of inference. */
    uint64_t (*cost)(const normd_layer *layer, const normd_shape *x);
} normd_layer_operations;

/* What all layers have; the first member of each kind's own struct. */
enum { NORMD_LAYER_NAME_BYTES = 8 };
struct normd_layer {
    const normd_layer_operations *operations;
    char name[NORMD_LAYER_NAME_BYTES]; /* its place in the list, "1" */
    normd_dtype dtype;
    size_t tensors;
    normd_layer_tensor tensor[NORMD_LAYER_MAX_TENSORS];
    size_t own_bytes; /* that the layer itself holds */
    /* A pair of neighbours, set by the model: this layer's passes compute the ReLU after it, or
       this is that ReLU and has nothing left to do. The bits are those of the two on their own. */
    bool relu_follows;
    bool absorbed;
    size_t derived_bytes;
    size_t derived_offset;     /* the model sets it */
    bool checks_input;         /* a training forward refuses an x that is not finite */
    bool propagates_nonfinite; /* the user wants NaN and infinity to pass */
    /* Nothing tells yet how many features come in: the first training batch will. Until then
       tensors that need the number have no elements, and no pass runs. */
    bool lazy;
};

/* Creates the layer that `map` (with "type") describes; `index` is for messages. BAD_ARGUMENT,
   INTERNAL. */
normd_status normd_layer_create(const json_t *map, const normd_attachments *attachments,
    size_t index, normd_layer_source *source, normd_layer **layer, normd_error *error);
void normd_layer_destroy(normd_layer *layer);

/* What inference needs for a batch of this shape: nothing where derived bytes stand in. */
void normd_layer_infer_need(const normd_layer *layer, const normd_shape *x, normd_layer_need *need);

/* Reads the option `key`, how many features come in: from 1 to `most`, and `before`, what is known
   of the layers before (0: nothing), if both are there. Sets layer->lazy where neither is, unless
   the option `lazy` is false; then it returns 0. */
size_t normd_layer_read_features(normd_layer *layer, const normd_layer_source *source,
    const char *key, size_t before, size_t most);

/* Puts what that option says into `map`, and `lazy` where it is so; false when out of memory. */
bool normd_layer_put_features(
    json_t *map, const normd_layer *layer, const char *key, size_t features);

/* Adds a tensor to the layer while it is created: checks its initial values' option and keeps their
   description. TOO_LARGE when the array's extents multiply to what no memory holds. */
void normd_layer_declare(
    normd_layer *layer, const normd_layer_source *source, const normd_layer_tensor *tensor);

/* What the tensor's initial values are read for: all but where they come from and go to. */
normd_initializer_target normd_layer_target(const normd_layer_tensor *tensor);

/* Puts the description of every tensor's initial values, and its regularizer and constraint, into
   `map`; false when out of memory. */
bool normd_layer_put_initializers(
    json_t *map, const normd_layer *layer, normd_convention convention);

/* Reads the regularizer and the constraint of a parameter whose initial values have an option:
   "weight_regularizer" beside "weight_init", "kernel_regularizer" beside "kernel_initializer". */
void normd_layer_read_penalties(normd_layer_tensor *tensor, const normd_layer_source *source);

/* Puts those that are there into `map`; false when out of memory. */
bool normd_layer_put_penalties(
    json_t *map, const normd_layer_tensor *tensor, normd_convention convention);

/* The tensor of that name, or NULL. */
const normd_layer_tensor *normd_layer_find(const normd_layer *layer, const char *name);

/* Of two names of one option, the one that is there, else `preferred`; both is a mistake. */
const char *normd_layer_key(normd_options *options, const char *preferred, const char *other);

/* The same of the two frameworks' names, both of which are taken under either convention. */
const char *normd_layer_name(
    const normd_layer_source *source, const char *pytorch, const char *keras);

/* Copies the pass's elements, where `to` is not `from`: what a layer does that leaves them as they
   are. */
void normd_layer_copy_through(const normd_layer_pass *pass, const void *from, void *to);

/* What is known of an array between two layers, for messages: "(N, 3, ?, ?)". Returns `text`. */
const char *normd_flow_format(const normd_flow *flow, char *text, size_t size);

/* Sets `key` of `map` to `value`, which it takes; false (and frees) when out of memory. */
bool normd_layer_put(json_t *map, const char *key, json_t *value);

#endif
