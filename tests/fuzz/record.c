// SPDX-License-Identifier: Apache-2.0
/* A record of the journal. Whatever the bytes, reading stays within them; all that is told can be
   read to its end, and comes in an order that a recovery can work with. */
#include <string.h>

#include "daemon/durable/record.h"
#include "tests/fuzz/fuzz.h"

typedef struct told {
    size_t heads, items;
    unsigned sum;
} told;

static void touch(told *to, const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        to->sum = to->sum * 31 + ((const uint8_t *)data)[i];
    }
    to->items++;
    FUZZ_REQUIRE(to->heads == 1);
}

static normd_status head(void *context, const normd_record_head *head, normd_error *error)
{
    told *to = context;
    (void)error;
    to->heads++;
    FUZZ_REQUIRE(to->items == 0);
    FUZZ_REQUIRE(head->kind >= NORMD_RECORD_STATE && head->kind < NORMD_RECORD_KINDS);
    return NORMD_OK;
}

static normd_status made(void *context, const normd_record_made *made, normd_error *error)
{
    (void)error;
    touch(context, made->name, made->name_length);
    return NORMD_OK;
}

static normd_status once(void *context, const normd_record_once *once, normd_error *error)
{
    (void)error;
    touch(context, once->client, once->client_length);
    touch(context, once->answer.result, once->answer.result_size);
    return NORMD_OK;
}

static normd_status description(void *context, const char *text, size_t length, normd_error *error)
{
    (void)error;
    touch(context, text, length);
    return NORMD_OK;
}

static normd_status sizes(void *context, const uint64_t size[NORMD_IMAGE_PARTS], normd_error *error)
{
    (void)error;
    touch(context, size, NORMD_IMAGE_PARTS * sizeof *size);
    return NORMD_OK;
}

static normd_status chunk(void *context, const normd_record_chunk *chunk, normd_error *error)
{
    (void)error;
    FUZZ_REQUIRE((unsigned)chunk->part < NORMD_IMAGE_PARTS);
    FUZZ_REQUIRE(chunk->bytes.size <= NORMD_STATE_CHUNK_BYTES);
    touch(context, chunk->bytes.data, chunk->bytes.size);
    return NORMD_OK;
}

static normd_status request(void *context, const normd_record_request *request, normd_error *error)
{
    (void)error;
    touch(context, NULL, 0);
    for (int i = 0; i < NORMD_RECORD_FIELDS; i++) {
        const normd_array *array = &request->array[i];
        if (array->data != NULL) {
            touch(context, array->data, normd_array_bytes(array));
        }
    }
    return NORMD_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    told to = {.heads = 0};
    const normd_record_visitor visitor = {.context = &to,
        .head = head,
        .made = made,
        .once = once,
        .description = description,
        .sizes = sizes,
        .chunk = chunk,
        .request = request};
    normd_error error = {.status = NORMD_OK};
    normd_store_bytes record = {.data = data, .size = size};
    normd_status status = normd_record_read(record, &visitor, &error);
    FUZZ_REQUIRE(status == NORMD_OK || status == NORMD_STORE_FAILED);
    FUZZ_REQUIRE(status == error.status && (status != NORMD_OK || to.heads == 1));
    const normd_record_visitor nothing = {.context = NULL};
    FUZZ_REQUIRE(normd_record_read(record, &nothing, &error) == status);
    return 0;
}
