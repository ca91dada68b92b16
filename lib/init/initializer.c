// SPDX-License-Identifier: Apache-2.0
#include "lib/init/initializer.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/init/distribution.h"
#include "lib/init/given.h"

enum { MODE_FAN_IN, MODE_FAN_OUT, MODE_FAN_AVG };
static const char *const mode_words[] = {"fan_in", "fan_out", "fan_avg", NULL};

enum { SCALED_TRUNCATED_NORMAL, SCALED_UNTRUNCATED_NORMAL, SCALED_UNIFORM };
static const char *const scaled_words[] = {
    "truncated_normal", "untruncated_normal", "uniform", NULL};

/* One initializer while its arguments are read. */
typedef struct argument_reader {
    normd_options options; /* the arguments */
    normd_initializer_target target;
    normd_distribution distribution; /* the result */
    json_t *described;               /* or NULL */
} argument_reader;

typedef struct initializer_row {
    const char *name;
    void (*read)(argument_reader *reading, const struct initializer_row *row);
    /* What the name fixes. */
    double value; /* of a constant; the scale of variance scaling */
    int mode;
    int scaled;
} initializer_row;

static double read_number(argument_reader *reading, const char *key, double otherwise, double least)
{
    /* Of the target's type, with room for the tails of the normal distribution (Box-Muller gives
       no more than 8.6 standard deviations). */
    double largest = (reading->target.dtype == NORMD_F32 ? (double)FLT_MAX : DBL_MAX) / 16;
    double value = normd_options_number(&reading->options, key, otherwise, least, INFINITY);
    if (fabs(value) > largest) {
        normd_options_fail(
            &reading->options, key, "expected a number of size up to %g, got %g", largest, value);
    }
    json_object_set_new(reading->described, key, json_real(value));
    return value;
}

static int read_word(
    argument_reader *reading, const char *key, const char *const words[], int otherwise)
{
    int word = normd_options_word(&reading->options, key, words, otherwise);
    json_object_set_new(reading->described, key, json_string(words[word]));
    return word;
}

/* Keras' argument: a seed of its own makes the values independent of the session's seed and of
   where the tensor stands. */
static void read_seed(argument_reader *reading)
{
    const json_t *seed = normd_options_any(&reading->options, "seed");
    if (seed == NULL || json_is_null(seed)) {
        json_object_set_new(reading->described, "seed", json_null());
        return;
    }
    int64_t number = normd_options_integer(&reading->options, "seed", 0, 0, INT64_MAX);
    reading->target.random = (normd_random){.seed = (uint64_t)number};
    json_object_set_new(reading->described, "seed", json_integer(number));
}

static void read_fixed(argument_reader *reading, const initializer_row *row)
{
    reading->distribution = (normd_distribution){.kind = NORMD_CONSTANT, .a = row->value};
}

static void read_constant(argument_reader *reading, const initializer_row *row)
{
    double value = read_number(reading, "value", row->value, -INFINITY);
    reading->distribution = (normd_distribution){.kind = NORMD_CONSTANT, .a = value};
}

static void read_normal(argument_reader *reading, const initializer_row *row)
{
    bool truncated = row->scaled == SCALED_TRUNCATED_NORMAL;
    double mean = read_number(reading, "mean", 0.0, -INFINITY);
    double deviation = read_number(reading, "stddev", 0.05, 0.0);
    read_seed(reading);
    reading->distribution =
        (normd_distribution){truncated ? NORMD_TRUNCATED_NORMAL : NORMD_NORMAL, mean, deviation};
}

static void read_uniform(argument_reader *reading, const initializer_row *row)
{
    (void)row;
    double least = read_number(reading, "minval", -0.05, -INFINITY);
    double most = read_number(reading, "maxval", 0.05, -INFINITY);
    if (least > most) {
        normd_options_fail(
            &reading->options, "maxval", "expected at least minval, %g, got %g", least, most);
    }
    read_seed(reading);
    reading->distribution = (normd_distribution){NORMD_UNIFORM, least, most};
}

/* Values of variance scale / n, where n counts the connections of a unit (at least 1). */
static normd_distribution scale_variance(
    const normd_initializer_target *target, double scale, int mode, int scaled)
{
    double fan_in = (double)target->fan_in;
    double fan_out = (double)target->fan_out;
    double fan = mode == MODE_FAN_IN    ? fan_in
                 : mode == MODE_FAN_OUT ? fan_out
                                        : (fan_in + fan_out) / 2.0;
    double variance = scale / fmax(1.0, fan);
    /* The deviation of a standard normal cut at +-2. */
    const double truncated_deviation = 0.87962566103423978;
    switch (scaled) {
    case SCALED_UNIFORM: {
        double limit = sqrt(3.0 * variance);
        return (normd_distribution){NORMD_UNIFORM, -limit, limit};
    }
    case SCALED_UNTRUNCATED_NORMAL:
        return (normd_distribution){NORMD_NORMAL, 0.0, sqrt(variance)};
    default:
        return (normd_distribution){
            NORMD_TRUNCATED_NORMAL, 0.0, sqrt(variance) / truncated_deviation};
    }
}

static void read_scaled(argument_reader *reading, const initializer_row *row)
{
    read_seed(reading);
    reading->distribution = scale_variance(&reading->target, row->value, row->mode, row->scaled);
}

static void read_variance_scaling(argument_reader *reading, const initializer_row *row)
{
    double scale = read_number(reading, "scale", row->value, 0.0);
    if (scale == 0.0) {
        normd_options_fail(&reading->options, "scale", "expected a number above 0, got 0");
    }
    int mode = read_word(reading, "mode", mode_words, row->mode);
    int scaled = read_word(reading, "distribution", scaled_words, row->scaled);
    read_seed(reading);
    reading->distribution = scale_variance(&reading->target, scale, mode, scaled);
}

/* torch.nn.Linear: kaiming_uniform_(a = sqrt(5)) of the weight is uniform in +-1/sqrt(fan_in), and
   the bias takes the same bound. */
static void read_torch_linear(argument_reader *reading, const initializer_row *row)
{
    (void)row;
    double bound = 1.0 / sqrt(fmax(1.0, (double)reading->target.fan_in));
    read_seed(reading);
    reading->distribution = (normd_distribution){NORMD_UNIFORM, -bound, bound};
}

static const initializer_row rows[] = {
    {"zeros", read_fixed, 0.0, 0, 0},
    {"ones", read_fixed, 1.0, 0, 0},
    {"constant", read_constant, 0.0, 0, 0},
    {"random_normal", read_normal, 0.0, 0, SCALED_UNTRUNCATED_NORMAL},
    {"truncated_normal", read_normal, 0.0, 0, SCALED_TRUNCATED_NORMAL},
    {"random_uniform", read_uniform, 0.0, 0, 0},
    {"variance_scaling", read_variance_scaling, 1.0, MODE_FAN_IN, SCALED_TRUNCATED_NORMAL},
    {"glorot_uniform", read_scaled, 1.0, MODE_FAN_AVG, SCALED_UNIFORM},
    {"glorot_normal", read_scaled, 1.0, MODE_FAN_AVG, SCALED_TRUNCATED_NORMAL},
    {"he_uniform", read_scaled, 2.0, MODE_FAN_IN, SCALED_UNIFORM},
    {"he_normal", read_scaled, 2.0, MODE_FAN_IN, SCALED_TRUNCATED_NORMAL},
    {"lecun_uniform", read_scaled, 1.0, MODE_FAN_IN, SCALED_UNIFORM},
    {"lecun_normal", read_scaled, 1.0, MODE_FAN_IN, SCALED_TRUNCATED_NORMAL},
    {"torch_linear", read_torch_linear, 0.0, 0, 0},
};

enum { ROW_COUNT = sizeof rows / sizeof *rows };

/* Whether `given` is `name` in snake_case or in CamelCase. */
static bool name_matches(const char *name, const char *given)
{
    if (strcmp(name, given) == 0) {
        return true;
    }
    bool upper = true; /* the next letter starts a word */
    for (; *name != '\0'; name++) {
        if (*name == '_') {
            upper = true;
            continue;
        }
        char expected = upper ? (char)(*name - 'a' + 'A') : *name;
        if (*given++ != expected) {
            return false;
        }
        upper = false;
    }
    return *given == '\0';
}

/* The row that the argument "name" asks for, or NULL and a mistake. */
static const initializer_row *find_row(normd_options *options)
{
    const char *name = normd_options_string(options, "name");
    for (size_t i = 0; name != NULL && i < ROW_COUNT; i++) {
        if (name_matches(rows[i].name, name)) {
            return &rows[i];
        }
    }
    char list[320] = "";
    size_t used = 0;
    for (size_t i = 0; i < ROW_COUNT && used < sizeof list; i++) {
        used += (size_t)snprintf(
            list + used, sizeof list - used, "%s%s", i == 0 ? "" : ", ", rows[i].name);
    }
    char got[NORMD_OPTIONS_SHOW_BYTES] = "nothing";
    if (name != NULL) {
        normd_options_show_string(name, strlen(name), got, sizeof got);
    }
    normd_options_fail(options, "name", "expected one of %s, got %s", list, got);
    return NULL;
}

/* A new map for what stands at the option: a name, a number, a map already, or nothing. */
static json_t *arguments_map(const json_t *value, const char *otherwise)
{
    if (value == NULL) {
        return json_pack("{s:s}", "name", otherwise);
    }
    json_t *shared = (json_t *)(uintptr_t)value; /* only its count of references changes */
    if (json_is_string(value)) {
        return json_pack("{s:O}", "name", shared);
    }
    if (json_is_number(value)) {
        return json_pack("{s:s, s:O}", "name", "constant", "value", shared);
    }
    return json_incref(shared);
}

/* Reads the arguments and, without a mistake, fills. */
static normd_status read_named(argument_reader *reading, normd_error *error)
{
    const initializer_row *row = find_row(&reading->options);
    if (row != NULL) {
        json_object_set_new(reading->described, "name", json_string(row->name));
        row->read(reading, row);
    }
    normd_status status = normd_options_finish(&reading->options, error);
    const normd_initializer_target *target = &reading->target;
    if (status == NORMD_OK && target->values != NULL) {
        normd_array view = {.dtype = target->dtype, .shape = target->shape};
        normd_distribution_fill(&reading->distribution, &target->random, target->dtype,
            normd_array_elements(&view), target->values, target->pool);
    }
    return status;
}

void normd_initializer_read(normd_options *options, const char *key, const char *otherwise,
    const normd_initializer_target *target, json_t **described)
{
    const json_t *value = normd_options_any(options, key);
    json_t *shown = described == NULL ? NULL : json_object();
    if (described != NULL) {
        *described = NULL;
    }
    if (options->error.status != NORMD_OK) {
        json_decref(shown);
        return;
    }
    if (value != NULL && !json_is_string(value) && !json_is_number(value) &&
        !json_is_object(value) && !json_is_array(value)) {
        char got[NORMD_OPTIONS_SHOW_BYTES];
        normd_options_fail(options, key,
            "expected a name, a map with a name, a number or an array, got %s",
            normd_options_show(value, got, sizeof got));
    } else if (normd_given_is(value)) {
        json_object_set_new(shown, "name", json_string("array"));
        normd_given_read(options, key, value, target);
    } else {
        json_t *map = arguments_map(value, otherwise);
        argument_reader reading = {.target = *target, .described = shown};
        const char *dot = options->path[0] == '\0' ? "" : ".";
        normd_options_begin(&reading.options, map, NULL, "%s%s%s", options->path, dot, key);
        normd_error error = {.status = NORMD_OK};
        if (map == NULL) {
            normd_error_no_memory(&options->error);
        } else if (read_named(&reading, &error) != NORMD_OK) {
            options->error = error;
        }
        json_decref(map);
    }
    if (options->error.status == NORMD_OK && described != NULL) {
        *described = shown;
    } else {
        json_decref(shown);
    }
}
