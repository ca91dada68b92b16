// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_COMPLETION_H
#define NORMD_DAEMON_COMPLETION_H

#include <stdatomic.h>
#include <uv.h>

struct normd_request;

/*
 * The one door back into the loop: workers push requests that are done, the loop gets all of them,
 * in the order of pushing. Waking the loop coalesces, so the callback always drains everything.
 */
typedef struct normd_completion {
    uv_async_t async;
    _Atomic(struct normd_request *) newest; /* a stack, linked by `next` */
    void (*deliver)(void *context, struct normd_request *first);
    void *context;
} normd_completion;

/* `deliver` is called on the loop with a list of one or more, linked by `next`. 0 or a libuv
   error. */
int normd_completion_open(normd_completion *completion, uv_loop_t *loop,
    void (*deliver)(void *context, struct normd_request *first), void *context);

/* From any thread. The request belongs to the loop from here on. */
void normd_completion_push(normd_completion *completion, struct normd_request *request);

/* On the loop, when nobody can push any more. */
void normd_completion_close(normd_completion *completion);

#endif
