// SPDX-License-Identifier: Apache-2.0
#include "lib/session/session_state.h"

json_t *normd_snapshot_describe(const normd_snapshot *snapshot, normd_convention convention)
{
    json_t *map = normd_model_configuration(snapshot->model, convention);
    if (map == NULL) {
        return NULL;
    }
    bool ok = normd_layer_put(map, "version", json_integer((json_int_t)snapshot->version)) &&
              normd_layer_put(map, "steps", json_integer((json_int_t)snapshot->steps)) &&
              normd_layer_put(map, "parameters", normd_model_counts(snapshot->model));
    if (!ok) {
        json_decref(map);
        return NULL;
    }
    return map;
}
