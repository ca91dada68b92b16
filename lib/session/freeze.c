// SPDX-License-Identifier: Apache-2.0
#include "lib/session/statistics_layers.h"

/* Changes the description of one layer. */
static bool set(json_t *layer, const normd_freezing *freezing)
{
    bool ok = true;
    if (freezing->parameters) {
        ok = normd_layer_put(layer, "trainable", json_boolean(!freezing->frozen));
    }
    if (ok && (!freezing->parameters || !freezing->frozen)) {
        ok = normd_layer_put(layer, "frozen_stats", json_boolean(freezing->frozen));
    }
    return ok;
}

normd_status normd_session_freeze(
    normd_session *session, const normd_freezing *freezing, uint64_t *version, normd_error *error)
{
    const normd_model *model = session->model;
    *version = session->current->version;
    normd_status status =
        normd_statistics_check(model, freezing->layer, !freezing->parameters, error);
    if (status != NORMD_OK) {
        return status;
    }
    json_t *configuration = normd_session_configuration(session);
    const json_t *layers = json_object_get(configuration, "layers");
    bool ok = configuration != NULL;
    for (size_t i = 0; i < model->layers && ok; i++) {
        bool tracks =
            normd_statistics_norm(model, i) != NULL && normd_statistics_norm(model, i)->track;
        if (normd_statistics_asked(model, i, freezing->layer) && (tracks || freezing->parameters)) {
            ok = set(json_array_get(layers, i), freezing);
        }
    }
    status = ok ? normd_session_reconfigure(session, configuration, version, error)
                : normd_error_no_memory(error);
    json_decref(configuration);
    return status;
}
