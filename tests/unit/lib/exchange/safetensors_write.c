// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "lib/exchange/safetensors.h"
#include "tests/unit/lib/exchange/golden.h"

static normd_buffer_cache *cache;

static int make_cache(void **state)
{
    (void)state;
    cache = normd_buffer_cache_create(0);
    return cache == NULL;
}

static int destroy_cache(void **state)
{
    (void)state;
    bool leak = normd_buffer_cache_bytes_out(cache) != 0;
    normd_buffer_cache_destroy(cache);
    return leak;
}

static normd_array vector(normd_dtype dtype, size_t count, void *data)
{
    return (normd_array){.dtype = dtype, .shape = {.rank = 1, .dim = {count}}, .data = data};
}

static void the_bytes_are_those_of_the_python_package(void **state)
{
    (void)state;
    int64_t tracked = 7;
    float weight[3] = {1.0f, -0.5f, 2.0f};
    unsigned char flag[2] = {1, 0};
    const normd_named_array arrays[] = {
        {"bn.num_batches_tracked", {.dtype = NORMD_I64, .data = &tracked}},
        {"empty", {.dtype = NORMD_F64, .shape = {.rank = 2, .dim = {0, 3}}}},
        {"bn.weight", vector(NORMD_F32, 3, weight)},
        {"flag", vector(NORMD_BOOL, 2, flag)},
    };
    json_t *metadata = json_pack("{s:s, s:s}", "format", "pt", "by", "\xc3\xa5");
    normd_buffer *file;
    assert_int_equal(normd_safetensors_write(cache, arrays, 4, metadata, 0, &file, NULL), NORMD_OK);
    assert_int_equal(file->size, GOLDEN_BYTES);
    assert_memory_equal(file->data, golden, GOLDEN_BYTES);
    normd_buffer_release(file);
    json_decref(metadata);
}

static void what_is_written_reads_the_same(void **state)
{
    (void)state;
    unsigned char bytes[8 * NORMD_DTYPE_COUNT + 1];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)(i * 37);
    }
    /* Names whose lengths give every padding; data off its alignment. */
    normd_named_array arrays[NORMD_DTYPE_COUNT];
    static const char *const names[NORMD_DTYPE_COUNT] = {"", "a", "bb", "\"quoted\"", "back\\slash",
        "new\nline", "\xc3\xa5", "layers.0.weight", "x", "yy", "zzz", "wwww"};
    for (int i = 0; i < NORMD_DTYPE_COUNT; i++) {
        arrays[i] = (normd_named_array){names[i], vector((normd_dtype)i, 1, bytes + 8 * i + 1)};
        normd_buffer *file;
        normd_safetensors *tensors;
        size_t count = (size_t)i + 1;
        assert_int_equal(
            normd_safetensors_write(cache, arrays, count, NULL, 0, &file, NULL), NORMD_OK);
        assert_int_equal(normd_safetensors_open(file->data, file->size, &tensors, NULL), NORMD_OK);
        assert_int_equal(((const unsigned char *)file->data)[0] % 8, 0);
        assert_int_equal(normd_safetensors_count(tensors), count);
        for (size_t k = 0; k < count; k++) {
            normd_array array = normd_safetensors_array(tensors, k);
            assert_string_equal(normd_safetensors_name(tensors, k), names[k]);
            assert_int_equal(array.dtype, k);
            assert_memory_equal(array.data, arrays[k].array.data, normd_array_bytes(&array));
        }
        normd_safetensors_close(tensors);
        normd_buffer_release(file);
    }
}

static void a_file_of_nothing_is_a_file(void **state)
{
    (void)state;
    normd_buffer *file;
    assert_int_equal(normd_safetensors_write(cache, NULL, 0, NULL, 0, &file, NULL), NORMD_OK);
    assert_int_equal(file->size, 16);
    assert_memory_equal(file->data, "\x08\0\0\0\0\0\0\0{}      ", 16);
    normd_buffer_release(file);
}

static void a_name_that_stands_twice_is_refused(void **state)
{
    (void)state;
    float value = 1;
    const normd_named_array twice[] = {
        {"a", vector(NORMD_F32, 1, &value)}, {"a", vector(NORMD_F32, 1, &value)}};
    const normd_named_array reserved[] = {{"__metadata__", vector(NORMD_F32, 1, &value)}};
    normd_buffer *file;
    normd_error error;
    assert_int_equal(
        normd_safetensors_write(cache, twice, 2, NULL, 0, &file, &error), NORMD_BAD_ARGUMENT);
    assert_null(file);
    assert_string_equal(
        error.message, "data: expected another name for each tensor, got \"a\" twice");
    assert_int_equal(
        normd_safetensors_write(cache, reserved, 1, NULL, 0, &file, &error), NORMD_BAD_ARGUMENT);
}

static void more_than_a_file_can_hold_is_refused(void **state)
{
    (void)state;
    const normd_named_array arrays[] = {
        {"a", vector(NORMD_F64, SIZE_MAX / 8, NULL)}, {"b", vector(NORMD_F64, SIZE_MAX / 8, NULL)}};
    normd_buffer *file;
    normd_error error;
    assert_int_equal(
        normd_safetensors_write(cache, arrays, 2, NULL, 0, &file, &error), NORMD_TOO_LARGE);
    assert_null(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_are_those_of_the_python_package),
        cmocka_unit_test(what_is_written_reads_the_same),
        cmocka_unit_test(a_file_of_nothing_is_a_file),
        cmocka_unit_test(a_name_that_stands_twice_is_refused),
        cmocka_unit_test(more_than_a_file_can_hold_is_refused),
    };
    return cmocka_run_group_tests(tests, make_cache, destroy_cache);
}
