// SPDX-License-Identifier: Apache-2.0
#include "clients/c/client.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const msgpack_object *normd_client_get(const msgpack_object *map, const char *key)
{
    if (map == NULL || map->type != MSGPACK_OBJECT_MAP) {
        return NULL;
    }
    size_t length = strlen(key);
    for (uint32_t k = 0; k < map->via.map.size; k++) {
        const msgpack_object *name = &map->via.map.ptr[k].key;
        if (name->type == MSGPACK_OBJECT_STR && name->via.str.size == length &&
            memcmp(name->via.str.ptr, key, length) == 0) {
            return &map->via.map.ptr[k].val;
        }
    }
    return NULL;
}

/* Any number as a double; false when the object (which may be NULL) is none. */
static bool read_number(const msgpack_object *object, double *value)
{
    if (object == NULL) {
        return false;
    }
    switch (object->type) {
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        *value = (double)object->via.u64;
        return true;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        *value = (double)object->via.i64;
        return true;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        *value = object->via.f64;
        return true;
    default:
        return false;
    }
}

bool normd_client_uint(const msgpack_object *object, uint64_t *value)
{
    if (object == NULL || object->type != MSGPACK_OBJECT_POSITIVE_INTEGER) {
        return false;
    }
    *value = object->via.u64;
    return true;
}

bool normd_client_is_array(const msgpack_object *object)
{
    return normd_client_get(object, "nd") != NULL && normd_client_get(object, "data") != NULL;
}

/* The metrics; those beyond what a score holds, and what is no number, are left out. */
static void read_metrics(const msgpack_object *map, normd_client_score *score)
{
    if (map == NULL || map->type != MSGPACK_OBJECT_MAP) {
        return;
    }
    for (uint32_t i = 0; i < map->via.map.size && score->metrics < NORMD_CLIENT_METRICS; i++) {
        const msgpack_object_kv *pair = &map->via.map.ptr[i];
        normd_client_metric *metric = &score->metric[score->metrics];
        if (pair->key.type == MSGPACK_OBJECT_STR && read_number(&pair->val, &metric->value)) {
            snprintf(metric->name, sizeof metric->name, "%.*s", (int)pair->key.via.str.size,
                pair->key.via.str.ptr);
            score->metrics++;
        }
    }
}

normd_client_status normd_client_read_score(
    normd_client_answer *answer, normd_client_score *score, normd_error *error)
{
    *score = (normd_client_score){.accuracy = NAN};
    if (!read_number(normd_client_get(answer->result, "loss"), &score->loss) ||
        !normd_client_uint(normd_client_get(answer->result, "version"), &score->version)) {
        return client_fail(error, NORMD_CLIENT_FAILED, "the answer holds no loss and version");
    }
    normd_client_uint(normd_client_get(answer->result, "steps"), &score->steps);
    read_number(normd_client_get(answer->result, "accuracy"), &score->accuracy);
    read_metrics(normd_client_get(answer->result, "metrics"), score);
    return NORMD_CLIENT_OK;
}
