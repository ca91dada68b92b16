// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>

#include "lib/layers/batch_norm.h"

enum { MAX_SAMPLES = 1 << 30 };

static const char *const splits[] = {"strided", "contiguous", NULL};

static bool is_given(const normd_options *options, const char *key)
{
    return normd_options_has(options, key) && !json_is_null(json_object_get(options->map, key));
}

static void read_virtual(normd_batch_norm *norm, const normd_layer_source *source)
{
    normd_options *options = source->options;
    const normd_convention_facts *facts = normd_convention_facts_of(source->convention);
    if (is_given(options, "virtual_batch_size")) {
        norm->virtual_batch =
            (size_t)normd_options_integer(options, "virtual_batch_size", 1, 1, MAX_SAMPLES);
    } else {
        normd_options_any(options, "virtual_batch_size");
    }
    int split =
        normd_options_word(options, "virtual_batch_split", splits, facts->virtual_strided ? 0 : 1);
    if (norm->virtual_batch == 0 && normd_options_has(options, "virtual_batch_split")) {
        normd_options_fail(options, "virtual_batch_split",
            "expected a virtual_batch_size where it is given, got none");
    }
    norm->virtual_strided = norm->virtual_batch > 0 && split == 0;
}

/* A bound, or null for none. */
static double read_bound(normd_options *options, const char *key, double none)
{
    bool missing = false;
    double bound = normd_options_number_or_null(options, key, none, 0.0, INFINITY, &missing);
    return missing ? none : bound;
}

static void read_clipping(normd_batch_norm *norm, normd_options *options)
{
    const json_t *map = normd_options_any(options, "renorm_clipping");
    map = json_is_null(map) ? NULL : map;
    if (map != NULL && !json_is_object(map)) {
        char got[NORMD_OPTIONS_SHOW_BYTES];
        normd_options_fail(options, "renorm_clipping",
            "expected a map of rmax, rmin and dmax, or null, got %s",
            normd_options_show(map, got, sizeof got));
        return;
    }
    normd_options bounds;
    normd_options_begin(&bounds, map, options->attachments, "%.60s.renorm_clipping", options->path);
    norm->rmax = read_bound(&bounds, "rmax", INFINITY);
    norm->rmin = read_bound(&bounds, "rmin", 0.0);
    norm->dmax = read_bound(&bounds, "dmax", INFINITY);
    if (norm->rmax < norm->rmin) {
        normd_options_fail(
            &bounds, "rmax", "expected rmin, %g, or more, got %g", norm->rmin, norm->rmax);
    }
    normd_error error;
    if (normd_options_finish(&bounds, &error) != NORMD_OK && options->error.status == NORMD_OK) {
        options->error = error;
    }
}

/* What renormalization does not go with. */
static void check_renorm(const normd_batch_norm *norm, normd_options *options)
{
    static const char *const only[] = {"renorm_clipping", "renorm_momentum"};
    for (size_t i = 0; i < sizeof only / sizeof *only && !norm->renorm; i++) {
        if (is_given(options, only[i])) {
            normd_options_fail(
                options, only[i], "expected renorm to be true where it is given, got false");
        }
    }
    if (norm->renorm && !norm->track) {
        normd_options_fail(options, "renorm",
            "expected false where track_running_stats is false: it corrects by the running "
            "statistics; got true");
    }
    if (norm->renorm && norm->unbiased && normd_options_has(options, "running_variance")) {
        normd_options_fail(options, "running_variance",
            "expected \"biased\" where renorm is true: the running variance is made of the running "
            "deviation; got \"unbiased\"");
    }
}

static void read_renorm(normd_batch_norm *norm, const normd_layer_source *source)
{
    const normd_convention_facts *facts = normd_convention_facts_of(source->convention);
    normd_options *options = source->options;
    norm->renorm = normd_options_bool(options, "renorm", false);
    read_clipping(norm, options);
    double otherwise = facts->renorm_momentum;
    if (is_given(options, "renorm_momentum")) {
        otherwise = normd_options_number(options, "renorm_momentum", otherwise, 0.0, 1.0);
    } else {
        normd_options_any(options, "renorm_momentum");
    }
    norm->renorm_momentum = otherwise;
    double rest = normd_convention_complement(otherwise);
    norm->renorm_keep = facts->momentum_keeps ? otherwise : rest;
    norm->renorm_take = facts->momentum_keeps ? rest : otherwise;
    check_renorm(norm, options);
    if (norm->renorm) {
        norm->unbiased = false;
    }
}

void normd_batch_norm_read_variants(normd_batch_norm *norm, const normd_layer_source *source)
{
    const normd_convention_facts *facts = normd_convention_facts_of(source->convention);
    norm->mask_epsilon =
        normd_options_number(source->options, "mask_epsilon", facts->mask_epsilon, 0.0, 1.0);
    read_virtual(norm, source);
    read_renorm(norm, source);
}

static const normd_layer_tensor *declare(
    normd_batch_norm *norm, const normd_layer_source *source, const char *name, bool not_negative)
{
    const normd_layer_tensor tensor = {
        .name = name,
        .slab = NORMD_SLAB_STATISTICS,
        .not_negative = not_negative,
        .dtype = source->dtype,
        .shape = {.rank = 1, .dim = {norm->features}},
    };
    normd_layer_declare(&norm->base, source, &tensor);
    return &norm->base.tensor[norm->base.tensors - 1];
}

void normd_batch_norm_declare_renorm(normd_batch_norm *norm, const normd_layer_source *source)
{
    if (norm->renorm) {
        norm->deviation = declare(norm, source, "running_std", true);
        norm->renorm_mean = declare(norm, source, "renorm_mean", false);
        norm->renorm_deviation = declare(norm, source, "renorm_std", true);
    }
}

/* As Keras has it: the deviations are the roots of the variance's initial values, without eps. */
void normd_batch_norm_initialize(const normd_layer *layer, const char *parameters, char *statistics)
{
    (void)parameters;
    const normd_batch_norm *norm = normd_batch_norm_of(layer);
    for (size_t c = 0; c < norm->features && norm->renorm; c++) {
        double mean = normd_value_load(layer->dtype, statistics + norm->mean->offset, c);
        double root = sqrt(normd_value_load(layer->dtype, statistics + norm->var->offset, c));
        normd_value_store(layer->dtype, statistics + norm->deviation->offset, c, root);
        normd_value_store(layer->dtype, statistics + norm->renorm_mean->offset, c, mean);
        normd_value_store(layer->dtype, statistics + norm->renorm_deviation->offset, c, root);
    }
}

static bool put_bound(json_t *map, const char *key, double bound, double none)
{
    bool given = memcmp(&bound, &none, sizeof bound) != 0;
    return normd_layer_put(map, key, given ? json_real(bound) : json_null());
}

static json_t *clipping_of(const normd_batch_norm *norm)
{
    json_t *map = json_object();
    bool ok = map != NULL && put_bound(map, "rmax", norm->rmax, INFINITY) &&
              put_bound(map, "rmin", norm->rmin, 0.0) &&
              put_bound(map, "dmax", norm->dmax, INFINITY);
    if (!ok) {
        json_decref(map);
        return NULL;
    }
    return map;
}

static bool put_renorm(json_t *map, const normd_batch_norm *norm, normd_convention convention)
{
    if (!norm->renorm) {
        return normd_layer_put(map, "renorm", json_false());
    }
    bool same = normd_convention_facts_of(convention)->momentum_keeps ==
                normd_convention_facts_of(norm->convention)->momentum_keeps;
    double momentum =
        same ? norm->renorm_momentum : normd_convention_complement(norm->renorm_momentum);
    return normd_layer_put(map, "renorm", json_true()) &&
           normd_layer_put(map, "renorm_clipping", clipping_of(norm)) &&
           normd_layer_put(map, "renorm_momentum", json_real(momentum));
}

bool normd_batch_norm_put_variants(
    json_t *map, const normd_batch_norm *norm, normd_convention convention)
{
    bool ok = normd_layer_put(map, "mask_epsilon", json_real(norm->mask_epsilon)) &&
              put_renorm(map, norm, convention);
    if (norm->virtual_batch == 0) {
        return ok && normd_layer_put(map, "virtual_batch_size", json_null());
    }
    return ok &&
           normd_layer_put(
               map, "virtual_batch_size", json_integer((json_int_t)norm->virtual_batch)) &&
           normd_layer_put(
               map, "virtual_batch_split", json_string(splits[norm->virtual_strided ? 0 : 1]));
}
