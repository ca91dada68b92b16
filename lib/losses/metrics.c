// SPDX-License-Identifier: Apache-2.0
#include "lib/losses/metrics.h"

#include <stdio.h>
#include <string.h>

#include "lib/options/options.h"

enum { DEFAULT_K = 5, MOST_K = 1 << 20 };

/* Every name of every metric; the first of a kind is what describe says. */
static const struct {
    const char *name;
    normd_metric_kind kind;
} names[] = {
    {"accuracy", NORMD_METRIC_ACCURACY},
    {"top_k", NORMD_METRIC_TOP_K},
    {"mae", NORMD_METRIC_MAE},
    {"mse", NORMD_METRIC_MSE},
    {"top_k_categorical_accuracy", NORMD_METRIC_TOP_K},
    {"sparse_top_k_categorical_accuracy", NORMD_METRIC_TOP_K},
    {"mean_absolute_error", NORMD_METRIC_MAE},
    {"mean_squared_error", NORMD_METRIC_MSE},
};
enum { NAMES = sizeof names / sizeof *names };

/* The kind at `key`; the message lists the names that the loss allows. */
static normd_metric_kind read_kind(
    normd_options *options, const char *key, unsigned allowed, const char *loss)
{
    const char *words[NAMES + 1] = {NULL};
    normd_metric_kind kinds[NAMES + 1] = {NORMD_METRIC_ACCURACY};
    size_t count = 0;
    for (size_t i = 0; i < NAMES; i++) {
        if ((allowed >> names[i].kind & 1U) != 0) {
            words[count] = names[i].name;
            kinds[count++] = names[i].kind;
        }
    }
    if (count == 0) {
        normd_options_fail(options, key, "expected no metric for the loss %s", loss);
        return NORMD_METRIC_ACCURACY;
    }
    if (!normd_options_has(options, key)) {
        normd_options_fail(options, key, "expected the kind of metric, got nothing");
    }
    return kinds[normd_options_word(options, key, words, 0)];
}

static normd_status read_one(const json_t *option, size_t index, unsigned allowed, const char *loss,
    normd_metric *metric, normd_error *error)
{
    char key[32];
    snprintf(key, sizeof key, "metrics[%zu]", index);
    bool named = json_is_string(option);
    json_t *map = named ? json_object() : NULL;
    if (named && (map == NULL ||
                     json_object_set_new(map, key, json_string(json_string_value(option))) != 0)) {
        json_decref(map);
        return normd_error_no_memory(error);
    }
    normd_options options;
    normd_options_begin(&options, named ? map : option, NULL, "%s", named ? "" : key);
    metric->kind = read_kind(&options, named ? key : "type", allowed, loss);
    metric->k = 0;
    if (metric->kind == NORMD_METRIC_TOP_K) {
        metric->k = DEFAULT_K;
        if (!named) {
            metric->k = (size_t)normd_options_integer(&options, "k", DEFAULT_K, 1, MOST_K);
        }
        snprintf(metric->name, sizeof metric->name, "top_%zu", metric->k);
    } else {
        snprintf(metric->name, sizeof metric->name, "%s", names[metric->kind].name);
    }
    normd_status status = normd_options_finish(&options, error);
    json_decref(map);
    return status;
}

static normd_status check_new(const normd_metrics *metrics, const char *name, normd_error *error)
{
    for (size_t i = 0; i < metrics->count; i++) {
        if (strcmp(metrics->metric[i].name, name) == 0) {
            return normd_error_set(error, NORMD_BAD_ARGUMENT,
                "metrics[%zu]: expected each metric once, got \"%s\" again", metrics->count, name);
        }
    }
    return NORMD_OK;
}

normd_status normd_metrics_read(const json_t *option, unsigned allowed, const char *loss,
    normd_metrics *metrics, normd_error *error)
{
    metrics->count = 0;
    if (option == NULL || json_is_null(option)) {
        return NORMD_OK;
    }
    if (!json_is_array(option) || json_array_size(option) > NORMD_METRICS_MAX) {
        char got[NORMD_OPTIONS_SHOW_BYTES];
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "metrics: expected a list of at most %d names or maps, got %s", NORMD_METRICS_MAX,
            normd_options_show(option, got, sizeof got));
    }
    normd_status status = NORMD_OK;
    for (size_t i = 0; status == NORMD_OK && i < json_array_size(option); i++) {
        normd_metric *metric = &metrics->metric[i];
        status = read_one(json_array_get(option, i), i, allowed, loss, metric, error);
        if (status == NORMD_OK) {
            status = check_new(metrics, metric->name, error);
        }
        metrics->count += status == NORMD_OK;
    }
    return status;
}

json_t *normd_metrics_describe(const normd_metrics *metrics)
{
    json_t *list = json_array();
    for (size_t i = 0; i < metrics->count && list != NULL; i++) {
        const normd_metric *metric = &metrics->metric[i];
        json_t *map = json_pack("{s:s}", "type", names[metric->kind].name);
        if (map != NULL && metric->kind == NORMD_METRIC_TOP_K &&
            json_object_set_new(map, "k", json_integer((json_int_t)metric->k)) != 0) {
            json_decref(map);
            map = NULL;
        }
        if (json_array_append_new(list, map) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}
