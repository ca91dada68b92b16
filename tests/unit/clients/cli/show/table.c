// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <stdlib.h>
#include <string.h>

#include "clients/cli/show/table.h"

enum { ROWS = 200 };

/* Four columns of batch norm with the widest numbers that are printed. */
static normd_table make_table(double values[static ROWS])
{
    static const char *const name[] = {"running_mean", "running_var", "weight", "bias"};
    normd_table table = {.columns = 4, .rows = ROWS};
    for (size_t row = 0; row < ROWS; row++) {
        values[row] = -1.2345678e-5 * (double)(row + 1);
    }
    for (size_t c = 0; c < table.columns; c++) {
        table.name[c] = name[c];
        table.name_length[c] = strlen(name[c]);
        table.values[c] = values;
    }
    return table;
}

static char *print(size_t begin, size_t end, size_t width)
{
    double values[ROWS];
    const normd_table table = make_table(values);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    normd_table_print(out, &table, begin, end, true, width);
    fclose(out);
    return text;
}

static void lines_fit_the_width(void **state)
{
    (void)state;
    for (size_t width = 49; width <= 120; width++) {
        char *text = print(0, 8, width);
        for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
            if (strcspn(line, "\n") > width) {
                fail_msg("%zu: %.*s", width, (int)strcspn(line, "\n"), line);
            }
        }
        free(text);
    }
}

static void numbers_lose_digits_and_columns_move_down_as_the_width_shrinks(void **state)
{
    (void)state;
    char *text = print(0, 1, 80);
    assert_non_null(strstr(text, "  feature  running_mean   running_var        weight          "
                                 "bias\n"
                                 "        0   -1.2346e-05   -1.2346e-05   -1.2346e-05   "
                                 "-1.2346e-05\n"));
    free(text);
    text = print(0, 1, 60);
    assert_non_null(strstr(text, "  feature running_mean running_var    weight      bias\n"
                                 "        0    -1.23e-05   -1.23e-05 -1.23e-05 -1.23e-05\n"));
    free(text);
    text = print(0, 1, 50);
    assert_non_null(strstr(text, "  feature running_mean running_var    weight\n"));
    assert_non_null(strstr(text, "\n\n  feature      bias\n        0 -1.23e-05\n"));
    free(text);
}

static void what_is_left_out_is_said(void **state)
{
    (void)state;
    char *text = print(0, 1, 80);
    assert_non_null(strstr(text, "      ...  199 more; --features A:B chooses\n"));
    free(text);
    text = print(7, 7, 80);
    assert_non_null(strstr(text, "200 features, none of them chosen"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_fit_the_width),
        cmocka_unit_test(numbers_lose_digits_and_columns_move_down_as_the_width_shrinks),
        cmocka_unit_test(what_is_left_out_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
