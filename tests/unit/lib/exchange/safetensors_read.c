// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/exchange/safetensors.h"
#include "tests/unit/lib/exchange/golden.h"

static void expect_shape(const normd_array *array, const char *text)
{
    char shape[NORMD_SHAPE_TEXT_BYTES];
    assert_string_equal(normd_shape_format(&array->shape, shape, sizeof shape), text);
}

static void a_file_of_the_python_package_is_read(void **state)
{
    (void)state;
    normd_safetensors *tensors;
    normd_error error;
    assert_int_equal(normd_safetensors_open(golden, GOLDEN_BYTES, &tensors, &error), NORMD_OK);
    assert_int_equal(normd_safetensors_count(tensors), 4);
    static const char *const names[] = {"bn.num_batches_tracked", "empty", "bn.weight", "flag"};
    static const char *const shapes[] = {"()", "(0, 3)", "(3,)", "(2,)"};
    static const normd_dtype dtypes[] = {NORMD_I64, NORMD_F64, NORMD_F32, NORMD_BOOL};
    for (size_t i = 0; i < 4; i++) {
        normd_array array = normd_safetensors_array(tensors, i);
        normd_array found;
        assert_string_equal(normd_safetensors_name(tensors, i), names[i]);
        assert_int_equal(array.dtype, dtypes[i]);
        expect_shape(&array, shapes[i]);
        assert_true(normd_safetensors_find(tensors, names[i], &found));
        assert_ptr_equal(found.data, array.data);
    }
    const float weight[3] = {1.0f, -0.5f, 2.0f};
    const int64_t tracked = 7;
    assert_memory_equal(normd_safetensors_array(tensors, 0).data, &tracked, sizeof tracked);
    assert_memory_equal(normd_safetensors_array(tensors, 2).data, weight, sizeof weight);
    normd_array none;
    assert_false(normd_safetensors_find(tensors, "bn.bias", &none));
    assert_false(normd_safetensors_find(tensors, "__metadata__", &none));
    assert_string_equal(normd_safetensors_metadata(tensors, "format"), "pt");
    assert_string_equal(normd_safetensors_metadata(tensors, "by"), "\xc3\xa5");
    assert_null(normd_safetensors_metadata(tensors, "version"));
    normd_safetensors_close(tensors);
    normd_safetensors_close(NULL);
}

static void every_shorter_file_is_refused(void **state)
{
    (void)state;
    for (size_t size = 0; size < GOLDEN_BYTES; size++) {
        /* A copy of its own, so that a sanitizer sees a read beyond the end. */
        char *cut = malloc(size + 1);
        memcpy(cut + 1, golden, size);
        normd_safetensors *tensors = (void *)cut;
        normd_error error;
        assert_int_equal(
            normd_safetensors_open(cut + 1, size, &tensors, &error), NORMD_BAD_ARGUMENT);
        assert_null(tensors);
        assert_memory_equal(error.message, "data: ", 6);
        free(cut);
    }
}

/* A file of this header and so many bytes of data. */
static char *make_file(const char *header, size_t header_bytes, size_t data_bytes, size_t *size)
{
    *size = 8 + header_bytes + data_bytes;
    char *file = calloc(1, *size + 1);
    for (int i = 0; i < 8; i++) {
        file[i] = (char)(header_bytes >> 8 * i);
    }
    memcpy(file + 8, header, header_bytes);
    return file;
}

static normd_status open_header(const char *header, size_t data_bytes, normd_error *error)
{
    size_t size;
    char *file = make_file(header, strlen(header), data_bytes, &size);
    normd_safetensors *tensors;
    normd_status status = normd_safetensors_open(file, size, &tensors, error);
    normd_safetensors_close(tensors);
    free(file);
    return status;
}

#define ENTRY(dtype, shape, offsets)                                                               \
    "{\"a\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define BYTE(name, begin, end)                                                                     \
    "\"" name "\":{\"dtype\":\"U8\",\"shape\":[" #end "],\"data_offsets\":[" begin "," #end "]}"

static void expect_refused(const char *header, size_t data_bytes, const char *message)
{
    normd_error error = {.status = NORMD_OK};
    assert_int_equal(open_header(header, data_bytes, &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message, message);
}

static void valid_headers_are_taken(void **state)
{
    (void)state;
    static const char *const valid[] = {
        "{}", "{\"__metadata__\":{}}   ", "{\"__metadata__\":{\"a\":\"b\"}}"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(open_header(valid[i], 0, NULL), NORMD_OK);
    }
    assert_int_equal(open_header(ENTRY("F32", "[2,3]", "[0,24]"), 24, NULL), NORMD_OK);
    assert_int_equal(open_header(ENTRY("F16", "[1,1,1,1,1,1,1,1]", "[0,2]"), 2, NULL), NORMD_OK);
    /* In any order, with empty tensors between. */
    assert_int_equal(open_header("{\"c\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[3,5]},"
                                 "\"e\":{\"dtype\":\"F64\",\"shape\":[0],\"data_offsets\":[5,5]},"
                                 "\"d\":{\"dtype\":\"F64\",\"shape\":[0],\"data_offsets\":[3,3]},"
                                 "\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}",
                         5, NULL),
        NORMD_OK);
}

static void headers_that_are_no_map_are_refused(void **state)
{
    (void)state;
    normd_error error;
    static const char *const wrong[] = {"", "[]", "1", " {}", "{", "{}x", "{\"a\":NaN}",
        "{\"a\":1,}", "{\"a\\u0000b\":{}}", "{\"\xff\":{}}",
        "{" BYTE("a", "0", 1) "," BYTE("a", "0", 1) "}",
        "{\"__metadata__\":{\"a\":\"b\",\"a\":\"b\"}}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(open_header(wrong[i], 1, &error), NORMD_BAD_ARGUMENT);
        assert_non_null(strstr(error.message, "data: expected a JSON map as the header"));
    }
}

static void entries_of_another_form_are_refused(void **state)
{
    (void)state;
    const char *map = "data: tensor \"a\": expected a map of dtype, shape and data_offsets, got ";
    char message[200];
    snprintf(message, sizeof message, "%s%s", map, "3");
    expect_refused("{\"a\":3}", 0, message);
    snprintf(message, sizeof message, "%s%s", map, "a map");
    expect_refused("{\"a\":{}}", 0, message);
    expect_refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[0]}}", 0, message);
    expect_refused(
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],\"x\":0}}", 0, message);
    expect_refused(
        ENTRY("F8", "[1]", "[0,1]"), 1, "data: tensor \"a\": expected a known dtype, got \"F8\"");
    expect_refused("{\"a\":{\"dtype\":7,\"shape\":[0],\"data_offsets\":[0,0]}}", 0,
        "data: tensor \"a\": expected a known dtype, got 7");
    expect_refused("{\"__metadata__\":[]}", 0,
        "data: tensor \"__metadata__\": expected a map of strings, got []");
    expect_refused("{\"__metadata__\":{\"a\":1}}", 0,
        "data: tensor \"__metadata__\": expected strings only, got 1");
}

static void shapes_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const char *const shapes[][2] = {{"3", "3"}, {"[-1]", "[-1]"}, {"[1.0]", "[1.0]"},
        {"[\"1\"]", "[\"1\"]"}, {"[1,1,1,1,1,1,1,1,1]", "[1, 1, 1, ...]"},
        {"[4294967296,4294967296]", "[4294967296, 4294967296]"},
        {"[9223372036854775807]", "[9223372036854775807]"}, {"null", "null"}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        char header[200];
        char message[200];
        snprintf(header, sizeof header,
            "{\"a\":{\"dtype\":\"U8\",\"shape\":%s,\"data_offsets\":[0,0]}}", shapes[i][0]);
        snprintf(message, sizeof message,
            "data: tensor \"a\": expected a shape of at most 8 sizes that fits in memory, got %s",
            i == 0 ? "3" : shapes[i][1]);
        expect_refused(header, 0, message);
    }
}

static void offsets_outside_the_file_are_refused(void **state)
{
    (void)state;
    static const char *const offsets[][2] = {{"[0,9]", "[0, 9]"}, {"[9,9]", "[9, 9]"},
        {"[4,0]", "[4, 0]"}, {"[-4,0]", "[-4, 0]"}, {"[0]", "[0]"}, {"[0,4,8]", "[0, 4, 8]"},
        {"[0.0,4]", "[0.0, 4]"}, {"[0,9223372036854775807]", "[0, 9223372036854775807]"}};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        char header[200];
        char message[200];
        snprintf(header, sizeof header,
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":%s}}", offsets[i][0]);
        snprintf(message, sizeof message,
            "data: tensor \"a\": expected data_offsets [begin, end] inside the file, got %s",
            offsets[i][1]);
        expect_refused(header, 8, message);
    }
    expect_refused(ENTRY("F32", "[1]", "[0,8]"), 8,
        "data: tensor \"a\": expected data_offsets as long as dtype and shape say, got [0, 8]");
    expect_refused(ENTRY("F32", "[0]", "[0,4]"), 4,
        "data: tensor \"a\": expected data_offsets as long as dtype and shape say, got [0, 4]");
}

static void overlaps_and_holes_are_refused(void **state)
{
    (void)state;
    expect_refused("{" BYTE("a", "0", 1) ",\"b\":{\"dtype\":\"U8\",\"shape\":[1],"
                                         "\"data_offsets\":[2,3]}}",
        3, "data: tensor \"b\": expected data at offset 1, without overlaps and holes, got 2");
    expect_refused("{" BYTE("a", "0", 2) ",\"b\":{\"dtype\":\"U8\",\"shape\":[2],"
                                         "\"data_offsets\":[1,3]}}",
        3, "data: tensor \"b\": expected data at offset 2, without overlaps and holes, got 1");
    expect_refused("{" BYTE("a", "0", 2) "," BYTE("b", "0", 2) "}", 2,
        "data: tensor \"b\": expected data at offset 2, without overlaps and holes, got 0");
    expect_refused("{\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}", 3,
        "data: tensor \"b\": expected data at offset 0, without overlaps and holes, got 1");
    expect_refused("{" BYTE("a", "0", 2) "}", 3, "data: expected 2 bytes of tensors, got 3");
    expect_refused("{}", 1, "data: expected 0 bytes of tensors, got 1");
}

static void a_header_longer_than_the_file_is_refused(void **state)
{
    (void)state;
    normd_safetensors *tensors;
    normd_error error;
    const unsigned char all_ones[16] = {255, 255, 255, 255, 255, 255, 255, 255, '{', '}'};
    assert_int_equal(normd_safetensors_open(all_ones, 16, &tensors, &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(
        error.message, "data: expected a header of at most 8 bytes, got 18446744073709551615");
    const unsigned char nothing[8] = {0};
    assert_int_equal(normd_safetensors_open(nothing, 8, &tensors, &error), NORMD_BAD_ARGUMENT);
    assert_int_equal(normd_safetensors_open(NULL, 0, &tensors, &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message, "data: expected a safetensors file, got 0 bytes");
}

static void headers_that_would_eat_the_memory_are_refused(void **state)
{
    (void)state;
    enum { VALUES = 3 << 20 };
    char *header = malloc(VALUES + 1);
    memset(header, ',', VALUES);
    header[VALUES] = '\0';
    normd_error error;
    assert_int_equal(open_header(header, 0, &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(
        error.message, "data: expected at most 1048576 values in the header, got 3145729");
    /* Nested as deep as fits. */
    memset(header, '[', 1 << 19);
    memcpy(header, "{\"a\":", 5);
    header[1 << 19] = '\0';
    assert_int_equal(open_header(header, 0, &error), NORMD_BAD_ARGUMENT);
    free(header);
}

static void many_tensors_are_read(void **state)
{
    (void)state;
    enum { COUNT = 5000, ENTRY_BYTES = 100 };
    char *header = malloc(COUNT * ENTRY_BYTES);
    size_t used = 0;
    for (int i = 0; i < COUNT; i++) {
        int begin = (i * 7 + 3) % COUNT; /* every byte once: 7 and 5000 have no common divisor */
        used += (size_t)snprintf(header + used, ENTRY_BYTES,
            "%c\"t%d\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[%d,%d]}",
            i == 0 ? '{' : ',', i, begin, begin + 1);
    }
    header[used++] = '}';
    size_t size;
    char *file = make_file(header, used, COUNT, &size);
    normd_safetensors *tensors;
    assert_int_equal(normd_safetensors_open(file, size, &tensors, NULL), NORMD_OK);
    assert_int_equal(normd_safetensors_count(tensors), COUNT);
    assert_string_equal(normd_safetensors_name(tensors, COUNT - 1), "t4999");
    assert_ptr_equal(normd_safetensors_array(tensors, 0).data, file + size - COUNT + 3);
    normd_safetensors_close(tensors);
    free(file);
    free(header);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_the_python_package_is_read),
        cmocka_unit_test(every_shorter_file_is_refused),
        cmocka_unit_test(valid_headers_are_taken),
        cmocka_unit_test(headers_that_are_no_map_are_refused),
        cmocka_unit_test(entries_of_another_form_are_refused),
        cmocka_unit_test(shapes_that_cannot_be_are_refused),
        cmocka_unit_test(offsets_outside_the_file_are_refused),
        cmocka_unit_test(overlaps_and_holes_are_refused),
        cmocka_unit_test(a_header_longer_than_the_file_is_refused),
        cmocka_unit_test(headers_that_would_eat_the_memory_are_refused),
        cmocka_unit_test(many_tensors_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
