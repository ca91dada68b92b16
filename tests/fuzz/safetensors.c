// SPDX-License-Identifier: Apache-2.0
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/exchange/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* Every byte of every tensor can be read, and lies in the file. */
static unsigned char touch(const normd_safetensors *tensors, const uint8_t *data, size_t size)
{
    unsigned char sum = 0;
    for (size_t i = 0; i < normd_safetensors_count(tensors); i++) {
        normd_array array = normd_safetensors_array(tensors, i);
        size_t bytes = normd_array_bytes(&array);
        const unsigned char *at = array.data;
        require(at >= data && bytes <= (size_t)(data + size - at));
        for (size_t k = 0; k < bytes; k++) {
            sum = (unsigned char)(sum + at[k]);
        }
        normd_array found;
        require(normd_safetensors_find(tensors, normd_safetensors_name(tensors, i), &found));
        require(found.data == array.data);
    }
    return sum;
}

/* What was read can be written, and reads the same again. */
static void round_trip(const normd_safetensors *tensors)
{
    size_t count = normd_safetensors_count(tensors);
    normd_named_array *arrays = calloc(count + 1, sizeof *arrays);
    normd_buffer_cache *cache = normd_buffer_cache_create(0);
    require(arrays != NULL && cache != NULL);
    for (size_t i = 0; i < count; i++) {
        arrays[i].name = normd_safetensors_name(tensors, i);
        arrays[i].array = normd_safetensors_array(tensors, i);
    }
    normd_buffer *file;
    normd_safetensors *again;
    require(normd_safetensors_write(cache, arrays, count, NULL, 0, &file, NULL) == NORMD_OK);
    require(normd_safetensors_open(file->data, file->size, &again, NULL) == NORMD_OK);
    require(normd_safetensors_count(again) == count);
    for (size_t i = 0; i < count; i++) {
        normd_array array = normd_safetensors_array(again, i);
        size_t bytes = normd_array_bytes(&array);
        require(strcmp(normd_safetensors_name(again, i), arrays[i].name) == 0);
        require(array.dtype == arrays[i].array.dtype);
        require(normd_shape_equal(&array.shape, &arrays[i].array.shape));
        require(bytes == 0 || memcmp(array.data, arrays[i].array.data, bytes) == 0);
    }
    normd_safetensors_close(again);
    normd_buffer_release(file);
    normd_buffer_cache_destroy(cache);
    free(arrays);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    normd_safetensors *tensors;
    normd_error error = {.status = NORMD_OK};
    normd_status status = normd_safetensors_open(data, size, &tensors, &error);
    require((status == NORMD_OK) == (tensors != NULL));
    if (status != NORMD_OK) {
        require(error.status == status && memcmp(error.message, "data: ", 6) == 0);
        return 0;
    }
    volatile unsigned char sum = touch(tensors, data, size);
    (void)sum;
    round_trip(tensors);
    normd_safetensors_close(tensors);
    return 0;
}
