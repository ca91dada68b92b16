// SPDX-License-Identifier: Apache-2.0
#include "lib/session/session_state.h"

/* What the next step is made with; its momentum where a schedule moves it. */
static json_t *describe_rates(const normd_snapshot *snapshot)
{
    const normd_optimizer *optimizer = snapshot->model->optimizer;
    const double *scalars = normd_model_scalars(snapshot->model, normd_slab_data(snapshot->slots));
    static const struct {
        const char *name;
        normd_parameter_role role;
    } rows[] = {
        {"lr", NORMD_ROLE_WEIGHT},
        {"weight_lr", NORMD_ROLE_NORM_WEIGHT},
        {"bias_lr", NORMD_ROLE_NORM_BIAS},
    };
    uint64_t step = snapshot->steps + 1;
    json_t *rates = json_object();
    bool ok = rates != NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && ok; i++) {
        double rate = normd_optimizer_rate(optimizer, rows[i].role, step, scalars);
        ok = normd_layer_put(rates, rows[i].name, json_real(rate));
    }
    double momentum;
    if (ok && normd_optimizer_momentum(optimizer, step, &momentum)) {
        ok = normd_layer_put(rates, "momentum", json_real(momentum));
    }
    if (!ok) {
        json_decref(rates);
        return NULL;
    }
    return rates;
}

json_t *normd_snapshot_describe(const normd_snapshot *snapshot, normd_convention convention)
{
    json_t *map = normd_model_configuration(snapshot->model, convention);
    if (map == NULL) {
        return NULL;
    }
    bool ok = normd_layer_put(map, "version", json_integer((json_int_t)snapshot->version)) &&
              normd_layer_put(map, "steps", json_integer((json_int_t)snapshot->steps)) &&
              normd_layer_put(map, "rates", describe_rates(snapshot)) &&
              normd_layer_put(map, "parameters", normd_model_counts(snapshot->model));
    if (!ok) {
        json_decref(map);
        return NULL;
    }
    return map;
}
