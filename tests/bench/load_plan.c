// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/load_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
    const uint8_t *at;
    size_t left;
    bool bad;
} reader;

static size_t take_number(reader *in)
{
    if (in->left < 4) {
        in->bad = true;
        return 0;
    }
    size_t value = 0;
    for (unsigned k = 0; k < 4; k++) {
        value |= (size_t)in->at[k] << (8 * k);
    }
    in->at += 4;
    in->left -= 4;
    return value;
}

static normd_load_text take_text(reader *in)
{
    size_t size = take_number(in);
    if (size > in->left) {
        in->bad = true;
        size = 0;
    }
    normd_load_text text = {.bytes = in->at, .size = size};
    in->at += size;
    in->left -= size;
    return text;
}

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rbe");
    uint8_t *bytes = NULL;
    long length = -1;
    if (file != NULL && fseek(file, 0, SEEK_END) == 0) {
        length = ftell(file);
    }
    if (length > 0) {
        rewind(file);
        *size = (size_t)length;
        bytes = malloc(*size);
    }
    if (bytes != NULL && fread(bytes, 1, *size, file) != *size) {
        free(bytes);
        bytes = NULL;
    }
    if (file != NULL) {
        fclose(file);
    }
    return bytes;
}

bool normd_load_plan_read(const char *path, normd_load_plan *plan)
{
    *plan = (normd_load_plan){.redis = false};
    reader in = {.left = 0};
    plan->file = read_file(path, &in.left);
    if (plan->file == NULL) {
        return false;
    }
    in.at = plan->file;
    plan->redis = take_number(&in) == 1;
    plan->phases = take_number(&in);
    plan->targets = take_number(&in);
    plan->name = take_text(&in);
    if (in.bad || plan->phases < 1 || plan->phases > NORMD_LOAD_PHASES || plan->targets < 1) {
        return false;
    }
    for (size_t k = 0; k < plan->phases; k++) {
        plan->tail[k] = take_text(&in);
    }
    plan->heads = calloc(plan->targets, plan->phases * sizeof *plan->heads);
    for (size_t k = 0; plan->heads != NULL && k < plan->targets * plan->phases; k++) {
        plan->heads[k] = take_text(&in);
    }
    return plan->heads != NULL && !in.bad;
}

void normd_load_plan_free(normd_load_plan *plan)
{
    free(plan->heads);
    free(plan->file);
}
