// SPDX-License-Identifier: Apache-2.0
#include "tests/accuracy/dump.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "tests/accuracy/norm.h"

enum { PATH_BYTES = 4096 };

struct accuracy_dump {
    const char *folder;
    json_t *batches;
    json_t *batch; /* the newest, borrowed */
    size_t files;
    bool ok;
};

accuracy_dump *accuracy_dump_create(const char *folder)
{
    if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
        return NULL;
    }
    accuracy_dump *dump = accuracy_allocate(1, sizeof *dump);
    *dump = (accuracy_dump){.folder = folder, .batches = json_array(), .ok = true};
    return dump;
}

static FILE *open_file(accuracy_dump *dump, const char *name)
{
    char path[PATH_BYTES];
    int length = snprintf(path, sizeof path, "%s/%s", dump->folder, name);
    return length < (int)sizeof path ? fopen(path, "wb") : NULL;
}

/* Writes a new file and puts its name into `map`. */
static void write_file(
    accuracy_dump *dump, json_t *map, const char *key, const void *bytes, size_t size)
{
    char name[32];
    snprintf(name, sizeof name, "%05zu.%s", dump->files++, key);
    FILE *file = open_file(dump, name);
    bool ok = file != NULL && fwrite(bytes, 1, size, file) == size;
    ok = file != NULL && fclose(file) == 0 && ok;
    ok = json_object_set_new(map, key, json_string(name)) == 0 && ok;
    dump->ok = dump->ok && ok;
}

static void write_values(accuracy_dump *dump, json_t *map, const char *key,
    const accuracy_batch *batch, const void *values)
{
    write_file(dump, map, key, values, accuracy_values(batch) * normd_dtype_size(batch->dtype));
}

static void write_exact(accuracy_dump *dump, json_t *map, const char *key,
    const accuracy_batch *batch, const quad *exact, const double *bounds)
{
    size_t count = accuracy_values(batch);
    double *parts = accuracy_allocate(3 * count, sizeof *parts);
    for (size_t i = 0; i < count; i++) {
        parts[i] = (double)exact[i];
        parts[count + i] = (double)(exact[i] - (quad)parts[i]);
    }
    memcpy(parts + 2 * count, bounds, count * sizeof *parts);
    write_file(dump, map, key, parts, 3 * count * sizeof *parts);
    free(parts);
}

/* Appends a channel's exact value and bound to map[key]. */
static void put_exact(accuracy_dump *dump, json_t *map, const char *key, quad exact, double bound)
{
    json_t *lists = json_object_get(map, key);
    if (lists == NULL) {
        lists = json_pack("[[], [], []]");
        dump->ok = json_object_set_new(map, key, lists) == 0 && dump->ok;
    }
    double high = (double)exact;
    double parts[] = {high, (double)(exact - (quad)high), bound};
    for (size_t i = 0; i < 3; i++) {
        dump->ok =
            json_array_append_new(json_array_get(lists, i), json_real(parts[i])) == 0 && dump->ok;
    }
}

static json_t *numbers_of(const double *values, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, json_real(values[i]));
    }
    return list;
}

void accuracy_dump_forward(accuracy_dump *dump, const accuracy_case *self)
{
    const accuracy_batch *batch = self->batch;
    json_t *shape = json_array();
    for (uint32_t axis = 0; axis < batch->extents.rank; axis++) {
        json_array_append_new(shape, json_integer((json_int_t)batch->extents.dim[axis]));
    }
    dump->batch = json_pack("{s:s, s:s, s:o, s:b, s:o, s:o, s:[]}", "dtype",
        normd_dtype_title(batch->dtype), "x_set", self->x_set, "shape", shape, "channels_last",
        (int)batch->shape->channels_last, "gamma", numbers_of(batch->gamma, batch->channels),
        "beta", numbers_of(batch->beta, batch->channels), "backward");
    dump->ok = json_array_append_new(dump->batches, dump->batch) == 0 && dump->ok;
    for (size_t c = 0; c < batch->channels; c++) {
        const accuracy_moments *m = &self->reference->moments[c];
        put_exact(dump, dump->batch, "mean", m->mean, self->bounds->mean[c]);
        put_exact(dump, dump->batch, "variance", m->variance, self->bounds->variance[c]);
    }
    write_values(dump, dump->batch, "x", batch, batch->x);
    write_exact(dump, dump->batch, "y", batch, self->reference->y, self->bounds->y);
}

void accuracy_dump_backward(accuracy_dump *dump, const accuracy_case *self)
{
    const accuracy_batch *batch = self->batch;
    json_t *map = json_pack("{s:s}", "dy_set", self->dy_set);
    dump->ok =
        json_array_append_new(json_object_get(dump->batch, "backward"), map) == 0 && dump->ok;
    for (size_t c = 0; c < batch->channels; c++) {
        const accuracy_gradients *g = &self->reference->gradients[c];
        put_exact(dump, map, "dgamma", g->dgamma, self->bounds->dgamma[c]);
        put_exact(dump, map, "dbeta", g->dbeta, self->bounds->dbeta[c]);
    }
    write_values(dump, map, "dy", batch, batch->dy);
    write_exact(dump, map, "dx", batch, self->reference->dx, self->bounds->dx);
}

bool accuracy_dump_finish(accuracy_dump *dump)
{
    json_t *index = json_pack("{s:f, s:o}", "eps", ACCURACY_EPS, "batches", dump->batches);
    FILE *file = open_file(dump, "index.json");
    bool ok =
        dump->ok && index != NULL && file != NULL && json_dumpf(index, file, JSON_COMPACT) == 0;
    ok = file != NULL && fclose(file) == 0 && ok;
    json_decref(index);
    free(dump);
    return ok;
}
