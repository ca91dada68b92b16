// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <stdio.h>
#include <string.h>

#include "clients/cli/data/dataset.h"
#include "clients/cli/data/npy.h"
#include "tests/unit/clients/temporary_file.h"

static const char table[] = "10,20,0\n30,40,1\n50,60,2\n";

static normd_status read_table(
    const char *text, normd_dataset_options options, normd_dataset *dataset, normd_error *error)
{
    temporary_file file = temporary_file_create(text, strlen(text));
    options.table = file.path;
    normd_status status = normd_dataset_read(&options, dataset, error);
    unlink(file.path);
    return status;
}

static normd_dataset_options defaults(void)
{
    return (normd_dataset_options){.target = NORMD_TARGET_LAST,
        .scale = 1.0,
        .end = SIZE_MAX,
        .dtype = NORMD_F32,
        .labels = true};
}

static void a_table_is_split_at_its_target(void **state)
{
    (void)state;
    normd_dataset dataset;
    normd_error error;
    normd_dataset_options options = defaults();
    options.scale = 10.0;
    options.begin = 1;
    assert_int_equal(read_table(table, options, &dataset, &error), NORMD_OK);
    assert_int_equal(dataset.rows, 2);
    assert_int_equal(dataset.x.shape.rank, 2);
    assert_int_equal(dataset.x.shape.dim[1], 2);
    static const float x[] = {3, 4, 5, 6};
    assert_memory_equal(dataset.x.data, x, sizeof x);
    assert_int_equal(dataset.target.shape.rank, 1);
    static const int64_t labels[] = {1, 2};
    assert_memory_equal(dataset.target.data, labels, sizeof labels);
    normd_dataset_free(&dataset);
}

static void the_target_may_stand_in_any_column(void **state)
{
    (void)state;
    normd_dataset dataset;
    normd_error error;
    normd_dataset_options options = defaults();
    options.labels = false;
    options.dtype = NORMD_F64;
    options.target = NORMD_TARGET_COLUMN;
    options.column = 1;
    assert_int_equal(read_table(table, options, &dataset, &error), NORMD_OK);
    static const double x[] = {10, 0, 30, 1, 50, 2};
    static const double y[] = {20, 40, 60};
    assert_memory_equal(dataset.x.data, x, sizeof x);
    assert_int_equal(dataset.target.shape.rank, 2);
    assert_int_equal(dataset.target.shape.dim[1], 1);
    assert_memory_equal(dataset.target.data, y, sizeof y);
    normd_dataset_free(&dataset);

    options.target = NORMD_TARGET_NONE;
    assert_int_equal(read_table(table, options, &dataset, &error), NORMD_OK);
    assert_int_equal(dataset.x.shape.dim[1], 3);
    assert_null(dataset.target.data);
    normd_dataset_free(&dataset);
}

static void what_does_not_fit_is_named(void **state)
{
    (void)state;
    normd_dataset dataset;
    normd_error error;
    normd_dataset_options options = defaults();
    assert_int_equal(read_table("1,2,0\n3,4,1.5\n", options, &dataset, &error), NORMD_BAD_ARGUMENT);
    assert_non_null(strstr(error.message, "row 1: expected a class number"));
    assert_int_equal(read_table("1,-1\n", options, &dataset, &error), NORMD_BAD_ARGUMENT);
    assert_int_equal(read_table("1,nan\n", options, &dataset, &error), NORMD_BAD_ARGUMENT);
    assert_int_equal(read_table("1\n2\n", options, &dataset, &error), NORMD_BAD_ARGUMENT);
    options.begin = 3;
    assert_int_equal(read_table(table, options, &dataset, &error), NORMD_BAD_ARGUMENT);
    assert_non_null(strstr(error.message, "no rows left: it has 3"));
    options = defaults();
    options.target = NORMD_TARGET_COLUMN;
    options.column = 3;
    assert_int_equal(read_table(table, options, &dataset, &error), NORMD_BAD_ARGUMENT);
}

static temporary_file make_npy(normd_dtype dtype, normd_shape shape, const void *data, size_t size)
{
    temporary_file file = temporary_file_create("", 0);
    FILE *out = fopen(file.path, "wb");
    assert_true(normd_npy_write_header(out, dtype, &shape));
    fwrite(data, 1, size, out);
    fclose(out);
    return file;
}

static void a_pair_of_npy_files_is_converted(void **state)
{
    (void)state;
    static const uint8_t pixels[] = {0, 16, 8, 4};
    static const int32_t labels[] = {3, 7};
    temporary_file x =
        make_npy(NORMD_U8, (normd_shape){.rank = 3, .dim = {2, 1, 2}}, pixels, sizeof pixels);
    temporary_file y =
        make_npy(NORMD_I32, (normd_shape){.rank = 1, .dim = {2}}, labels, sizeof labels);
    temporary_file three = make_npy(NORMD_U8, (normd_shape){.rank = 1, .dim = {3}}, pixels, 3);
    normd_dataset_options options = defaults();
    options.x_path = x.path;
    options.y_path = y.path;
    options.scale = 16.0;
    normd_dataset dataset;
    normd_error error;
    assert_int_equal(normd_dataset_read(&options, &dataset, &error), NORMD_OK);
    static const float expected[] = {0, 1, 0.5f, 0.25f};
    assert_int_equal(dataset.x.shape.rank, 3);
    assert_memory_equal(dataset.x.data, expected, sizeof expected);
    assert_int_equal(((int64_t *)dataset.target.data)[1], 7);
    normd_dataset_free(&dataset);
    options.y_path = three.path;
    assert_int_equal(normd_dataset_read(&options, &dataset, &error), NORMD_BAD_ARGUMENT);
    assert_non_null(strstr(error.message, "expected 2 rows"));
    unlink(x.path);
    unlink(y.path);
    unlink(three.path);
}

static void weights_stand_beside_the_rows_that_are_taken(void **state)
{
    (void)state;
    const float values[] = {1, 2, 0.5f};
    temporary_file w = make_npy(NORMD_F32, (normd_shape){1, {3}}, values, sizeof values);
    temporary_file two = make_npy(NORMD_F32, (normd_shape){1, {2}}, values, 8);
    normd_dataset dataset;
    normd_error error;
    normd_dataset_options options = defaults();
    options.begin = 1;
    options.weight_path = w.path;
    assert_int_equal(read_table(table, options, &dataset, &error), NORMD_OK);
    static const double weights[] = {2, 0.5};
    assert_int_equal(dataset.weight.dtype, NORMD_F64);
    assert_int_equal(dataset.weight.shape.dim[0], 2);
    assert_memory_equal(dataset.weight.data, weights, sizeof weights);
    normd_dataset_free(&dataset);
    options.begin = 0;
    options.weight_path = two.path;
    assert_int_equal(read_table(table, options, &dataset, &error), NORMD_BAD_ARGUMENT);
    assert_non_null(strstr(
        error.message, "expected a number for each of 3 samples, got an array of shape (2,)"));
    unlink(w.path);
    unlink(two.path);
}

static void shuffling_is_a_permutation_that_the_seed_repeats(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    size_t first[COUNT];
    size_t second[COUNT];
    bool seen[COUNT] = {false};
    uint64_t seed = 7;
    normd_dataset_shuffle(&seed, first, COUNT);
    for (size_t k = 0; k < COUNT; k++) {
        assert_true(first[k] < COUNT && !seen[first[k]]);
        seen[first[k]] = true;
    }
    normd_dataset_shuffle(&seed, second, COUNT);
    assert_memory_not_equal(first, second, sizeof first);
    seed = 7;
    normd_dataset_shuffle(&seed, second, COUNT);
    assert_memory_equal(first, second, sizeof first);
}

static void rows_are_gathered_in_order(void **state)
{
    (void)state;
    float values[] = {1, 2, 3, 4, 5, 6};
    const normd_array array = {
        .dtype = NORMD_F32, .shape = {.rank = 2, .dim = {3, 2}}, .data = values};
    static const size_t order[] = {2, 0};
    static const float expected[] = {5, 6, 1, 2};
    float gathered[4];
    normd_dataset_gather(&array, order, 2, gathered);
    assert_memory_equal(gathered, expected, sizeof expected);
    normd_array part = normd_dataset_rows(&array, 1, 2);
    assert_int_equal(part.shape.dim[0], 2);
    assert_ptr_equal(part.data, values + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_is_split_at_its_target),
        cmocka_unit_test(the_target_may_stand_in_any_column),
        cmocka_unit_test(what_does_not_fit_is_named),
        cmocka_unit_test(a_pair_of_npy_files_is_converted),
        cmocka_unit_test(weights_stand_beside_the_rows_that_are_taken),
        cmocka_unit_test(shuffling_is_a_permutation_that_the_seed_repeats),
        cmocka_unit_test(rows_are_gathered_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
