// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <stdio.h>
#include <string.h>

#include "lib/exchange/npz.h"

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

static void what_is_written_reads_the_same(void **state)
{
    (void)state;
    unsigned char bytes[8 * NORMD_DTYPE_COUNT + 1];
    char names[NORMD_DTYPE_COUNT + 1][16];
    normd_named_array arrays[NORMD_DTYPE_COUNT + 1];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)(i * 37);
    }
    for (int i = 0; i < NORMD_DTYPE_COUNT; i++) {
        snprintf(names[i], sizeof names[i], "arr_%d", i);
        arrays[i] = (normd_named_array){names[i], vector((normd_dtype)i, 1, bytes + 8 * i + 1)};
    }
    arrays[NORMD_DTYPE_COUNT] = (normd_named_array){"empty", vector(NORMD_F64, 0, NULL)};
    for (size_t count = 0; count <= NORMD_DTYPE_COUNT + 1; count++) {
        normd_buffer *file;
        normd_npz *npz;
        normd_error error;
        assert_int_equal(normd_npz_write(cache, arrays, count, 0, &file, &error), NORMD_OK);
        assert_true(normd_npz_detect(file->data, file->size));
        assert_int_equal(normd_npz_open(file->data, file->size, &npz, &error), NORMD_OK);
        assert_int_equal(normd_npz_count(npz), count);
        for (size_t k = 0; k < count; k++) {
            normd_array array;
            assert_string_equal(normd_npz_name(npz, k), arrays[k].name);
            assert_int_equal(normd_npz_read(npz, k, 1 << 20, &array, &error), NORMD_OK);
            assert_int_equal(array.dtype, arrays[k].array.dtype);
            assert_true(normd_shape_equal(&array.shape, &arrays[k].array.shape));
            size_t size = normd_array_bytes(&array);
            assert_true(size == 0 || memcmp(array.data, arrays[k].array.data, size) == 0);
        }
        normd_npz_close(npz);
        normd_buffer_release(file);
    }
}

static void the_same_arrays_give_the_same_bytes(void **state)
{
    (void)state;
    float values[3] = {1, 2, 3};
    const normd_named_array arrays[] = {{"arr_0", vector(NORMD_F32, 3, values)}};
    normd_buffer *file[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(normd_npz_write(cache, arrays, 1, 0, &file[i], NULL), NORMD_OK);
    }
    assert_int_equal(file[0]->size, file[1]->size);
    assert_memory_equal(file[0]->data, file[1]->data, file[0]->size);
    normd_buffer_release(file[0]);
    normd_buffer_release(file[1]);
}

static void a_file_over_the_limit_is_refused(void **state)
{
    (void)state;
    const normd_named_array arrays[] = {{"a", vector(NORMD_F64, SIZE_MAX / 8, NULL)}};
    normd_buffer *file;
    normd_error error;
    assert_int_equal(normd_npz_write(cache, arrays, 1, 1 << 30, &file, &error), NORMD_TOO_LARGE);
    assert_null(file);
    assert_memory_equal(error.message, "data: expected a file of at most 1073741824 bytes", 49);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_the_same),
        cmocka_unit_test(the_same_arrays_give_the_same_bytes),
        cmocka_unit_test(a_file_over_the_limit_is_refused),
    };
    return cmocka_run_group_tests(tests, make_cache, destroy_cache);
}
