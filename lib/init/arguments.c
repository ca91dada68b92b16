// SPDX-License-Identifier: Apache-2.0
#include "lib/init/arguments.h"

#include <float.h>
#include <math.h>

double normd_argument_number(
    normd_arguments *arguments, const char *key, double otherwise, double least)
{
    /* Of the target's type, with room for the tails of the normal distribution (Box-Muller gives
       no more than 8.6 standard deviations). */
    double largest = (arguments->target.dtype == NORMD_F32 ? (double)FLT_MAX : DBL_MAX) / 16;
    double value = normd_options_number(&arguments->options, key, otherwise, least, INFINITY);
    if (fabs(value) > largest) {
        normd_options_fail(
            &arguments->options, key, "expected a number of size up to %g, got %g", largest, value);
    }
    json_object_set_new(arguments->described, key, json_real(value));
    return value;
}

int normd_argument_word(
    normd_arguments *arguments, const char *key, const char *const words[], int otherwise)
{
    int word = normd_options_word(&arguments->options, key, words, otherwise);
    json_object_set_new(arguments->described, key, json_string(words[word]));
    return word;
}

void normd_argument_seed(normd_arguments *arguments)
{
    const json_t *seed = normd_options_any(&arguments->options, "seed");
    if (seed == NULL || json_is_null(seed)) {
        json_object_set_new(arguments->described, "seed", json_null());
        return;
    }
    int64_t number = normd_options_integer(&arguments->options, "seed", 0, 0, INT64_MAX);
    arguments->target.random = (normd_random){.seed = (uint64_t)number};
    json_object_set_new(arguments->described, "seed", json_integer(number));
}

void normd_argument_null(normd_arguments *arguments, const char *key)
{
    const json_t *value = normd_options_any(&arguments->options, key);
    if (value != NULL && !json_is_null(value)) {
        char got[NORMD_OPTIONS_SHOW_BYTES];
        normd_options_fail(&arguments->options, key, "expected null, got %s",
            normd_options_show(value, got, sizeof got));
    }
}

double normd_argument_fan(const normd_arguments *arguments, int mode)
{
    double in = (double)arguments->target.fan_in;
    double out = (double)arguments->target.fan_out;
    double fan = mode == NORMD_FAN_IN ? in : mode == NORMD_FAN_OUT ? out : (in + out) / 2.0;
    return fmax(1.0, fan);
}
