// SPDX-License-Identifier: Apache-2.0
#include "lib/losses/loss.h"

#include "lib/memory/limits.h"
#include "lib/options/options.h"
#include "lib/tensor/convert.h"

/* Every kind of loss, once. */
static const normd_loss *const loss_table[] = {
    &normd_cross_entropy,
    &normd_mse,
};

enum { LOSS_KINDS = sizeof loss_table / sizeof *loss_table };

normd_status normd_loss_create(const json_t *option, const normd_loss **loss, normd_error *error)
{
    *loss = NULL;
    if (option == NULL || json_is_null(option)) {
        return NORMD_OK;
    }
    const char *words[LOSS_KINDS + 1] = {NULL};
    for (size_t i = 0; i < LOSS_KINDS; i++) {
        words[i] = loss_table[i]->type;
    }
    bool named = json_is_string(option);
    json_t *map = named ? json_pack("{s:O}", "loss", option) : NULL;
    if (named && map == NULL) {
        return normd_error_no_memory(error);
    }
    normd_options options;
    normd_options_begin(&options, named ? map : option, NULL, "%s", named ? "" : "loss");
    const char *key = named ? "loss" : "type";
    if (options.error.status == NORMD_OK && !normd_options_has(&options, key)) {
        normd_options_fail(&options, key, "expected the kind of loss, got nothing");
    }
    int kind = normd_options_word(&options, key, words, 0);
    normd_status status = normd_options_finish(&options, error);
    if (status == NORMD_OK) {
        *loss = loss_table[kind];
    }
    json_decref(map);
    return status;
}

size_t normd_loss_bytes(const normd_compute *compute, const normd_shape *y)
{
    /* A label is 8 bytes, and a tile of 64 rows has 16. */
    enum { ROW_BYTES = 16 };
    size_t target = normd_array_bytes(&(normd_array){.dtype = compute->dtype, .shape = *y});
    size_t rows = y->rank > 0 ? y->dim[0] : 1;
    return normd_bytes_add(target, ROW_BYTES * (rows + 1));
}

json_t *normd_loss_describe(const normd_loss *loss)
{
    return loss == NULL ? json_null() : json_pack("{s:s}", "type", loss->type);
}

const void *normd_loss_target_values(
    const normd_loss_pass *pass, normd_buffer **buffer, normd_error *error)
{
    const normd_array *target = pass->target;
    size_t size = normd_dtype_size(pass->compute->dtype);
    *buffer = NULL;
    if (target->dtype == pass->compute->dtype && (uintptr_t)target->data % size == 0) {
        return target->data;
    }
    size_t count = normd_array_elements(target);
    *buffer = normd_buffer_take(pass->compute->buffers, count * size);
    if (*buffer == NULL) {
        normd_error_no_memory(error);
        return NULL;
    }
    normd_convert_values(target->dtype, target->data, pass->compute->dtype, (*buffer)->data, count);
    return (*buffer)->data;
}
