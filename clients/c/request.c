// SPDX-License-Identifier: Apache-2.0
#include "clients/c/client.h"

void normd_client_begin(normd_client *client, const char *method, uint32_t fields)
{
    msgpack_sbuffer_clear(&client->head.bytes);
    client->head.failed = false;
    client->begun = (client_fields){.method = method, .count = fields, .splice = client->splice};
}

msgpack_packer *normd_client_put(normd_client *client, const char *key)
{
    normd_write_str(&client->packer, key);
    return &client->packer;
}

void normd_client_put_string(normd_client *client, const char *key, const char *text)
{
    normd_write_str(normd_client_put(client, key), text);
}

void normd_client_put_uint(normd_client *client, const char *key, uint64_t value)
{
    msgpack_pack_uint64(normd_client_put(client, key), value);
}

void normd_client_put_bool(normd_client *client, const char *key, bool value)
{
    msgpack_packer *packer = normd_client_put(client, key);
    if (value) {
        msgpack_pack_true(packer);
    } else {
        msgpack_pack_false(packer);
    }
}

/* Whether bytes of this size are worth a splice and one is free. */
static bool can_splice(const normd_client *client, size_t size)
{
    return size >= CLIENT_SPLICE_BYTES && client->begun.splices < CLIENT_MAX_SPLICES;
}

static void splice(normd_client *client, const void *data, size_t size)
{
    client->splice[client->begun.splices++] =
        (client_splice){.at = client->head.bytes.size, .data = data, .size = size};
}

void normd_client_put_array(normd_client *client, const char *key, const normd_array *array)
{
    msgpack_packer *packer = normd_client_put(client, key);
    size_t size = normd_array_bytes(array);
    if (can_splice(client, size)) {
        normd_write_array_header(packer, array, NORMD_KEYS_STR);
        splice(client, array->data, size);
    } else {
        normd_write_array(packer, array, NORMD_KEYS_STR);
    }
}

void normd_client_put_bytes(normd_client *client, const char *key, const void *data, size_t size)
{
    msgpack_packer *packer = normd_client_put(client, key);
    if (can_splice(client, size)) {
        msgpack_pack_bin(packer, size);
        splice(client, data, size);
    } else {
        normd_write_bin(packer, data, size);
    }
}
