// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/memory/cache_sizes.h"

static void sizes_are_plausible_and_in_order(void **state)
{
    (void)state;
    normd_cache_sizes sizes = normd_cache_sizes_read();
    /* No core with vector units has less than 64 KiB beyond its first level, or a terabyte. */
    assert_true(sizes.second >= (size_t)64 << 10);
    assert_true(sizes.last >= sizes.second);
    assert_true(sizes.last < (size_t)1 << 40);
}

static void they_do_not_change(void **state)
{
    (void)state;
    normd_cache_sizes one = normd_cache_sizes_read(), two = normd_cache_sizes_read();
    assert_int_equal(one.second, two.second);
    assert_int_equal(one.last, two.last);
}

#if defined(__x86_64__)
/* A line of what the kernel tells of a cache of CPU 0; false when there is no such file. */
static bool read_line(int index, const char *name, char *line, int size)
{
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, name);
    FILE *file = fopen(path, "r");
    bool ok = file != NULL && fgets(line, size, file) != NULL;
    if (file != NULL) {
        assert_int_equal(fclose(file), 0);
    }
    return ok;
}

static void they_are_what_the_kernel_says(void **state)
{
    (void)state;
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    normd_cache_sizes expected = {.second = 0};
    char level[16], type[32], size[32];
    size_t kibibytes;
    for (int i = 0; read_line(i, "level", level, sizeof level); i++) {
        assert_true(read_line(i, "type", type, sizeof type));
        assert_true(read_line(i, "size", size, sizeof size));
        if (strcmp(type, "Instruction\n") == 0 || sscanf(size, "%zuK", &kibibytes) != 1) {
            continue;
        }
        if (level[0] == '2') {
            expected.second = kibibytes << 10;
        }
        if (level[0] >= '2') {
            expected.last = kibibytes << 10;
        }
    }
    /* Cores differ on some processors, so this one has to be CPU 0. */
    if (expected.second == 0 || sched_setaffinity(0, sizeof first, &first) != 0) {
        skip();
    }
    normd_cache_sizes sizes = normd_cache_sizes_read();
    assert_int_equal(sizes.second, expected.second);
    assert_int_equal(sizes.last, expected.last);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_plausible_and_in_order),
        cmocka_unit_test(they_do_not_change),
#if defined(__x86_64__)
        cmocka_unit_test(they_are_what_the_kernel_says),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
