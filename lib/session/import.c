// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "lib/exchange/npz.h"
#include "lib/exchange/safetensors.h"
#include "lib/session/description.h"
#include "lib/session/load.h"
#include "lib/session/tensor_names.h"

const char *normd_format_name(normd_exchange_format format)
{
    return format == NORMD_FORMAT_NPZ ? "npz" : "safetensors";
}

normd_exchange_format normd_format_detect(const void *file, size_t size)
{
    return normd_npz_detect(file, size) ? NORMD_FORMAT_NPZ : NORMD_FORMAT_SAFETENSORS;
}

static normd_status load_file(
    normd_session *session, const void *file, size_t size, normd_change *change, normd_error *error)
{
    normd_status status;
    if (normd_format_detect(file, size) == NORMD_FORMAT_NPZ) {
        normd_npz *npz = NULL;
        status = normd_npz_open(file, size, &npz, error);
        if (status == NORMD_OK) {
            status = normd_session_load_npz(session, npz, change, error);
        }
        normd_npz_close(npz);
        return status;
    }
    normd_safetensors *tensors = NULL;
    status = normd_safetensors_open(file, size, &tensors, error);
    if (status == NORMD_OK) {
        status = normd_session_load(session, tensors, change, error);
    }
    normd_safetensors_close(tensors);
    return status;
}

normd_status normd_session_import(
    normd_session *session, const void *file, size_t size, uint64_t *version, normd_error *error)
{
    normd_change change = {.version = session->current->version + 1, .drops_accumulated = true};
    normd_status status = load_file(session, file, size, &change, error);
    if (status == NORMD_OK) {
        status = normd_session_publish(session, &change, error);
    }
    if (status == NORMD_OK) {
        normd_context_drop_all(session);
    }
    *version = session->current->version;
    return status;
}

static normd_status read_configuration(
    const normd_safetensors *tensors, json_t **configuration, normd_error *error)
{
    const char *text = normd_safetensors_metadata(tensors, NORMD_METADATA_CONFIGURATION);
    json_error_t reason;
    *configuration = text == NULL ? NULL : json_loads(text, JSON_REJECT_DUPLICATES, &reason);
    if (text == NULL) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "data: expected a file that normd exported, with its configuration; got weights alone");
    }
    if (*configuration == NULL) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "data: expected a configuration in JSON, got an error in line %d: %s", reason.line,
            reason.text);
    }
    if (!json_is_object(*configuration)) {
        char got[NORMD_OPTIONS_SHOW_BYTES];
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "data: expected a configuration that is a map, got %s",
            normd_options_show(*configuration, got, sizeof got));
    }
    return NORMD_OK;
}

static normd_status create_and_load(const normd_engine *engine, const normd_safetensors *tensors,
    const json_t *configuration, normd_session **session, normd_error *error)
{
    json_t *stripped = normd_description_strip_arrays(configuration);
    if (stripped == NULL) {
        return normd_error_no_memory(error);
    }
    normd_change change = {.version = 0};
    normd_status status = normd_session_create(engine, stripped, NULL, session, error);
    json_decref(stripped);
    uint64_t digest = 0;
    if (status == NORMD_OK) {
        status = normd_load_number(
            tensors, NORMD_METADATA_VERSION, NORMD_MAX_COUNT, &change.version, error);
    }
    if (status == NORMD_OK) {
        status = normd_load_number(tensors, NORMD_METADATA_DIGEST, UINT64_MAX, &digest, error);
    }
    if (status == NORMD_OK) {
        status = normd_session_load(*session, tensors, &change, error);
    }
    if (status == NORMD_OK) {
        const char *created = normd_safetensors_metadata(tensors, NORMD_METADATA_CREATED);
        (*session)->model->created = created == NULL ? NULL : strdup(created);
        normd_description_restore_arrays((*session)->model, configuration);
        (*session)->digest = digest;
        status = normd_session_publish(*session, &change, error);
    }
    return status;
}

normd_status normd_session_create_from(const normd_engine *engine, const void *file, size_t size,
    normd_session **session, normd_error *error)
{
    *session = NULL;
    normd_safetensors *tensors = NULL;
    json_t *configuration = NULL;
    if (normd_format_detect(file, size) == NORMD_FORMAT_NPZ) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "session: expected one that is there, since an npz holds weights alone; create it "
            "first");
    }
    normd_status status = normd_safetensors_open(file, size, &tensors, error);
    if (status == NORMD_OK) {
        status = read_configuration(tensors, &configuration, error);
    }
    if (status == NORMD_OK) {
        status = create_and_load(engine, tensors, configuration, session, error);
    }
    if (status != NORMD_OK) {
        normd_session_destroy(*session);
        *session = NULL;
    }
    json_decref(configuration);
    normd_safetensors_close(tensors);
    return status;
}
