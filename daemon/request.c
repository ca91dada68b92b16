// SPDX-License-Identifier: Apache-2.0
#include "daemon/request.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/handler.h"
#include "daemon/server.h"
#include "protocol/writer.h"

enum {
    POOL_KEEPS = 4096,
    HEAD_FIRST_BYTES = 2048, /* holds every error answer */
    HEAD_KEPT_BYTES = 32 * 1024,
};
_Static_assert(HEAD_FIRST_BYTES >= NORMD_ERROR_MESSAGE_BYTES + 64, "an error always fits");

static normd_request *request_allocate(void)
{
    normd_request *request = calloc(1, sizeof *request);
    if (request == NULL) {
        return NULL;
    }
    msgpack_sbuffer_init(&request->head);
    request->head.data = malloc(HEAD_FIRST_BYTES);
    if (request->head.data == NULL) {
        free(request);
        return NULL;
    }
    request->head.alloc = HEAD_FIRST_BYTES;
    return request;
}

static void request_deallocate(normd_request *request)
{
    msgpack_sbuffer_destroy(&request->head);
    free(request);
}

void normd_request_pool_clear(normd_request_pool *pool)
{
    while (pool->free != NULL) {
        normd_request *request = pool->free;
        pool->free = request->next;
        request_deallocate(request);
    }
    pool->count = 0;
}

normd_request *normd_request_take(normd_server *server)
{
    normd_request_pool *pool = &server->requests;
    normd_request *request = pool->free;
    if (request != NULL) {
        pool->free = request->next;
        pool->count--;
    } else {
        request = request_allocate();
        if (request == NULL) {
            return NULL;
        }
    }
    request->next = NULL;
    request->server = server;
    return request;
}

static void arguments_release(normd_arguments *arguments)
{
    normd_buffer_release(arguments->x.buffer);
    normd_buffer_release(arguments->target.buffer);
    normd_buffer_release(arguments->sample_weight.buffer);
    normd_buffer_release(arguments->dy.buffer);
    normd_buffer_release(arguments->mask.buffer);
    normd_buffer_release(arguments->file);
    json_decref(arguments->configuration);
    normd_tree_arrays_clear(&arguments->arrays);
    free(arguments->layer);
    free(arguments->name);
}

void normd_request_free(normd_request *request)
{
    normd_server *server = request->server;
    arguments_release(&request->arguments);
    normd_buffer_release(request->payload);
    if (request->snapshot != NULL) {
        normd_snapshot_release(request->snapshot);
    }
    normd_session_destroy(request->made);
    normd_mutation_clear(&request->mutation);
    normd_once_clear(request);
    if (request->entry != NULL) {
        normd_session_map_release(&server->sessions, request->entry);
    }
    normd_memory_discharge(&server->memory, request->charged);

    normd_request_pool *pool = &server->requests;
    if (pool->count >= POOL_KEEPS || request->head.alloc > HEAD_KEPT_BYTES) {
        request_deallocate(request);
        return;
    }
    msgpack_sbuffer head = request->head;
    head.size = 0;
    *request = (normd_request){.next = pool->free, .head = head};
    pool->free = request;
    pool->count++;
}

static void release_block(normd_out_block *block)
{
    normd_request_free((normd_request *)((char *)block - offsetof(normd_request, block)));
}

/* Of a request that is done only the answer is left. */
static void keep_answer(normd_request *request)
{
    arguments_release(&request->arguments);
    request->arguments = (normd_arguments){.configuration = NULL};
    normd_mutation_clear(&request->mutation);
    size_t left = request->head.size + request->payload_bytes;
    normd_memory_change(&request->server->memory, request->charged, left);
    request->charged = left;
}

void normd_request_put(normd_request *request, normd_out_queue *queue)
{
    keep_answer(request);
    request->block = (normd_out_block){
        .part[0] = {.base = request->head.data, .len = request->head.size},
        .release = release_block,
    };
    if (request->payload != NULL) {
        request->block.part[1] =
            (uv_buf_t){.base = request->payload->data, .len = request->payload_bytes};
    }
    normd_out_queue_put(queue, &request->block);
}

normd_status normd_request_charge(normd_request *request, size_t size, normd_error *error)
{
    normd_memory *memory = &request->server->memory;
    if (!normd_memory_charge(memory, size)) {
        return normd_error_set(error, NORMD_BUSY,
            "requests in flight and their answers may hold %llu bytes, and hold %llu",
            (unsigned long long)memory->limit, (unsigned long long)memory->used);
    }
    request->charged += size;
    return NORMD_OK;
}

/* Of a number in a list: the value, its place in the list, and what the allocator adds. */
enum { NODE_BYTES = 64 };

normd_status normd_request_charge_tree(
    normd_request *request, const normd_message *message, normd_error *error)
{
    size_t nodes = message->head_size;
    if (nodes > message->limits->elements) {
        nodes = message->limits->elements;
    }
    return normd_request_charge(request, message->head_size + nodes * NODE_BYTES, error);
}

normd_status normd_request_promise(normd_request *request, normd_error *error)
{
    if (request->handler->answer_bytes == NULL) {
        return NORMD_OK;
    }
    normd_status status = NORMD_OK;
    if (request->entry->session == NULL) {
        /* The session is being made, so nobody knows: the connection waits. */
        request->promised = NORMD_CONNECTION_BYTES_HIGH;
    } else {
        size_t bytes = request->handler->answer_bytes(request);
        status = normd_limit_check((size_t)request->server->memory.limit,
            normd_bytes_add(request->charged, bytes),
            "expected a request that takes, with its answer,", "", error);
        if (status == NORMD_OK) {
            status = normd_request_charge(request, bytes, error);
        }
        request->promised = status == NORMD_OK ? bytes : 0;
    }
    request->connection->promised += request->promised;
    return status;
}

void normd_request_run(normd_request *request)
{
    normd_error error; /* set by what fails */
    normd_status status = request->handler->run(request, &error);
    if (status == NORMD_OK && request->head_cut) {
        normd_error_no_memory(&error);
        status = error.status;
    }
    if (status != NORMD_OK) {
        normd_request_fail(request, &error);
    }
}

static int head_write(void *data, const char *bytes, size_t size)
{
    normd_request *request = data;
    if (msgpack_sbuffer_write(&request->head, bytes, size) != 0) {
        request->head_cut = true;
        return -1;
    }
    return 0;
}

void normd_request_fail(normd_request *request, const normd_error *error)
{
    request->status = error->status;
    request->head.size = 0;
    normd_buffer_release(request->payload);
    request->payload = NULL;
    request->payload_bytes = 0;
    msgpack_packer packer;
    msgpack_packer_init(&packer, request, head_write);
    normd_write_error(&packer, request->id, error);
}

msgpack_packer normd_request_answer_value(normd_request *request)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, request, head_write);
    normd_write_result(&packer, request->id);
    request->result_offset = request->head.size;
    return packer;
}

msgpack_packer normd_request_answer(normd_request *request, uint32_t fields)
{
    msgpack_packer packer = normd_request_answer_value(request);
    msgpack_pack_map(&packer, fields);
    return packer;
}
