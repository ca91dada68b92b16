// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/mutations.h"

#include <stdlib.h>
#include <string.h>

#include "lib/init/random.h"
#include "lib/session/hash.h"
#include "lib/session/statistics.h"

#define BODY(first, norm, dropout, tail)                                                           \
    "'layers': [{'type': 'linear', 'out': 8" first "}, {'type': 'batch_norm'" norm                 \
    "}, {'type': 'relu'}, {'type': 'dropout', " dropout "}, {'type': 'linear', 'out': 4" tail      \
    "}], 'loss': 'cross_entropy'"
#define PLAIN BODY(", 'in': 6", "", "'p': 0.25", "")

const mutations_subject mutations_subjects[] = {
    {"sgd with momentum", "{" PLAIN ", 'optimizer': {'type': 'sgd', 'lr': 0.1, 'momentum': 0.9}}"},
    {"adam with amsgrad", "{" PLAIN ", 'optimizer': {'type': 'adam', 'amsgrad': true}}"},
    {"adamw in float64", "{" PLAIN ", 'dtype': 'float64', 'optimizer': 'adamw'}"},
    {"nadam", "{" PLAIN ", 'optimizer': 'nadam'}"},
    {"rmsprop", "{" PLAIN ", 'optimizer': {'type': 'rmsprop', 'centered': true, 'momentum': 0.5}}"},
    {"adagrad", "{" PLAIN ", 'optimizer': 'adagrad'}"},
    {"lion", "{" PLAIN ", 'optimizer': 'lion'}"},
    {"an exponential schedule", "{" PLAIN ", 'optimizer': {'type': 'sgd', 'lr': 0.1, 'schedule': "
                                "{'type': 'exponential', 'gamma': 0.9}}}"},
    {"a plateau, an average and accumulation",
        "{" PLAIN ", 'optimizer': {'type': 'adam', 'averaging': 'ema', 'accumulate_steps': 3, "
        "'schedule': {'type': 'reduce_on_plateau', 'patience': 0, 'every': 2}}}"},
    {"stochastic weight averaging",
        "{" PLAIN ", 'optimizer': {'type': 'sgd', 'lr': 0.1, 'averaging': {'type': 'swa'}}}"},
    {"renormalization",
        "{" BODY(", 'in': 6", ", 'renorm': true", "'p': 0.25", "") ", 'optimizer': 'adam'}"},
    {"frozen statistics", "{" BODY(", 'in': 6", ", 'frozen_stats': true", "'p': 0.25", "") "}"},
    {"a frozen layer", "{" BODY(", 'in': 6", ", 'trainable': false", "'p': 0.25", "") "}"},
    {"penalties", "{" BODY(", 'in': 6", "", "'p': 0.25",
                      ", 'weight_regularizer': 'l2', 'weight_constraint': 'unit_norm'") "}"},
    {"keras", "{'convention': 'keras', " BODY(", 'in': 6", "", "'rate': 0.25", "") "}"},
    {"features that the first batch tells", "{" BODY("", "", "'p': 0.25", "") "}"},
    {"arrays as initial values",
        "{" BODY(", 'in': 6", ", 'weight_init': [1, 2, 3, 4, 5, 6, 7, 8]", "'p': 0.25", "") "}"},
};
const size_t mutations_subject_count = sizeof mutations_subjects / sizeof *mutations_subjects;

enum { ROWS = 12, FEATURES = 6, CLASSES = 4 };

/* What was answered so far. */
typedef struct answer {
    uint64_t hash;
} answer;

static void note(answer *to, const void *bytes, size_t size)
{
    to->hash = normd_hash_bytes(to->hash, bytes, size);
}

static void note_tensor(answer *to, normd_tensor *tensor)
{
    if (tensor->buffer != NULL) {
        note(to, tensor->array.data, normd_array_bytes(&tensor->array));
    }
    normd_tensor_release(tensor);
}

static normd_tensor batch_of(const fixture *f, uint64_t number)
{
    return fixture_normal(f, NORMD_F32, (normd_shape){2, {ROWS, FEATURES}}, number);
}

/* So small that no mutation leads away from finite numbers. */
static normd_tensor gradient_of(const fixture *f, uint64_t number)
{
    normd_tensor dy = fixture_normal(f, NORMD_F32, (normd_shape){2, {ROWS, CLASSES}}, ~number);
    for (size_t i = 0; i < ROWS * CLASSES; i++) {
        fixture_put(&dy.array, i, fixture_at(&dy.array, i) / 256);
    }
    return dy;
}

static void make_train(const fixture *f, normd_session *session, uint64_t number, answer *to)
{
    normd_tensor x = batch_of(f, number);
    normd_tensor labels = fixture_labels(f, ROWS, CLASSES, number);
    normd_train_result result = fixture_train(session, &x.array, &labels.array);
    note(to, &result.loss, sizeof result.loss);
    note(to, &result.lr, sizeof result.lr);
    note(to, &result.version, sizeof result.version);
    normd_tensor_release(&x);
    normd_tensor_release(&labels);
}

static void make_forward(
    const fixture *f, normd_session *session, uint64_t number, bool back, bool apply, answer *to)
{
    normd_tensor x = batch_of(f, number);
    normd_forward_result result;
    normd_tensor y = fixture_forward(f, session, &x.array, NULL, number % 3 != 0, &result);
    note(to, &result.step, sizeof result.step);
    note(to, &result.version, sizeof result.version);
    if (back) {
        normd_tensor dy = gradient_of(f, number);
        normd_tensor dx = fixture_backward(f, session, result.step, apply, &dy.array);
        note_tensor(to, &dx);
        normd_tensor_release(&dy);
    }
    note_tensor(to, &y);
    normd_tensor_release(&x);
}

static void make_step(normd_session *session, answer *to)
{
    uint64_t version;
    normd_error error;
    normd_status status = normd_session_step(session, &version, &error);
    note(to, &status, sizeof status);
    note(to, &version, sizeof version);
}

static void make_recalibration(
    const fixture *f, normd_session *session, uint64_t number, answer *to)
{
    normd_tensor x = batch_of(f, number);
    normd_recalibration_options options = {.finish = number % 4 == 0};
    normd_recalibration_result result;
    normd_error error;
    normd_status status = normd_session_recalibrate(session, &x.array, &options, &result, &error);
    assert_int_equal(status, NORMD_OK);
    note(to, &result.batches, sizeof result.batches);
    note(to, &result.version, sizeof result.version);
    normd_tensor_release(&x);
}

uint64_t mutations_make(const fixture *f, normd_session *session, uint64_t number)
{
    enum { KINDS = 8 };
    normd_random random = {.seed = 11, .stream = number};
    unsigned kind = (unsigned)(normd_random_uniform(&random, 0) * KINDS);
    answer to = {.hash = NORMD_HASH_BEGIN};
    switch (kind) {
    case 0:
    case 1:
        make_train(f, session, number, &to);
        break;
    case 2:
        make_forward(f, session, number, false, false, &to);
        break;
    case 3:
        make_forward(f, session, number, true, true, &to);
        break;
    case 4:
    case 5:
        make_forward(f, session, number, true, false, &to);
        break;
    case 6:
        make_step(session, &to);
        break;
    default:
        make_recalibration(f, session, number, &to);
        break;
    }
    return to.hash;
}

uint64_t mutations_run(const fixture *f, normd_session *session, uint64_t first, uint64_t count)
{
    uint64_t hash = NORMD_HASH_BEGIN;
    for (uint64_t number = first; number < first + count; number++) {
        uint64_t answered = mutations_make(f, session, number);
        hash = normd_hash_bytes(hash, &answered, sizeof answered);
    }
    return hash;
}

normd_image_source mutations_source(const normd_image *image)
{
    normd_image_source source = {
        .description = normd_image_description(image),
        .version = normd_image_version(image),
        .steps = normd_image_steps(image),
        .last_step = normd_image_last_step(image),
    };
    assert_non_null(source.description);
    for (unsigned p = 0; p < NORMD_IMAGE_PARTS; p++) {
        source.part[p] = normd_image_part_of(image, (normd_image_part)p);
    }
    return source;
}

normd_session *mutations_restored(const fixture *f, const normd_image *image)
{
    normd_image_source source = mutations_source(image);
    normd_session *session = NULL;
    normd_error error;
    if (normd_session_restore(&f->engine, &source, &session, &error) != NORMD_OK) {
        fail_msg("%s", error.message);
    }
    free((void *)(uintptr_t)source.description);
    return session;
}

bool mutations_same_image(const normd_image *a, const normd_image *b)
{
    char *of_a = normd_image_description(a);
    char *of_b = normd_image_description(b);
    assert_non_null(of_a);
    assert_non_null(of_b);
    bool same = strcmp(of_a, of_b) == 0 && normd_image_version(a) == normd_image_version(b) &&
                normd_image_steps(a) == normd_image_steps(b) &&
                normd_image_last_step(a) == normd_image_last_step(b);
    for (unsigned p = 0; p < NORMD_IMAGE_PARTS && same; p++) {
        normd_image_bytes one = normd_image_part_of(a, (normd_image_part)p);
        normd_image_bytes other = normd_image_part_of(b, (normd_image_part)p);
        same = one.size == other.size &&
               (one.size == 0 || memcmp(one.data, other.data, one.size) == 0);
    }
    free(of_a);
    free(of_b);
    return same;
}

bool mutations_same(normd_session *a, normd_session *b)
{
    normd_image *of_a = normd_session_image(a);
    normd_image *of_b = normd_session_image(b);
    assert_non_null(of_a);
    assert_non_null(of_b);
    bool same = mutations_same_image(of_a, of_b);
    normd_image_release(of_a);
    normd_image_release(of_b);
    return same;
}
