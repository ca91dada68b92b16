// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/exchange/npy.h"

/* A file of version `version` with this header's text and so many bytes behind it. */
static char *make_file(int version, const char *text, size_t data_bytes, size_t *size)
{
    size_t length = strlen(text);
    size_t start = version == 1 ? 10 : 12;
    *size = start + length + data_bytes;
    char *file = calloc(1, *size + 1);
    memcpy(file, "\x93NUMPY", 6);
    file[6] = (char)version;
    file[8] = (char)(length & 0xff);
    file[9] = (char)(length >> 8);
    memcpy(file + start, text, length);
    for (size_t i = 0; i < data_bytes; i++) {
        file[start + length + i] = (char)i;
    }
    return file;
}

static normd_status read_text(int version, const char *text, size_t data_bytes, normd_array *array,
    bool *fortran, normd_error *error)
{
    size_t size;
    char *file = make_file(version, text, data_bytes, &size);
    normd_status status = normd_npy_read("a", file, size, array, fortran, error);
    if (status == NORMD_OK && data_bytes > 0) {
        assert_int_equal(*(const char *)array->data, 0);
    }
    free(file);
    return status;
}

static void every_version_and_spelling_is_read(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n",
        "{\"shape\":(2,3),\"fortran_order\":False,\"descr\":\"<f4\"}",
        "{'shape': (2, 3,), 'descr': '=f4', 'fortran_order': False}\n",
    };
    for (int version = 1; version <= 3; version++) {
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            normd_array array;
            bool fortran = true;
            normd_error error;
            assert_int_equal(read_text(version, texts[i], 24, &array, &fortran, &error), NORMD_OK);
            assert_int_equal(array.dtype, NORMD_F32);
            assert_int_equal(array.shape.rank, 2);
            assert_int_equal(array.shape.dim[0], 2);
            assert_int_equal(array.shape.dim[1], 3);
            assert_false(fortran);
        }
    }
}

static void scalars_vectors_and_fortran_order_are_read(void **state)
{
    (void)state;
    normd_array array;
    bool fortran = false;
    normd_error error;
    assert_int_equal(read_text(1, "{'descr': '<i8', 'fortran_order': False, 'shape': ()}", 8,
                         &array, &fortran, &error),
        NORMD_OK);
    assert_int_equal(array.shape.rank, 0);
    assert_int_equal(read_text(1, "{'descr': '<f8', 'fortran_order': True, 'shape': (5,)}", 40,
                         &array, &fortran, &error),
        NORMD_OK);
    assert_true(fortran);
    assert_int_equal(array.shape.dim[0], 5);
    assert_int_equal(read_text(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 7)}", 0,
                         &array, &fortran, &error),
        NORMD_OK);
}

static void other_headers_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{}",
        "{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<c8', 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': [2, 3]}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, -3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,6)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'descr': '<f4'}",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'more': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} x",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)",
        "{'descr': '<f4",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        normd_array array;
        bool fortran;
        normd_error error = {.status = NORMD_OK};
        assert_int_equal(read_text(1, texts[i], 24, &array, &fortran, &error), NORMD_BAD_ARGUMENT);
        assert_memory_equal(error.message, "data: array \"a\": expected a header", 34);
    }
}

static void sizes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    normd_array array;
    bool fortran;
    normd_error error;
    const char *text = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}";
    assert_int_equal(read_text(1, text, 23, &array, &fortran, &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message, "data: array \"a\": expected 24 bytes of elements, got 23");
    assert_int_equal(read_text(1, text, 25, &array, &fortran, &error), NORMD_BAD_ARGUMENT);
    text = "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}";
    assert_int_equal(read_text(1, text, 24, &array, &fortran, &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(
        error.message, "data: array \"a\": expected a shape that fits in memory, got a larger one");
}

static void every_shorter_file_is_refused(void **state)
{
    (void)state;
    size_t size;
    char *file =
        make_file(2, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}", 24, &size);
    for (size_t cut = 0; cut < size; cut++) {
        char *copy = malloc(cut + 1);
        memcpy(copy + 1, file, cut);
        normd_array array;
        bool fortran;
        assert_int_equal(
            normd_npy_read("a", copy + 1, cut, &array, &fortran, NULL), NORMD_BAD_ARGUMENT);
        free(copy);
    }
    free(file);
}

static void what_is_written_reads_the_same(void **state)
{
    (void)state;
    for (int dtype = 0; dtype < NORMD_DTYPE_COUNT; dtype++) {
        for (uint32_t rank = 0; rank <= NORMD_MAX_RANK; rank++) {
            normd_array array = {.dtype = (normd_dtype)dtype, .shape = {.rank = rank}};
            for (uint32_t axis = 0; axis < rank; axis++) {
                array.shape.dim[axis] = 1 + axis % 3;
            }
            char header[NORMD_NPY_HEADER_BYTES];
            size_t length = normd_npy_write_header(&array, header);
            assert_int_equal(length % 64, 0);
            size_t bytes = normd_array_bytes(&array);
            char *file = calloc(1, length + bytes);
            memcpy(file, header, length);
            normd_array read;
            bool fortran;
            assert_int_equal(
                normd_npy_read("a", file, length + bytes, &read, &fortran, NULL), NORMD_OK);
            assert_int_equal(read.dtype, array.dtype);
            assert_true(normd_shape_equal(&read.shape, &array.shape));
            assert_false(fortran);
            free(file);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_and_spelling_is_read),
        cmocka_unit_test(scalars_vectors_and_fortran_order_are_read),
        cmocka_unit_test(other_headers_are_refused),
        cmocka_unit_test(sizes_that_do_not_fit_are_refused),
        cmocka_unit_test(every_shorter_file_is_refused),
        cmocka_unit_test(what_is_written_reads_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
