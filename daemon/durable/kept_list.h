// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_DURABLE_KEPT_LIST_H
#define NORMD_DAEMON_DURABLE_KEPT_LIST_H

#include <stdatomic.h>

#include "lib/session/image.h"

/* The kept steps of a session after some mutation, shared: the mutation, the committer and a
   checkpoint hold it. */
typedef struct normd_kept_list {
    atomic_size_t references;
    normd_kept_steps steps;
} normd_kept_list;

/* The session's kept steps now. On the session's thread. INTERNAL. */
normd_status normd_kept_list_take(
    normd_session *session, normd_kept_list **list, normd_error *error);
normd_kept_list *normd_kept_list_retain(normd_kept_list *list); /* NULL is let pass */
void normd_kept_list_release(normd_kept_list *list);            /* NULL is let pass */

/* The step of that number, or NULL; also of no list. */
const normd_kept_step *normd_kept_list_find(const normd_kept_list *list, uint64_t step);

#endif
