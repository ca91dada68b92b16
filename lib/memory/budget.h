// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_MEMORY_BUDGET_H
#define NORMD_MEMORY_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Bytes that many owners take together, and how many they may. Any thread. */
typedef struct normd_budget {
    size_t limit; /* 0: none; never changed while others look */
    atomic_size_t used;
} normd_budget;

static inline size_t normd_budget_used(const normd_budget *budget)
{
    return atomic_load_explicit(&budget->used, memory_order_relaxed);
}

/* False when the budget does not hold `size` more bytes; nothing is taken then. */
static inline bool normd_budget_take(normd_budget *budget, size_t size)
{
    size_t used = normd_budget_used(budget);
    do {
        if (budget->limit != 0 && (used > budget->limit || size > budget->limit - used)) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        &budget->used, &used, used + size, memory_order_relaxed, memory_order_relaxed));
    return true;
}

static inline void normd_budget_give(normd_budget *budget, size_t size)
{
    atomic_fetch_sub_explicit(&budget->used, size, memory_order_relaxed);
}

#endif
