// SPDX-License-Identifier: Apache-2.0
#include "clients/bench/churn.h"

#include "clients/c/clock.h"

/* splitmix64 */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void normd_churn_plan(normd_connection *connection, uint64_t *random)
{
    size_t message = NORMD_REQUEST_PREFIX_BYTES + connection->template->size;
    /* Half of the cuts fall into the first bytes, where the envelope and the fields are. */
    uint64_t range = next_random(random) % 2 == 0 ? (message < 128 ? message : 128) : 3 * message;
    connection->cut_after = 1 + next_random(random) % range;
    connection->cut_reading = next_random(random) % 4 == 0;
    /* Proper ends leave ports behind that rest for a minute: most are resets. */
    connection->cut_hard = next_random(random) % 4 != 0;
    if (connection->cut_reading) {
        connection->cut_after = message * (1 + next_random(random) % connection->depth);
    }
}

size_t normd_churn_room(const normd_connection *connection, size_t size, uint64_t *random)
{
    return connection->rude && connection->cut_reading ? 1 + next_random(random) % 64 : size;
}

bool normd_churn_is_over(const normd_connection *connection)
{
    return connection->rude && connection->cut_reading && connection->cut_after == 0;
}

void normd_churn_prepare_close(const normd_connection *connection)
{
    if (connection->cut_hard) {
        struct linger now = {.l_onoff = 1, .l_linger = 0};
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
}

int64_t normd_churn_reopen_time(uint64_t *random)
{
    return normd_clock_now() + (int64_t)(next_random(random) % 50000000);
}
