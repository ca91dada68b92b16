// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "lib/session/slab.h"

static void slabs_are_aligned_zeroed_and_used_again(void **state)
{
    (void)state;
    normd_slab_shelf *shelf = normd_slab_shelf_create(100);
    normd_slab *slab = normd_slab_take(shelf);
    char *data = normd_slab_data(slab);
    assert_int_equal((uintptr_t)data % NORMD_ALIGNMENT, 0);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(data[i], 0);
    }
    size_t bytes = normd_slab_shelf_bytes(shelf);
    normd_slab_release(normd_slab_retain(slab));
    normd_slab *other = normd_slab_take(shelf);
    assert_ptr_not_equal(other, slab);
    normd_slab_release(slab);
    assert_ptr_equal(normd_slab_take(shelf), slab);
    assert_int_equal(normd_slab_shelf_bytes(shelf), 2 * bytes);
    /* The two that are out keep the shelf alive; the sanitizers see whether the last one ends it.
     */
    normd_slab_shelf_release(shelf);
    normd_slab_release(slab);
    normd_slab_release(other);
}

static void few_unused_slabs_are_kept(void **state)
{
    (void)state;
    normd_slab_shelf *shelf = normd_slab_shelf_create(1000);
    normd_slab *slabs[20];
    for (size_t i = 0; i < 20; i++) {
        slabs[i] = normd_slab_take(shelf);
        assert_non_null(slabs[i]);
    }
    assert_true(normd_slab_shelf_bytes(shelf) >= 20 * 1000);
    for (size_t i = 0; i < 20; i++) {
        normd_slab_release(slabs[i]);
    }
    assert_true(normd_slab_shelf_bytes(shelf) < 5 * 1100);
    normd_slab_shelf_release(shelf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slabs_are_aligned_zeroed_and_used_again),
        cmocka_unit_test(few_unused_slabs_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
