// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <math.h>
#include <stdlib.h>

#include "lib/layers/compute.h"

static void one_bad_value_is_found_wherever_it_stands(void **state)
{
    (void)state;
    enum { COUNT = (1 << 17) + 3 };
    normd_compute compute = {
        .pool = normd_pool_create(2),
        .kernels = &normd_kernels_choose(NULL)->f32,
        .dtype = NORMD_F32,
    };
    float *values = calloc(COUNT, sizeof *values);
    assert_non_null(values);
    assert_true(normd_compute_all_finite(&compute, values, COUNT));
    assert_true(normd_compute_all_finite(&compute, values, 0));
    const size_t places[] = {0, 1, 65535, 65536, 131071, 131072, COUNT - 1};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        values[places[i]] = i % 2 == 0 ? NAN : -INFINITY;
        assert_false(normd_compute_all_finite(&compute, values, COUNT));
        assert_true(normd_compute_all_finite(&compute, values, places[i]));
        values[places[i]] = 0;
    }
    free(values);
    normd_pool_destroy(compute.pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_bad_value_is_found_wherever_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
