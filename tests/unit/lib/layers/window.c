// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "lib/layers/window.h"

static void outputs_and_padding_are_counted_as_the_frameworks_do(void **state)
{
    (void)state;
    /* kernel, stride, dilation, padding, same, extent; outputs (0: none) and padding before. The
       "same" rows are from TensorFlow's guide: ceil(extent / stride), the odd one behind. */
    static const struct {
        size_t kernel, stride, dilation, padding;
        bool same;
        size_t extent, outputs, before;
    } rows[] = {
        {3, 1, 1, 0, false, 8, 6, 0},
        {3, 1, 1, 1, false, 8, 8, 1},
        {3, 2, 1, 1, false, 8, 4, 1},
        {2, 2, 1, 0, false, 7, 3, 0},
        {3, 1, 2, 0, false, 8, 4, 0},
        {3, 1, 4, 0, false, 8, 0, 0},
        {9, 1, 1, 0, false, 8, 0, 0},
        {1, 1, 1, 0, false, 0, 0, 0},
        {3, 1, 1, 0, true, 8, 8, 1},
        {4, 1, 1, 0, true, 8, 8, 1},
        {3, 2, 1, 0, true, 8, 4, 0},
        {3, 2, 1, 0, true, 7, 4, 1},
        {2, 2, 1, 0, true, 7, 4, 0},
        {2, 3, 1, 0, true, 9, 3, 0},
        {3, 1, 2, 0, true, 8, 8, 2},
        {9, 1, 1, 0, true, 3, 3, 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        normd_window window = {
            .kernel = {1, rows[i].kernel},
            .stride = {1, rows[i].stride},
            .dilation = {1, rows[i].dilation},
            .padding = {0, rows[i].padding},
            .same = rows[i].same,
        };
        size_t outputs, before;
        bool ok = normd_window_place(&window, 1, rows[i].extent, &outputs, &before);
        assert_int_equal(ok, rows[i].outputs != 0);
        if (ok) {
            assert_int_equal(outputs, rows[i].outputs);
            assert_int_equal(before, rows[i].before);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_and_padding_are_counted_as_the_frameworks_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
