// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_UNIT_LIB_SESSION_FIXTURE_H
#define NORMD_TESTS_UNIT_LIB_SESSION_FIXTURE_H

#include "tests/unit/cmocka_headers.h"

#include "lib/session/session.h"

/* What tests of sessions share: an engine, sessions from JSON, arrays of random numbers, and calls
   that must succeed. A mistake of the fixture itself fails the test. */
typedef struct fixture {
    normd_pool *pool;
    normd_buffer_cache *buffers;
    normd_engine engine;
} fixture;

/* threads 0: no pool. `kernels`: a row's name, or NULL for the best. */
void fixture_open(fixture *f, int threads, const char *kernels);
/* Every buffer must have been given back. */
void fixture_close(fixture *f);

/* The JSON may have single quotes for double ones. */
json_t *fixture_json(const char *text);
normd_session *fixture_session(const fixture *f, const char *configuration);
/* A creation that must fail; returns the message in static storage of `error`. */
void fixture_refused(
    const fixture *f, const char *configuration, normd_status status, const char *message);

/* A tensor in a buffer of the engine, filled with standard normal numbers of stream `stream`. */
normd_tensor fixture_normal(
    const fixture *f, normd_dtype dtype, normd_shape shape, uint64_t stream);
/* The same values in a buffer of their own. */
normd_tensor fixture_copy(const fixture *f, const normd_array *array);
/* n labels in 0 to classes - 1. */
normd_tensor fixture_labels(const fixture *f, size_t n, int64_t classes, uint64_t stream);

double fixture_at(const normd_array *array, size_t index);
void fixture_put(const normd_array *array, size_t index, double value);

normd_train_result fixture_train(
    normd_session *session, const normd_array *x, const normd_array *target);
/* Steps `first` and on, `count` of them, of a float32 classifier of 6 inputs and 4 classes; each
   step's batch of 12 is made from its number. */
void fixture_train_some(const fixture *f, normd_session *session, uint64_t first, uint64_t count);
/* Eval-mode output of the session's newest snapshot. */
normd_tensor fixture_infer(const fixture *f, normd_session *session, const normd_array *x);
/* A whole session as safetensors. */
extern const normd_export_options fixture_everything;
/* A parameter or statistic by its exported name ("0.weight"), as view into the snapshot's export,
   which `file` receives. */
normd_buffer *fixture_export(normd_session *session);
normd_array fixture_exported(const normd_buffer *file, const char *name);
/* Training-mode forward of a copy of x. */
normd_tensor fixture_forward(const fixture *f, normd_session *session, const normd_array *x,
    const normd_array *mask, bool update_stats, normd_forward_result *result);
/* Backward of a copy of dy; gives dx. */
normd_tensor fixture_backward(
    const fixture *f, normd_session *session, uint64_t step, bool apply, const normd_array *dy);
void fixture_import(normd_session *session, const normd_buffer *file);

/* Compares dx and the gradients of all parameters with central differences of sum(dy * y), for a
   random x of that shape and a random dy (gradients.c). The configuration must say float64 and the
   optimizer {'type': 'sgd', 'lr': 1}, so that a step subtracts the gradient itself. */
void fixture_check_gradients(
    const fixture *f, const char *configuration, normd_shape shape, const normd_array *mask);

/* Whether two sessions hold the same bits. */
bool fixture_same_state(normd_session *a, normd_session *b);

#endif
