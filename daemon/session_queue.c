// SPDX-License-Identifier: Apache-2.0
#include "daemon/session_queue.h"

#include <assert.h>
#include <stddef.h>

#include "daemon/request.h"

/* With the lock held. */
static normd_request *pop(normd_session_queue *queue)
{
    normd_request *request = queue->first;
    assert(request != NULL);
    queue->first = request->next;
    if (queue->first == NULL) {
        queue->last = NULL;
    }
    return request;
}

/* What follows a request in a turn is decided before the request is given away: behind that the
   queue may be gone, unless requests that hold it are waiting. Returns whether the turn goes on. */
static bool go_on(normd_session_queue *queue, unsigned position)
{
    pthread_mutex_lock(&queue->lock);
    bool more = queue->first != NULL;
    queue->active = more;
    pthread_mutex_unlock(&queue->lock);
    if (more && position + 1 == NORMD_SESSION_TURN_REQUESTS) {
        normd_pool_submit(queue->pool, &queue->job, NORMD_LANE_TRAIN);
        return false;
    }
    return more;
}

static void turn(normd_job *job)
{
    normd_session_queue *queue =
        (normd_session_queue *)((char *)job - offsetof(normd_session_queue, job));
    const normd_session_queue_work *work = queue->work;
    for (unsigned position = 0, more = true; more; position++) {
        pthread_mutex_lock(&queue->lock);
        normd_request *request = pop(queue);
        pthread_mutex_unlock(&queue->lock);
        bool stop = work->run(request);
        more = !stop && go_on(queue, position);
        work->done(request);
    }
}

void normd_session_queue_init(
    normd_session_queue *queue, normd_pool *pool, const normd_session_queue_work *work)
{
    *queue = (normd_session_queue){.job = {.run = turn}, .pool = pool, .work = work};
    pthread_mutex_init(&queue->lock, NULL);
}

void normd_session_queue_destroy(normd_session_queue *queue)
{
    assert(queue->first == NULL && !queue->active);
    pthread_mutex_destroy(&queue->lock);
}

void normd_session_queue_push(normd_session_queue *queue, normd_request *request)
{
    request->next = NULL;
    pthread_mutex_lock(&queue->lock);
    if (queue->last != NULL) {
        queue->last->next = request;
    } else {
        queue->first = request;
    }
    queue->last = request;
    bool idle = !queue->active;
    queue->active = true;
    pthread_mutex_unlock(&queue->lock);
    if (idle) {
        normd_pool_submit(queue->pool, &queue->job, NORMD_LANE_TRAIN);
    }
}

void normd_session_queue_resume(normd_session_queue *queue)
{
    if (go_on(queue, 0)) {
        normd_pool_submit(queue->pool, &queue->job, NORMD_LANE_TRAIN);
    }
}
