// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <sched.h>

#include "lib/pool/pool_state.h"

/* A worker on the core of its caller, as the calling thread sees it. */
static bool avoid_caller(int caller_core, bool may_move)
{
    normd_pool pool = {.threads = 2};
    atomic_init(&pool.caller_core, caller_core);
    normd_worker worker = {.pool = &pool, .may_move = may_move};
    return normd_worker_avoids_caller(&worker);
}

static void a_worker_stays_where_no_caller_is(void **state)
{
    (void)state;
    assert_true(avoid_caller(-1, false));
    assert_true(avoid_caller(CPU_SETSIZE, false));
}

static void a_worker_leaves_the_core_of_its_caller_and_may_come_back(void **state)
{
    (void)state;
    cpu_set_t before, after;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    bool elsewhere = CPU_COUNT(&before) > 1;
    for (int i = 0; i < 10; i++) {
        /* Were the scheduler to move this thread in between, that would be as good. */
        assert_true(avoid_caller(sched_getcpu(), true) || !elsewhere);
        assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
        assert_true(CPU_EQUAL(&before, &after));
    }
}

static void a_worker_that_may_run_on_one_core_only_stays(void **state)
{
    (void)state;
    cpu_set_t before, one, after;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    int core = sched_getcpu();
    CPU_ZERO(&one);
    CPU_SET((size_t)core, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_false(avoid_caller(core, true));
    assert_false(avoid_caller(core, false));
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&one, &after));
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_stays_where_no_caller_is),
        cmocka_unit_test(a_worker_leaves_the_core_of_its_caller_and_may_come_back),
        cmocka_unit_test(a_worker_that_may_run_on_one_core_only_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
