// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_SESSION_KERAS_ORDER_H
#define NORMD_SESSION_KERAS_ORDER_H

#include "lib/session/tensor_names.h"

/*
 * A session's tensors in Keras' order: the weights as Model.get_weights gives them
 * (layer by layer, in a layer the trainable ones first), then the variables of the optimizer as
 * Optimizer.variables lists them behind iteration and learning_rate. What Keras does not have is
 * not among them: counters of batches, normd's own tensors, scalars of the optimizer but Nadam's
 * product. How a tensor lies in Keras, its keras_axes say.
 */
typedef struct normd_keras_order {
    normd_tensor_place *place;
    size_t weights; /* the first of `place` */
    size_t slots;   /* the rest of them */
} normd_keras_order;

/* False when out of memory. */
bool normd_keras_order_make(const normd_model *model, normd_keras_order *order);
void normd_keras_order_free(normd_keras_order *order);

/* Keras' `iteration`, which counts batches: those of the steps, and those that wait in the
   accumulator. At most NORMD_MAX_COUNT. */
uint64_t normd_keras_iteration(const normd_model *model, char *slots, uint64_t steps);
/* The steps of so many batches; what is left over of them is written into the slots as waiting. */
uint64_t normd_keras_steps(const normd_model *model, char *slots, uint64_t iteration);

/* Names in an .npz: numpy.savez(file, *weights) calls them arr_0, arr_1, ...; the optimizer's
   variables are ours: optimizer_0 (iteration), optimizer_1 (learning_rate), ... */
#define NORMD_KERAS_WEIGHT_NAME "arr_"
#define NORMD_KERAS_OPTIMIZER_NAME "optimizer_"
enum { NORMD_KERAS_OPTIMIZER_SCALARS = 2 };

#endif
