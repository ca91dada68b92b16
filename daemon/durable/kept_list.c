// SPDX-License-Identifier: Apache-2.0
#include "daemon/durable/kept_list.h"

#include <stdlib.h>

normd_status normd_kept_list_take(
    normd_session *session, normd_kept_list **list, normd_error *error)
{
    *list = NULL;
    normd_kept_list *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return normd_error_no_memory(error);
    }
    atomic_init(&made->references, 1);
    normd_status status = normd_session_kept_steps(session, &made->steps, error);
    if (status != NORMD_OK) {
        free(made);
        return status;
    }
    *list = made;
    return NORMD_OK;
}

normd_kept_list *normd_kept_list_retain(normd_kept_list *list)
{
    if (list != NULL) {
        atomic_fetch_add_explicit(&list->references, 1, memory_order_relaxed);
    }
    return list;
}

void normd_kept_list_release(normd_kept_list *list)
{
    if (list != NULL &&
        atomic_fetch_sub_explicit(&list->references, 1, memory_order_acq_rel) == 1) {
        normd_kept_steps_release(&list->steps);
        free(list);
    }
}

const normd_kept_step *normd_kept_list_find(const normd_kept_list *list, uint64_t step)
{
    for (size_t i = 0; list != NULL && i < list->steps.count; i++) {
        if (list->steps.step[i].step == step) {
            return &list->steps.step[i];
        }
    }
    return NULL;
}
