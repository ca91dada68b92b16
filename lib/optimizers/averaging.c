// SPDX-License-Identifier: Apache-2.0
#include "lib/optimizers/averaging.h"

#include <assert.h>
#include <string.h>

#define REAL float
#define LOOP(name) name##_f32
#include "lib/optimizers/averaging_loops.h"
#undef REAL
#undef LOOP

#define REAL double
#define LOOP(name) name##_f64
#include "lib/optimizers/averaging_loops.h"
#undef REAL
#undef LOOP

enum { MOST_STEPS = 1 << 30 };

static void read_map(normd_averaging *averaging, normd_options *options)
{
    static const char *const types[] = {"ema", "swa", NULL};
    if (!normd_options_has(options, "type")) {
        normd_options_fail(options, "type", "expected \"ema\" or \"swa\", got nothing");
    }
    bool swa = normd_options_word(options, "type", types, 0) == 1;
    averaging->type = swa ? NORMD_AVERAGING_SWA : NORMD_AVERAGING_EMA;
    averaging->start = (uint64_t)normd_options_integer(options, "start", 1, 1, MOST_STEPS);
    averaging->every = (uint64_t)normd_options_integer(options, "every", 1, 1, MOST_STEPS);
    if (!swa) {
        double standard = averaging->keras ? 0.99 : 0.999;
        averaging->decay = normd_options_number(options, "decay", standard, 0.0, 1.0);
        averaging->overwrite_every =
            (uint64_t)normd_options_integer_or_null(options, "overwrite_every", 0, 1, MOST_STEPS);
    }
}

static void read_averaging(normd_averaging *averaging, normd_options *options)
{
    const json_t *value = normd_options_any(options, "averaging");
    if (value == NULL || json_is_null(value)) {
        return;
    }
    json_t *map = json_is_string(value) ? json_pack("{s:O}", "type", value) : NULL;
    normd_options inner;
    normd_options_begin(&inner, map != NULL ? map : value, NULL, "%s.averaging", options->path);
    read_map(averaging, &inner);
    normd_error error = {.status = NORMD_OK};
    if (normd_options_finish(&inner, &error) != NORMD_OK && options->error.status == NORMD_OK) {
        options->error = error;
    }
    json_decref(map);
}

static void read_keras(normd_averaging *averaging, normd_options *options)
{
    bool use = normd_options_bool(options, "use_ema", false);
    double momentum = normd_options_number(options, "ema_momentum", 0.99, 0.0, 1.0);
    uint64_t overwrite = (uint64_t)normd_options_integer_or_null(
        options, "ema_overwrite_frequency", 0, 1, MOST_STEPS);
    if (!use) {
        return;
    }
    if (averaging->type != NORMD_AVERAGING_NONE) {
        normd_options_fail(options, "use_ema", "expected false beside averaging, got true");
        return;
    }
    averaging->type = NORMD_AVERAGING_EMA;
    averaging->start = 1;
    averaging->every = 1;
    averaging->decay = momentum;
    averaging->overwrite_every = overwrite;
}

void normd_averaging_read(
    normd_averaging *averaging, normd_convention convention, normd_options *options)
{
    *averaging = (normd_averaging){.keras = convention == NORMD_KERAS};
    read_averaging(averaging, options);
    if (averaging->keras) {
        read_keras(averaging, options);
    }
}

static json_t *steps_or_null(uint64_t steps)
{
    return steps == 0 ? json_null() : json_integer((json_int_t)steps);
}

static json_t *describe_map(const normd_averaging *averaging)
{
    json_int_t start = (json_int_t)averaging->start;
    json_int_t every = (json_int_t)averaging->every;
    switch (averaging->type) {
    case NORMD_AVERAGING_EMA:
        return json_pack("{s:s, s:f, s:I, s:I, s:o}", "type", "ema", "decay", averaging->decay,
            "start", start, "every", every, "overwrite_every",
            steps_or_null(averaging->overwrite_every));
    case NORMD_AVERAGING_SWA:
        return json_pack("{s:s, s:I, s:I}", "type", "swa", "start", start, "every", every);
    case NORMD_AVERAGING_NONE:
    default:
        return json_null();
    }
}

bool normd_averaging_describe(
    const normd_averaging *averaging, normd_convention convention, json_t *description)
{
    bool ema =
        averaging->type == NORMD_AVERAGING_EMA && averaging->start == 1 && averaging->every == 1;
    if (convention != NORMD_KERAS || (averaging->type != NORMD_AVERAGING_NONE && !ema)) {
        return json_object_set_new(description, "averaging", describe_map(averaging)) == 0;
    }
    json_t *overwrite = steps_or_null(averaging->overwrite_every);
    return json_object_set_new(description, "use_ema", json_boolean(ema)) == 0 &&
           json_object_set_new(
               description, "ema_momentum", json_real(ema ? averaging->decay : 0.99)) == 0 &&
           json_object_set_new(description, "ema_overwrite_frequency", overwrite) == 0;
}

bool normd_averaging_is_due(const normd_averaging *averaging, uint64_t step)
{
    return averaging->type != NORMD_AVERAGING_NONE && step >= averaging->start &&
           (step - averaging->start) % averaging->every == 0;
}

uint64_t normd_averaging_count(const normd_averaging *averaging, uint64_t steps)
{
    bool some = averaging->type != NORMD_AVERAGING_NONE && steps >= averaging->start;
    return some ? (steps - averaging->start) / averaging->every + 1 : 0;
}

bool normd_averaging_overwrites(const normd_averaging *averaging, uint64_t step)
{
    return averaging->overwrite_every != 0 && step >= averaging->start &&
           step % averaging->overwrite_every == 0;
}

void normd_averaging_update(const normd_averaging *averaging, double averaged, normd_dtype dtype,
    size_t count, const void *weight, void *average)
{
    assert(dtype == NORMD_F32 || dtype == NORMD_F64);
    if (dtype == NORMD_F32) {
        update_f32(averaging, averaged, count, weight, average);
    } else {
        update_f64(averaging, averaged, count, weight, average);
    }
}
