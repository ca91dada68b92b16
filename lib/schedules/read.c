// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "lib/schedules/kind.h"

enum { MAX_TICKS = 1 << 30, MAX_LIST = 4096 };

static void fail_missing(normd_options *options, const char *key, const char *expected)
{
    normd_options_fail(options, key, "expected %s, got nothing", expected);
}

uint64_t normd_schedule_ticks(
    normd_options *options, const char *key, int64_t otherwise, int64_t least)
{
    if (otherwise < 0 && !normd_options_has(options, key)) {
        fail_missing(options, key, "a number of ticks");
    }
    int64_t standard = otherwise < least ? least : otherwise;
    return (uint64_t)normd_options_integer(options, key, standard, least, MAX_TICKS);
}

double normd_schedule_required(normd_options *options, const char *key, double least, double most)
{
    if (!normd_options_has(options, key)) {
        fail_missing(options, key, "a number");
    }
    return normd_options_number(options, key, least, least, most);
}

double normd_schedule_positive(
    normd_options *options, const char *key, double otherwise, double most)
{
    double value = normd_options_number(options, key, otherwise, 0.0, most);
    if (value <= 0.0) {
        normd_options_fail(options, key, "expected a number above 0, got %g", value);
    }
    return value;
}

static bool read_values(const json_t *json, bool ticks, double *values)
{
    size_t i;
    const json_t *value;
    json_array_foreach(json, i, value)
    {
        values[i] = json_number_value(value);
        if (!json_is_number(value) || !isfinite(values[i]) || values[i] < 0.0 ||
            (ticks && (!json_is_integer(value) || (i > 0 && values[i] < values[i - 1])))) {
            return false;
        }
    }
    return true;
}

void normd_schedule_list(normd_schedule *schedule, normd_options *options, const char *key,
    size_t least_count, bool ticks, double **list, size_t *count)
{
    const json_t *json = normd_options_any(options, key);
    size_t length = json_array_size(json);
    bool good = length >= least_count && length <= MAX_LIST;
    if (good) {
        *list = calloc(length, sizeof **list);
        schedule->no_memory = schedule->no_memory || *list == NULL;
        good = *list == NULL || read_values(json, ticks, *list);
        *count = *list == NULL ? 0 : length;
    }
    if (!good) {
        char got[NORMD_OPTIONS_SHOW_BYTES];
        normd_options_fail(options, key, "expected a list of %zu to %d %s, got %s", least_count,
            MAX_LIST, ticks ? "integers from 0 in ascending order" : "numbers from 0",
            json == NULL ? "nothing" : normd_options_show(json, got, sizeof got));
    }
}

json_t *normd_schedule_show_list(const double *list, size_t count, bool ticks)
{
    json_t *json = json_array();
    for (size_t i = 0; i < count && json != NULL; i++) {
        json_t *value = ticks ? json_integer((json_int_t)list[i]) : json_real(list[i]);
        if (json_array_append_new(json, value) != 0) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}
