// SPDX-License-Identifier: Apache-2.0
#include "clients/c/client.h"

#include <stdio.h>
#include <sys/random.h>

void client_numbers_renew(client_numbers *numbers, uint64_t last)
{
    numbers->highest = last;
    numbers->unused_count = 0;
    if (!numbers->named) {
        uint64_t random = 0;
        /* So few bytes come whole, unless the kernel is so old that it has no getrandom. */
        if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) {
            random ^= (uintptr_t)numbers;
        }
        snprintf(numbers->name, sizeof numbers->name, "c-%016llx", (unsigned long long)random);
    }
}

uint64_t client_numbers_next(const client_numbers *numbers)
{
    uint64_t next = numbers->highest + 1;
    for (size_t k = 0; k < numbers->unused_count; k++) {
        next = numbers->unused[k] < next ? numbers->unused[k] : next;
    }
    return next;
}

/* Whether the number was among the unused ones; it is not any more. */
static bool remove_unused(client_numbers *numbers, uint64_t number)
{
    for (size_t k = 0; k < numbers->unused_count; k++) {
        if (numbers->unused[k] == number) {
            numbers->unused[k] = numbers->unused[--numbers->unused_count];
            return true;
        }
    }
    return false;
}

uint64_t client_numbers_take(client_numbers *numbers)
{
    uint64_t number = client_numbers_next(numbers);
    if (!remove_unused(numbers, number)) {
        numbers->highest = number;
    }
    return number;
}

void client_numbers_give_back(client_numbers *numbers, uint64_t number)
{
    if (number != numbers->highest) {
        /* All that are open lie within one window, so there is room. */
        if (numbers->unused_count < CLIENT_WINDOW) {
            numbers->unused[numbers->unused_count++] = number;
        }
        return;
    }
    do {
        numbers->highest--;
    } while (remove_unused(numbers, numbers->highest));
}
