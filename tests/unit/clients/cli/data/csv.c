// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "clients/cli/data/csv.h"
#include "tests/unit/clients/temporary_file.h"

static normd_status read_text(
    const char *text, normd_csv_header header, normd_csv *csv, normd_error *error)
{
    temporary_file file = temporary_file_create(text, strlen(text));
    normd_status status = normd_csv_read(file.path, header, csv, error);
    unlink(file.path);
    return status;
}

static void assert_table(
    const char *text, size_t rows, size_t columns, const double *values, bool skipped)
{
    normd_csv csv;
    normd_error error;
    if (read_text(text, NORMD_CSV_HEADER_AUTO, &csv, &error) != NORMD_OK) {
        fail_msg("%s: %s", text, error.message);
    }
    assert_int_equal(csv.rows, rows);
    assert_int_equal(csv.columns, columns);
    assert_int_equal(csv.skipped_header, skipped);
    for (size_t k = 0; k < rows * columns; k++) {
        assert_true(csv.values[k] == values[k]);
    }
    normd_csv_free(&csv);
}

static void tables_are_read_in_all_their_forms(void **state)
{
    (void)state;
    static const double six[] = {1, 2, 3, 4, 5, -6.5e2};
    assert_table("1,2,3\n4,5,-6.5e2\n", 2, 3, six, false);
    assert_table("1,2,3\r\n4,5,-6.5e2\r\n", 2, 3, six, false);
    assert_table("1,2,3\n4,5,-6.5e2", 2, 3, six, false);
    assert_table("\n1,2,3\n\n\r\n  \n4,5,-6.5e2\n\n", 2, 3, six, false);
    assert_table(" 1 ,\t2,3 \n4,5 , -6.5e2\n", 2, 3, six, false);
    assert_table("\"1\",\"2\", \"3\" \n4,\"5\",-6.5e2\n", 2, 3, six, false);
    assert_table("1;2;3\n4;5;-6.5e2\n", 2, 3, six, false);
    assert_table("1\t2\t3\n4\t5\t-6.5e2\n", 2, 3, six, false);
    assert_table("\xef\xbb\xbf"
                 "1,2,3\n4,5,-6.5e2\n",
        2, 3, six, false);
    assert_table("1\n2\n3\n", 3, 1, six, false);
}

static void a_header_is_noticed(void **state)
{
    (void)state;
    static const double four[] = {1, 2, 3, 4};
    assert_table("a,b\n1,2\n3,4\n", 2, 2, four, true);
    assert_table("\"a, or \"\"A\"\"\",\"b\nc\"\n1,2\n3,4\n", 2, 2, four, true);
    assert_table("1,b\n1,2\n3,4\n", 2, 2, four, true);
    normd_csv csv;
    normd_error error;
    assert_int_equal(read_text("5,6\n1,2\n", NORMD_CSV_HEADER_YES, &csv, &error), NORMD_OK);
    assert_int_equal(csv.rows, 1);
    assert_true(csv.values[0] == 1.0);
    normd_csv_free(&csv);
    assert_int_equal(
        read_text("a,b\n1,2\n", NORMD_CSV_HEADER_NO, &csv, &error), NORMD_BAD_ARGUMENT);
    assert_non_null(strstr(error.message, ":1:1: expected a number, got \"a\""));
}

static void mistakes_name_line_and_field(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } wrong[] = {
        {"1,2\n3,x\n", ":2:2: expected a number, got \"x\""},
        {"1,2\n3,\n", ":2:2: expected a number, got an empty field"},
        {"1,2\n\n\n3,1.5.2\n", ":4:2: expected a number"},
        {"1,2\n\"3\n4\",5\n", ":2:1: expected a number"},
        {"\"a\nb\",c\n1,x\n", ":3:2: expected a number"},
        {"1,2\n3\n", ":2: expected 2 fields as in the first line, got 1"},
        {"1,2\n3,4,5\n", ":2: expected 2 fields as in the first line, got 3"},
        {"1,2\n3,\"4\n5,6\n", ":2:2: the quote is never closed"},
        {"", "no lines of numbers"},
        {"a,b\n", "no lines of numbers"},
        {"\n\n", "no lines of numbers"},
        {"\x93NUMPY\x01", "got a .npy file; give it as --x"},
        {"PK\x03\x04", "got a .npz or zip file"},
    };
    for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
        normd_csv csv;
        normd_error error;
        assert_int_equal(
            read_text(wrong[k].text, NORMD_CSV_HEADER_AUTO, &csv, &error), NORMD_BAD_ARGUMENT);
        if (strstr(error.message, wrong[k].part) == NULL) {
            fail_msg("%s: %s", wrong[k].text, error.message);
        }
    }
    normd_csv csv;
    normd_error error;
    assert_int_equal(normd_csv_read("/nonexistent/x.csv", NORMD_CSV_HEADER_AUTO, &csv, &error),
        NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message, "/nonexistent/x.csv: No such file or directory");
}

static void a_field_longer_than_any_number_is_refused(void **state)
{
    (void)state;
    char text[1000];
    memset(text, '1', sizeof text);
    memcpy(text, "1,2\n", 4);
    text[sizeof text - 1] = '\0';
    normd_csv csv;
    normd_error error;
    assert_int_equal(read_text(text, NORMD_CSV_HEADER_AUTO, &csv, &error), NORMD_BAD_ARGUMENT);
    assert_non_null(strstr(error.message, ":2:1: expected a number"));
}

static void gzipped_tables_are_read_whole_or_refused(void **state)
{
    (void)state;
    enum { ROWS = 50000 }; /* more than one chunk */
    temporary_file file = temporary_file_create("", 0);
    gzFile out = gzopen(file.path, "wb");
    for (int row = 0; row < ROWS; row++) {
        gzprintf(out, "%d,%d\n", row, row * 7 % 1000);
    }
    gzclose(out);
    normd_csv csv;
    normd_error error;
    assert_int_equal(normd_csv_read(file.path, NORMD_CSV_HEADER_AUTO, &csv, &error), NORMD_OK);
    assert_int_equal(csv.rows, ROWS);
    for (size_t row = 0; row < ROWS; row++) {
        assert_true(csv.values[2 * row] == (double)row);
        assert_true(csv.values[2 * row + 1] == (double)(row * 7 % 1000));
    }
    normd_csv_free(&csv);
    assert_int_equal(truncate(file.path, 1000), 0);
    assert_int_equal(
        normd_csv_read(file.path, NORMD_CSV_HEADER_AUTO, &csv, &error), NORMD_BAD_ARGUMENT);
    assert_non_null(strstr(error.message, "the gzip data ends too early"));
    unlink(file.path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_read_in_all_their_forms),
        cmocka_unit_test(a_header_is_noticed),
        cmocka_unit_test(mistakes_name_line_and_field),
        cmocka_unit_test(a_field_longer_than_any_number_is_refused),
        cmocka_unit_test(gzipped_tables_are_read_whole_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
