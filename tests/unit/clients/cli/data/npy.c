// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/data/npy.h"
#include "tests/unit/clients/temporary_file.h"

/* A file of a format version with a header's text and elements. */
static temporary_file make_file(
    unsigned char version, const char *header, const void *elements, size_t size)
{
    unsigned char bytes[512];
    size_t length = strlen(header);
    size_t width = version == 1 ? 2 : 4;
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = version;
    bytes[7] = 0;
    for (size_t k = 0; k < width; k++) {
        bytes[8 + k] = (unsigned char)(length >> (8 * k));
    }
    memcpy(bytes + 8 + width, header, length);
    if (size > 0) {
        memcpy(bytes + 8 + width + length, elements, size);
    }
    return temporary_file_create(bytes, 8 + width + length + size);
}

static normd_status read_file(temporary_file file, normd_array *array, normd_error *error)
{
    normd_status status = normd_npy_read(file.path, array, error);
    unlink(file.path);
    return status;
}

static const float six[] = {1, 2, 3, 4, 5, 6};

static void all_formats_are_read(void **state)
{
    (void)state;
    for (unsigned char version = 1; version <= 3; version++) {
        normd_array array;
        normd_error error;
        assert_int_equal(
            read_file(make_file(version,
                          "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n", six,
                          sizeof six),
                &array, &error),
            NORMD_OK);
        assert_int_equal(array.dtype, NORMD_F32);
        assert_int_equal(array.shape.rank, 2);
        assert_int_equal(array.shape.dim[0], 2);
        assert_int_equal(array.shape.dim[1], 3);
        assert_memory_equal(array.data, six, sizeof six);
        free(array.data);
    }
}

static void types_and_ranks_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t size;
        normd_dtype dtype;
        uint32_t rank;
    } good[] = {
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }\n", 24, NORMD_F64, 1},
        {"{'descr': '<f2', 'fortran_order': False, 'shape': (3,), }\n", 6, NORMD_F16, 1},
        {"{'descr': '<i8', 'fortran_order': False, 'shape': (), }\n", 8, NORMD_I64, 0},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2, 3), }\n", 6, NORMD_U8, 3},
        {"{'descr': '|b1', 'fortran_order': False, 'shape': (0, 3), }\n", 0, NORMD_BOOL, 2},
        {"{\"shape\":(2,),\"descr\":\"<i4\",\"fortran_order\":False}", 8, NORMD_I32, 1},
    };
    static const char zeros[64];
    for (size_t k = 0; k < sizeof good / sizeof good[0]; k++) {
        normd_array array;
        normd_error error;
        if (read_file(make_file(1, good[k].header, zeros, good[k].size), &array, &error) !=
            NORMD_OK) {
            fail_msg("%s: %s", good[k].header, error.message);
        }
        assert_int_equal(array.dtype, good[k].dtype);
        assert_int_equal(array.shape.rank, good[k].rank);
        free(array.data);
    }
}

static void fortran_order_is_put_into_c_order(void **state)
{
    (void)state;
    static const char *const header =
        "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 4), }\n";
    unsigned char elements[24];
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned j = 0; j < 3; j++) {
            for (unsigned k = 0; k < 4; k++) {
                elements[i + 2 * j + 6 * k] = (unsigned char)(100 * i + 10 * j + k);
            }
        }
    }
    normd_array array;
    normd_error error;
    assert_int_equal(
        read_file(make_file(1, header, elements, sizeof elements), &array, &error), NORMD_OK);
    for (unsigned n = 0; n < sizeof elements; n++) {
        unsigned expected = 100 * (n / 12) + 10 * (n / 4 % 3) + n % 4;
        assert_int_equal(((const unsigned char *)array.data)[n], expected);
    }
    free(array.data);

    static const char *const others[] = {
        "{'descr': '<f4', 'fortran_order': True, 'shape': (6,), }\n",
        "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 6), }\n",
    };
    for (size_t k = 0; k < 2; k++) {
        assert_int_equal(
            read_file(make_file(1, others[k], six, sizeof six), &array, &error), NORMD_OK);
        assert_memory_equal(array.data, six, sizeof six);
        free(array.data);
    }
    assert_int_equal(
        read_file(
            make_file(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (0, 3), }\n", NULL, 0),
            &array, &error),
        NORMD_OK);
    free(array.data);
}

static void what_cannot_be_read_is_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t size;
        const char *part;
    } wrong[] = {
        {"{'descr': '<f4', 'fortran_order': 1, 'shape': (2, 3), }", 24, "fortran_order"},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", 20, "expected 24 bytes"},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }", 24, "the type >f4"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (2, 3), }", 24, "the type |O"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", 8, "(compound)"},
        {"{'fortran_order': False, 'shape': (2,), }", 8, "the type"},
        {"{'descr': '<f4', 'shape': (2,), }", 8, "fortran_order"},
        {"{'descr': '<f4', 'fortran_order': False, }", 8, "a shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, x), }", 8, "a shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2", 8, "a shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", 8, "a shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", 4, "a shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", 8,
            "a shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", 8,
            "a shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 20,
            "expected 24 bytes of elements, got 20"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 25,
            "expected 24 bytes of elements, got 25"},
        {"", 0, "header's length"},
    };
    static const char zeros[64];
    for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
        normd_array array;
        normd_error error;
        assert_int_equal(
            read_file(make_file(1, wrong[k].header, zeros, wrong[k].size), &array, &error),
            NORMD_BAD_ARGUMENT);
        if (strstr(error.message, wrong[k].part) == NULL) {
            fail_msg("%s: %s", wrong[k].header, error.message);
        }
    }
}

static void every_cut_of_a_file_is_refused(void **state)
{
    (void)state;
    temporary_file whole = make_file(
        2, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", six, sizeof six);
    off_t size = 8 + 4 + 60 + sizeof six;
    normd_array array;
    normd_error error;
    assert_int_equal(normd_npy_read(whole.path, &array, &error), NORMD_OK);
    free(array.data);
    for (off_t cut = size - 1; cut >= 0; cut--) {
        assert_int_equal(truncate(whole.path, cut), 0);
        assert_int_equal(normd_npy_read(whole.path, &array, &error), NORMD_BAD_ARGUMENT);
    }
    unlink(whole.path);
}

static void a_written_header_reads_back(void **state)
{
    (void)state;
    temporary_file file = temporary_file_create("", 0);
    FILE *out = fopen(file.path, "wb");
    const normd_shape shape = {.rank = 2, .dim = {2, 3}};
    assert_true(normd_npy_write_header(out, NORMD_F32, &shape));
    assert_int_equal(ftell(out) % 64, 0);
    fwrite(six, 1, sizeof six, out);
    fclose(out);
    normd_array array;
    normd_error error;
    assert_int_equal(read_file(file, &array, &error), NORMD_OK);
    assert_true(normd_shape_equal(&array.shape, &shape));
    assert_memory_equal(array.data, six, sizeof six);
    free(array.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_formats_are_read),
        cmocka_unit_test(types_and_ranks_are_read),
        cmocka_unit_test(fortran_order_is_put_into_c_order),
        cmocka_unit_test(what_cannot_be_read_is_refused_with_the_reason),
        cmocka_unit_test(every_cut_of_a_file_is_refused),
        cmocka_unit_test(a_written_header_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
