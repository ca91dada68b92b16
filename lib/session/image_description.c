// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/session/hash.h"
#include "lib/session/image_state.h"

enum { HEX_BYTES = 17 };

static const char *hex(uint64_t value, char text[HEX_BYTES])
{
    snprintf(text, HEX_BYTES, "%016" PRIx64, value);
    return text;
}

/* ---- The layout ---- */

static uint64_t hash_number(uint64_t hash, uint64_t number)
{
    return normd_hash_bytes(hash, &number, sizeof number);
}

/* With the zero at its end, so that "a", "bc" is not "ab", "c". */
static uint64_t hash_name(uint64_t hash, const char *name)
{
    return normd_hash_bytes(hash, name, strlen(name) + 1);
}

static uint64_t hash_tensor(uint64_t hash, const normd_layer_tensor *tensor)
{
    hash = hash_name(hash, tensor->name);
    hash = hash_number(hash, (uint64_t)tensor->slab);
    hash = hash_number(hash, (uint64_t)tensor->dtype);
    hash = hash_number(hash, tensor->shape.rank);
    for (uint32_t axis = 0; axis < tensor->shape.rank; axis++) {
        hash = hash_number(hash, tensor->shape.dim[axis]);
    }
    hash = hash_number(hash, tensor->elements);
    return hash_number(hash, tensor->offset);
}

uint64_t normd_image_layout(const normd_model *model)
{
    uint64_t hash = NORMD_HASH_BEGIN;
    hash = hash_number(hash, (uint64_t)model->compute.dtype);
    for (size_t i = 0; i < model->layers; i++) {
        const normd_layer *layer = model->layer[i];
        hash = hash_name(hash, layer->name);
        hash = hash_name(hash, layer->operations->type);
        for (size_t t = 0; t < layer->tensors; t++) {
            hash = hash_tensor(hash, &layer->tensor[t]);
        }
    }
    for (size_t s = 0; s < model->slots; s++) {
        hash = hash_name(hash, normd_optimizer_slot(model->optimizer, s)->name);
    }
    for (size_t s = 0; s < model->scalars; s++) {
        hash = hash_tensor(hash, &model->scalar[s]);
    }
    hash = hash_number(hash, model->parameter_bytes);
    hash = hash_number(hash, model->statistic_bytes);
    return hash_number(hash, model->slot_bytes);
}

/* ---- Writing and reading ---- */

char *normd_image_describe(const normd_model *model, uint64_t digest)
{
    char text[HEX_BYTES];
    json_t *root = json_object();
    json_t *configuration = normd_model_configuration(model, model->convention);
    bool ok =
        normd_layer_put(root, "configuration", configuration) &&
        normd_layer_put(root, "digest", json_string(hex(digest, text))) &&
        normd_layer_put(root, "layout", json_string(hex(normd_image_layout(model), text))) &&
        (model->created == NULL || normd_layer_put(root, "created", json_string(model->created)));
    char *description = ok ? json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(root);
    return description;
}

static normd_status read_hex(
    const json_t *root, const char *key, uint64_t *value, normd_error *error)
{
    const char *text = json_string_value(json_object_get(root, key));
    size_t digits = text == NULL ? 0 : strspn(text, "0123456789abcdef");
    if (digits != HEX_BYTES - 1 || text[digits] != '\0') {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "description.%s: expected 16 hexadecimal digits, got %.40s", key,
            text != NULL ? text : "nothing");
    }
    *value = strtoull(text, NULL, 16);
    return NORMD_OK;
}

normd_status normd_image_read(const char *text, normd_image_words *words, normd_error *error)
{
    json_error_t reason;
    *words = (normd_image_words){.root = json_loads(text, JSON_REJECT_DUPLICATES, &reason)};
    if (words->root == NULL) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "description: expected JSON, got an error in line %d: %s", reason.line, reason.text);
    }
    words->configuration = json_object_get(words->root, "configuration");
    const json_t *created = json_object_get(words->root, "created");
    words->created = json_string_value(created);
    normd_status status = NORMD_OK;
    if (!json_is_object(words->configuration)) {
        status = normd_error_set(error, NORMD_BAD_ARGUMENT,
            "description.configuration: expected a map, got %s",
            words->configuration == NULL ? "nothing" : "something else");
    } else if (created != NULL && words->created == NULL) {
        status = normd_error_set(
            error, NORMD_BAD_ARGUMENT, "description.created: expected text, got something else");
    }
    if (status == NORMD_OK) {
        status = read_hex(words->root, "digest", &words->digest, error);
    }
    if (status == NORMD_OK) {
        status = read_hex(words->root, "layout", &words->layout, error);
    }
    if (status != NORMD_OK) {
        json_decref(words->root);
        *words = (normd_image_words){.root = NULL};
    }
    return status;
}
