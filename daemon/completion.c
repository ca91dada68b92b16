// SPDX-License-Identifier: Apache-2.0
#include "daemon/completion.h"

#include "daemon/request.h"

static void on_wake(uv_async_t *async)
{
    normd_completion *completion = async->data;
    normd_request *newest = atomic_exchange(&completion->newest, NULL);
    normd_request *first = NULL;
    while (newest != NULL) {
        normd_request *older = newest->next;
        newest->next = first;
        first = newest;
        newest = older;
    }
    if (first != NULL) {
        completion->deliver(completion->context, first);
    }
}

int normd_completion_open(normd_completion *completion, uv_loop_t *loop,
    void (*deliver)(void *context, struct normd_request *first), void *context)
{
    atomic_init(&completion->newest, NULL);
    completion->deliver = deliver;
    completion->context = context;
    completion->async.data = completion;
    return uv_async_init(loop, &completion->async, on_wake);
}

void normd_completion_push(normd_completion *completion, normd_request *request)
{
    normd_request *newest = atomic_load(&completion->newest);
    do {
        request->next = newest;
    } while (!atomic_compare_exchange_weak(&completion->newest, &newest, request));
    /* Whoever found the stack empty wakes the loop; for the others it is on its way already. */
    if (newest == NULL) {
        uv_async_send(&completion->async);
    }
}

void normd_completion_close(normd_completion *completion)
{
    uv_close((uv_handle_t *)&completion->async, NULL);
}
