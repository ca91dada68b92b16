// SPDX-License-Identifier: Apache-2.0
#include <sched.h>

#include "lib/pool/pool_state.h"

/* Moves the calling thread to another of the processors that it may use. Where it may run stays as
   it is: the scheduler is free to move it again. */
static bool move_from(int core)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
        return false;
    }
    cpu_set_t others = allowed;
    CPU_CLR((size_t)core, &others);
    if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof others, &others) != 0) {
        return false;
    }
    return sched_setaffinity(0, sizeof allowed, &allowed) == 0;
}

bool normd_worker_avoids_caller(normd_worker *worker)
{
    int core = sched_getcpu();
    if (core < 0 ||
        core != atomic_load_explicit(&worker->pool->caller_core, memory_order_relaxed)) {
        return true;
    }
    /* Moving takes some ten microseconds. Where the scheduler insists, sleeping is better. */
    bool moves = worker->may_move;
    worker->may_move = false;
    return moves && move_from(core);
}
