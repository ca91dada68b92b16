// SPDX-License-Identifier: Apache-2.0
#include "clients/c/client.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/methods.h"

/* Whether a method changes a session or the set of sessions. */
static bool is_mutation(const char *name)
{
    const normd_method *method = normd_method_find(name, strlen(name));
    return method != NULL && method->mutates;
}

/* Lays method, head and splices one behind the other into `owned`. */
static void copy_fields(client_request *request, const client_fields *from)
{
    size_t method_size = strlen(from->method) + 1;
    memcpy(request->owned, from->method, method_size);
    char *to = request->owned + method_size;
    const char *head = to;
    size_t done = 0;
    for (size_t k = 0; k < from->splices; k++) {
        const client_splice *part = &from->splice[k];
        memcpy(to, from->head + done, part->at - done);
        to += part->at - done;
        memcpy(to, part->data, part->size);
        to += part->size;
        done = part->at;
    }
    if (from->head_size > done) {
        memcpy(to, from->head + done, from->head_size - done);
        to += from->head_size - done;
    }
    request->fields = (client_fields){.method = request->owned,
        .count = from->count,
        .head = head,
        .head_size = (size_t)(to - head)};
}

client_request *client_request_create(const client_fields *fields, bool copy)
{
    size_t size = sizeof(client_request);
    if (copy) {
        size += strlen(fields->method) + 1 + fields->head_size;
        for (size_t k = 0; k < fields->splices; k++) {
            size += fields->splice[k].size;
        }
    }
    client_request *request = malloc(size);
    if (request == NULL) {
        return NULL;
    }
    *request = (client_request){.fields = *fields, .mutation = is_mutation(fields->method)};
    if (copy) {
        copy_fields(request, fields);
    }
    return request;
}

void client_request_free(normd_client *client, client_request *request)
{
    if (request == client->sending) {
        client->sending_ended = true;
    } else {
        free(request);
    }
}

void client_queue_put(client_queue *queue, client_request *request)
{
    client_request **link = &queue->first;
    if (queue->last != NULL && queue->last->order < request->order) {
        link = &queue->last->next;
    }
    while (*link != NULL && (*link)->order < request->order) {
        link = &(*link)->next;
    }
    request->next = *link;
    *link = request;
    queue->count++;
    if (request->next == NULL) {
        queue->last = request;
    }
}

void client_queue_take(client_queue *queue, client_request *request)
{
    client_request *before = NULL;
    client_request **link = &queue->first;
    while (*link != request) {
        before = *link;
        link = &before->next;
    }
    *link = request->next;
    queue->count--;
    if (queue->last == request) {
        queue->last = before;
    }
    request->next = NULL;
}

client_request *client_queue_find(const client_queue *queue, uint32_t id)
{
    client_request *request = queue->first;
    while (request != NULL && (uint32_t)request->order != id) {
        request = request->next;
    }
    return request;
}

void client_queue_free(normd_client *client, client_queue *queue)
{
    while (queue->first != NULL) {
        client_request *request = queue->first;
        client_queue_take(queue, request);
        client_request_free(client, request);
    }
}
