// SPDX-License-Identifier: Apache-2.0
#include "tests/accuracy/data.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "tests/accuracy/fills.h"

static const accuracy_data_set x_sets[] = {
#define SET(name, fill, large) {name, fill, large},
    ACCURACY_X_MAP(SET)};
static const accuracy_data_set dy_sets[] = {ACCURACY_DY_MAP(SET)};
#undef SET

const accuracy_data_set *accuracy_x_sets(size_t *count)
{
    *count = sizeof x_sets / sizeof *x_sets;
    return x_sets;
}

const accuracy_data_set *accuracy_dy_sets(size_t *count)
{
    *count = sizeof dy_sets / sizeof *dy_sets;
    return dy_sets;
}

/* A seed from the name, so that another set in the table moves no other. */
static accuracy_random seed(const char *name, size_t channel)
{
    uint64_t state = 14695981039346656037U + channel;
    for (const char *at = name; *at != '\0'; at++) {
        state = (state ^ (unsigned char)*at) * 1099511628211U;
    }
    return (accuracy_random){state};
}

static void load_channel(const accuracy_batch *batch, size_t channel, double *values)
{
    for (size_t k = 0; k < batch->count; k++) {
        values[k] = normd_value_load(batch->dtype, batch->x, accuracy_at(batch, channel, k));
    }
}

static void fill_batch(accuracy_batch *batch, const accuracy_data_set *set, bool is_dy)
{
    double *values = accuracy_allocate(batch->count, sizeof *values);
    double *x = accuracy_allocate(batch->count, sizeof *x);
    for (size_t c = 0; c < batch->channels; c++) {
        accuracy_random random = seed(set->name, c);
        accuracy_channel_source source = {
            .random = &random,
            .channel = c,
            .tiny = batch->dtype == NORMD_F32 ? (double)FLT_TRUE_MIN : DBL_TRUE_MIN,
            .x = x,
        };
        if (is_dy) {
            load_channel(batch, c, x);
        }
        set->fill(&source, values, batch->count);
        for (size_t k = 0; k < batch->count; k++) {
            void *to = is_dy ? batch->dy : batch->x;
            normd_value_store(batch->dtype, to, accuracy_at(batch, c, k), values[k]);
        }
    }
    free(x);
    free(values);
}

void accuracy_fill_x(accuracy_batch *batch, const accuracy_data_set *set)
{
    fill_batch(batch, set, false);
}

void accuracy_fill_dy(accuracy_batch *batch, const accuracy_data_set *set)
{
    fill_batch(batch, set, true);
}
