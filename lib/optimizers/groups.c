// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/optimizers/rule.h"

/* What a match may say of a parameter's role: our words and Keras' names of the variables. */
static const struct {
    const char *word;
    unsigned roles; /* a bit each */
} words[] = {
    {"weight", 1U << NORMD_ROLE_WEIGHT},
    {"kernel", 1U << NORMD_ROLE_WEIGHT},
    {"bias", 1U << NORMD_ROLE_BIAS},
    {"norm", 1U << NORMD_ROLE_NORM_WEIGHT | 1U << NORMD_ROLE_NORM_BIAS},
    {"norm_weight", 1U << NORMD_ROLE_NORM_WEIGHT},
    {"gamma", 1U << NORMD_ROLE_NORM_WEIGHT},
    {"norm_bias", 1U << NORMD_ROLE_NORM_BIAS},
    {"beta", 1U << NORMD_ROLE_NORM_BIAS},
};
enum { WORD_COUNT = sizeof words / sizeof *words };

static const char match_expected[] = "expected a role (\"weight\", \"bias\", \"norm\", "
                                     "\"norm_weight\", \"norm_bias\"), the number of "
                                     "a layer, a tensor's name (\"0.weight\"), or a list of such";

/* The roles of a word, 0 when it is none. */
static unsigned roles_of(const char *word)
{
    unsigned roles = 0;
    for (size_t i = 0; i < WORD_COUNT; i++) {
        roles |= strcmp(words[i].word, word) == 0 ? words[i].roles : 0;
    }
    return roles;
}

static bool is_tensor_name(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && text[digits] == '.' && text[digits + 1] != '\0';
}

static bool is_one_match(const json_t *match)
{
    const char *text = json_string_value(match);
    return text != NULL ? roles_of(text) != 0 || is_tensor_name(text)
                        : json_is_integer(match) && json_integer_value(match) >= 0;
}

static bool is_match(const json_t *match)
{
    if (!json_is_array(match)) {
        return is_one_match(match);
    }
    bool ok = json_array_size(match) > 0;
    for (size_t i = 0; i < json_array_size(match) && ok; i++) {
        ok = is_one_match(json_array_get(match, i));
    }
    return ok;
}

static bool fits_one(const json_t *match, const normd_parameter *parameter)
{
    const char *text = json_string_value(match);
    if (text == NULL) {
        return json_integer_value(match) == (json_int_t)parameter->layer;
    }
    unsigned roles = roles_of(text);
    if (roles != 0) {
        return (roles >> parameter->role & 1U) != 0;
    }
    char name[64];
    snprintf(name, sizeof name, "%zu.%s", parameter->layer, parameter->name);
    return strcmp(name, text) == 0;
}

static bool fits(const json_t *match, const normd_parameter *parameter)
{
    if (!json_is_array(match)) {
        return fits_one(match, parameter);
    }
    bool found = false;
    for (size_t i = 0; i < json_array_size(match) && !found; i++) {
        found = fits_one(json_array_get(match, i), parameter);
    }
    return found;
}

/* A copy of the match at `key`; NULL after a mistake, or when there is none. */
static json_t *read_match(normd_options *options, const char *key)
{
    const json_t *match = normd_options_any(options, key);
    if (match == NULL || is_match(match)) {
        return match == NULL ? NULL : json_deep_copy(match);
    }
    char got[NORMD_OPTIONS_SHOW_BYTES];
    normd_options_fail(
        options, key, "%s, got %s", match_expected, normd_options_show(match, got, sizeof got));
    return NULL;
}

static normd_status read_group(
    normd_optimizer *optimizer, const json_t *map, size_t index, normd_error *error)
{
    normd_group *group = &optimizer->group[optimizer->groups];
    *group = optimizer->group[0];
    group->match = NULL;
    normd_options options;
    normd_options_begin(&options, map, NULL, "optimizer.groups[%zu]", index);
    group->match = read_match(&options, "match");
    if (group->match == NULL) {
        normd_options_fail(&options, "match", "%s, got nothing", match_expected);
    }
    normd_group_read(group, optimizer->rule, optimizer->convention, &options);
    optimizer->groups++;
    return normd_options_finish(&options, error);
}

void normd_groups_read(normd_optimizer *optimizer, normd_options *options)
{
    const json_t *groups = normd_options_any(options, "groups");
    const json_t *no_decay = normd_options_any(options, "no_decay");
    if (!json_is_array(no_decay) || json_array_size(no_decay) > 0) {
        optimizer->no_decay = read_match(options, "no_decay");
    }
    size_t count = json_is_array(groups) ? json_array_size(groups) : 0;
    bool none = groups == NULL || json_is_null(groups);
    if ((!none && !json_is_array(groups)) || count >= NORMD_OPTIMIZER_MAX_GROUPS) {
        char got[NORMD_OPTIONS_SHOW_BYTES];
        normd_options_fail(options, "groups", "expected a list of at most %d maps, got %s",
            NORMD_OPTIMIZER_MAX_GROUPS - 1, normd_options_show(groups, got, sizeof got));
        return;
    }
    for (size_t i = 0; i < count && options->error.status == NORMD_OK; i++) {
        read_group(optimizer, json_array_get(groups, i), i, &options->error);
    }
}

bool normd_groups_describe(
    const normd_optimizer *optimizer, normd_convention convention, json_t *description)
{
    json_t *groups = json_array();
    bool ok = groups != NULL;
    for (size_t i = 1; i < optimizer->groups && ok; i++) {
        const normd_group *group = &optimizer->group[i];
        json_t *map = json_object();
        ok = map != NULL && json_object_set_new(map, "match", json_deep_copy(group->match)) == 0 &&
             normd_group_describe(group, optimizer->rule, optimizer->convention, convention, map);
        ok = json_array_append_new(groups, map) == 0 && ok;
    }
    json_t *no_decay =
        optimizer->no_decay == NULL ? json_array() : json_deep_copy(optimizer->no_decay);
    ok = json_object_set_new(description, "groups", groups) == 0 && ok;
    return json_object_set_new(description, "no_decay", no_decay) == 0 && ok;
}

static double rate_of(const normd_group *group, normd_parameter_role role)
{
    switch (role) {
    case NORMD_ROLE_NORM_WEIGHT:
        return group->weight_lr;
    case NORMD_ROLE_NORM_BIAS:
        return group->bias_lr;
    case NORMD_ROLE_WEIGHT:
    case NORMD_ROLE_BIAS:
    default:
        return group->lr;
    }
}

size_t normd_optimizer_place(normd_optimizer *optimizer, const normd_parameter *parameter)
{
    size_t group = 1;
    while (group < optimizer->groups && !fits(optimizer->group[group].match, parameter)) {
        group++;
    }
    group = group < optimizer->groups ? group : 0;
    optimizer->group[group].used = true;
    bool decays = optimizer->no_decay == NULL || !fits(optimizer->no_decay, parameter);
    optimizer->no_decay_used |= !decays;
    double lr = rate_of(&optimizer->group[group], parameter->role);
    size_t set = 0;
    while (set < optimizer->sets &&
           (optimizer->set[set].group != group || optimizer->set[set].decays != decays ||
               optimizer->set[set].lr != lr)) {
        set++;
    }
    if (set == optimizer->sets) {
        optimizer->set[optimizer->sets++] = (normd_set){.group = group, .lr = lr, .decays = decays};
    }
    return set;
}

normd_status normd_optimizer_check_groups(
    const normd_optimizer *optimizer, const char *parameters, normd_error *error)
{
    char got[NORMD_OPTIONS_SHOW_BYTES];
    for (size_t i = 1; i < optimizer->groups; i++) {
        if (!optimizer->group[i].used) {
            return normd_error_set(error, NORMD_BAD_ARGUMENT,
                "optimizer.groups[%zu].match: expected a parameter that no group before it has, of "
                "%s; got %s",
                i - 1, parameters, normd_options_show(optimizer->group[i].match, got, sizeof got));
        }
    }
    if (optimizer->no_decay != NULL && !optimizer->no_decay_used) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "optimizer.no_decay: expected a parameter, of %s; got %s", parameters,
            normd_options_show(optimizer->no_decay, got, sizeof got));
    }
    return NORMD_OK;
}
