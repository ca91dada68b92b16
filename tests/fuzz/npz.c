// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "lib/exchange/npy.h"
#include "lib/exchange/npz.h"
#include "tests/fuzz/fuzz.h"

/* What an array may take unpacked. */
enum { MOST = 1 << 16, MAX_ARRAYS = 64 };

/* Every byte of the array can be read. */
static unsigned char touch(const normd_array *array)
{
    unsigned char sum = 0;
    const unsigned char *at = array->data;
    for (size_t k = 0; k < normd_array_bytes(array); k++) {
        sum = (unsigned char)(sum + at[k]);
    }
    return sum;
}

/* What was read can be written, and reads the same again. */
static void round_trip(const char *name, const normd_array *array)
{
    normd_buffer_cache *cache = normd_buffer_cache_create(0);
    FUZZ_REQUIRE(cache != NULL);
    normd_buffer *file;
    normd_npz *again;
    normd_array read;
    const normd_named_array named = {.name = name, .array = *array};
    FUZZ_REQUIRE(normd_npz_write(cache, &named, 1, 0, &file, NULL) == NORMD_OK);
    FUZZ_REQUIRE(normd_npz_open(file->data, file->size, &again, NULL) == NORMD_OK);
    FUZZ_REQUIRE(normd_npz_count(again) == 1);
    FUZZ_REQUIRE(normd_npz_read(again, 0, 2 * MOST, &read, NULL) == NORMD_OK);
    size_t bytes = normd_array_bytes(array);
    FUZZ_REQUIRE(read.dtype == array->dtype && normd_shape_equal(&read.shape, &array->shape));
    FUZZ_REQUIRE(bytes == 0 || memcmp(read.data, array->data, bytes) == 0);
    normd_npz_close(again);
    normd_buffer_release(file);
    normd_buffer_cache_destroy(cache);
}

/* The bytes as one member: few inputs are archives whose checksums are right. */
static void read_member(const uint8_t *data, size_t size)
{
    normd_array array;
    bool fortran;
    normd_error error = {.status = NORMD_OK};
    normd_status status = normd_npy_read("a", data, size, &array, &fortran, &error);
    FUZZ_REQUIRE(status == error.status);
    if (status == NORMD_OK) {
        volatile unsigned char sum = touch(&array);
        (void)sum;
        round_trip("a", &array);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_member(data, size);
    normd_npz *npz;
    normd_error error = {.status = NORMD_OK};
    normd_status status = normd_npz_open(data, size, &npz, &error);
    FUZZ_REQUIRE((status == NORMD_OK) == (npz != NULL));
    if (status != NORMD_OK) {
        FUZZ_REQUIRE(error.status == status && memcmp(error.message, "data: ", 6) == 0);
        return 0;
    }
    size_t count = normd_npz_count(npz) < MAX_ARRAYS ? normd_npz_count(npz) : MAX_ARRAYS;
    for (size_t i = 0; i < count; i++) {
        normd_array array;
        size_t found;
        FUZZ_REQUIRE(normd_npz_find(npz, normd_npz_name(npz, i), &found) && found == i);
        if (normd_npz_read(npz, i, MOST, &array, &error) == NORMD_OK) {
            volatile unsigned char sum = touch(&array);
            (void)sum;
            FUZZ_REQUIRE(normd_array_bytes(&array) <= MOST);
        } else {
            FUZZ_REQUIRE(memcmp(error.message, "data: ", 6) == 0);
        }
    }
    normd_npz_close(npz);
    return 0;
}
