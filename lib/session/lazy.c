// SPDX-License-Identifier: Apache-2.0
#include "lib/session/description.h"
#include "lib/session/session_state.h"

/* Extents of x without the batch axis, as the configuration's `input` has them; or NULL. */
static json_t *input_of(const normd_shape *x)
{
    json_t *input = json_array();
    for (uint32_t axis = 1; axis < x->rank && input != NULL; axis++) {
        if (json_array_append_new(input, json_integer((json_int_t)x->dim[axis])) != 0) {
            json_decref(input);
            return NULL;
        }
    }
    return input;
}

/* A model is created from its own description, and x in the place of its input tells the rest. */
static normd_status create_known(const normd_engine *engine, const normd_model *lazy,
    const json_t *configuration, normd_model **model, normd_error *error)
{
    json_t *stripped = normd_description_strip_arrays(configuration);
    if (stripped == NULL) {
        return normd_error_no_memory(error);
    }
    size_t index;
    json_t *layer;
    json_array_foreach(json_object_get(stripped, "layers"), index, layer)
    {
        json_object_del(layer, "lazy"); /* no longer, once x tells */
    }
    normd_status status = normd_model_create(
        &lazy->compute, engine->kernels, &engine->limits, stripped, NULL, model, error);
    if (status == NORMD_OK) {
        normd_description_restore_arrays(*model, configuration);
    }
    json_decref(stripped);
    return status;
}

/* The configuration was found good without x: so x is at fault. */
static normd_status blame_shape(const normd_shape *x, normd_error *error)
{
    char got[NORMD_SHAPE_TEXT_BYTES];
    error->status = NORMD_BAD_SHAPE;
    return normd_error_prefix(error, "x: expected a shape that the layers take, got %s; ",
        normd_shape_format(x, got, sizeof got));
}

normd_status normd_session_known_model(const normd_engine *engine, const normd_model *lazy,
    const normd_shape *x, normd_model **model, normd_error *error)
{
    *model = NULL;
    if (x->rank < 2) {
        char got[NORMD_SHAPE_TEXT_BYTES];
        return normd_error_set(error, NORMD_BAD_SHAPE, "x: expected 2 axes or more, got %s",
            normd_shape_format(x, got, sizeof got));
    }
    json_t *configuration = normd_model_configuration(lazy, lazy->convention);
    bool ok = configuration != NULL && normd_layer_put(configuration, "input", input_of(x));
    normd_error reason = {.status = NORMD_OK};
    normd_status status = ok ? create_known(engine, lazy, configuration, model, &reason)
                             : normd_error_no_memory(&reason);
    json_decref(configuration);
    if (status != NORMD_OK) {
        *error = reason;
    }
    return status == NORMD_BAD_ARGUMENT ? blame_shape(x, error) : status;
}

/* The configuration of a known model with `input` as the user gave it. */
static json_t *known_configuration(const normd_model *lazy, const normd_model *known)
{
    json_t *of_lazy = normd_model_configuration(lazy, lazy->convention);
    json_t *configuration = normd_model_configuration(known, known->convention);
    json_t *input = json_deep_copy(json_object_get(of_lazy, "input"));
    if (configuration == NULL || !normd_layer_put(configuration, "input", input)) {
        json_decref(configuration);
        configuration = NULL;
    }
    json_decref(of_lazy);
    return configuration;
}

normd_status normd_session_materialize(const normd_session *session, const normd_shape *x,
    bool publishes, normd_session **made, normd_error *error)
{
    *made = NULL;
    normd_model *known;
    normd_status status =
        normd_session_known_model(session->engine, session->model, x, &known, error);
    if (status != NORMD_OK) {
        return status;
    }
    json_t *configuration = known_configuration(session->model, known);
    uint64_t version = session->current->version + (publishes ? 0 : 1);
    status = configuration == NULL
                 ? normd_error_no_memory(error)
                 : normd_session_remake(session, configuration, version, made, error);
    json_decref(configuration);
    normd_model_release(known);
    return status;
}
