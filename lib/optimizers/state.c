// SPDX-License-Identifier: Apache-2.0
#include <assert.h>
#include <stdio.h>

#include "lib/optimizers/rule.h"

static void add_slot(
    normd_optimizer *optimizer, const char *name, normd_slot_use use, size_t number)
{
    assert(optimizer->slots < NORMD_OPTIMIZER_MAX_SLOTS);
    optimizer->slot[optimizer->slots++] = (normd_slot){.name = name, .use = use, .number = number};
}

static normd_scalar *add_scalar(
    normd_optimizer *optimizer, const char *name, normd_scalar_use use, double initial)
{
    assert(optimizer->scalars < NORMD_OPTIMIZER_MAX_SCALARS);
    normd_scalar *scalar = &optimizer->scalar[optimizer->scalars++];
    *scalar = (normd_scalar){.use = use, .initial = initial};
    snprintf(scalar->name, sizeof scalar->name, "%s", name);
    return scalar;
}

/* A slot is there for all parameters when some need it. */
static void list_rule_slots(normd_optimizer *optimizer)
{
    unsigned needed = 0;
    for (size_t i = 0; i < optimizer->groups; i++) {
        needed |= optimizer->rule->slots(&optimizer->group[i]);
    }
    for (size_t number = 0; number < NORMD_RULE_MAX_SLOTS; number++) {
        if ((needed >> number & 1U) != 0) {
            add_slot(optimizer, optimizer->rule->slot[number], NORMD_SLOT_RULE, number);
        }
    }
}

/* One for each group, the first without a number: "mu_product", "mu_product.1". */
static void list_products(normd_optimizer *optimizer)
{
    for (size_t i = 0; i < optimizer->groups && optimizer->rule->product != NULL; i++) {
        normd_scalar *scalar =
            add_scalar(optimizer, optimizer->rule->product, NORMD_SCALAR_PRODUCT, 1.0);
        if (i > 0) {
            snprintf(scalar->name, sizeof scalar->name, "%s.%zu", optimizer->rule->product, i);
        }
    }
}

void normd_optimizer_list_state(normd_optimizer *optimizer)
{
    list_rule_slots(optimizer);
    list_products(optimizer);
    if (optimizer->accumulate_steps > 1) {
        add_slot(optimizer, "gradient_sum", NORMD_SLOT_ACCUMULATOR, 0);
        add_scalar(optimizer, "accumulated_batches", NORMD_SCALAR_ACCUMULATED, 0.0);
    }
    if (optimizer->averaging.type != NORMD_AVERAGING_NONE) {
        add_slot(optimizer, "average", NORMD_SLOT_AVERAGE, 0);
        add_scalar(optimizer, "n_averaged", NORMD_SCALAR_AVERAGED, 0.0);
    }
    size_t states = optimizer->schedule == NULL ? 0 : normd_schedule_states(optimizer->schedule);
    for (size_t i = 0; i < states; i++) {
        add_scalar(optimizer, normd_schedule_state_name(i), NORMD_SCALAR_SCHEDULE, 0.0);
    }
}

size_t normd_optimizer_slots(const normd_optimizer *optimizer)
{
    return optimizer->slots;
}

const normd_slot *normd_optimizer_slot(const normd_optimizer *optimizer, size_t slot)
{
    return &optimizer->slot[slot];
}

size_t normd_optimizer_slot_of(const normd_optimizer *optimizer, normd_slot_use use)
{
    size_t slot = 0;
    while (slot < optimizer->slots && optimizer->slot[slot].use != use) {
        slot++;
    }
    return slot;
}

double normd_optimizer_initial(const normd_optimizer *optimizer, size_t set, size_t slot)
{
    const normd_optimizer_rule *rule = optimizer->rule;
    bool zero = optimizer->slot[slot].use != NORMD_SLOT_RULE || rule->initial == NULL;
    return zero ? 0.0 : rule->initial(&optimizer->group[optimizer->set[set].group]);
}

size_t normd_optimizer_scalars(const normd_optimizer *optimizer)
{
    return optimizer->scalars;
}

const normd_scalar *normd_optimizer_scalar(const normd_optimizer *optimizer, size_t scalar)
{
    return &optimizer->scalar[scalar];
}

size_t normd_optimizer_scalar_of(const normd_optimizer *optimizer, normd_scalar_use use)
{
    size_t scalar = 0;
    while (scalar < optimizer->scalars && optimizer->scalar[scalar].use != use) {
        scalar++;
    }
    return scalar;
}
