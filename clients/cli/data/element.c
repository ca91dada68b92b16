// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/data/element.h"

#include <assert.h>
#include <math.h>

/* IEEE 754 binary16. */
static double half_to_double(uint16_t bits)
{
    int exponent = bits >> 10 & 0x1f;
    int fraction = bits & 0x3ff;
    double magnitude;
    if (exponent == 0x1f) {
        magnitude = fraction != 0 ? (double)NAN : (double)INFINITY;
    } else if (exponent == 0) {
        magnitude = ldexp(fraction, -24);
    } else {
        magnitude = ldexp(fraction | 0x400, exponent - 25);
    }
    return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

double normd_element_load(const normd_array *array, size_t index)
{
    const void *data = array->data;
    switch (array->dtype) {
    case NORMD_F32:
        return ((const float *)data)[index];
    case NORMD_F64:
        return ((const double *)data)[index];
    case NORMD_F16:
        return half_to_double(((const uint16_t *)data)[index]);
    case NORMD_BOOL:
        return ((const uint8_t *)data)[index] != 0;
    case NORMD_I8:
        return ((const int8_t *)data)[index];
    case NORMD_I16:
        return ((const int16_t *)data)[index];
    case NORMD_I32:
        return ((const int32_t *)data)[index];
    case NORMD_I64:
        return (double)((const int64_t *)data)[index];
    case NORMD_U8:
        return ((const uint8_t *)data)[index];
    case NORMD_U16:
        return ((const uint16_t *)data)[index];
    case NORMD_U32:
        return ((const uint32_t *)data)[index];
    case NORMD_U64:
        return (double)((const uint64_t *)data)[index];
    case NORMD_DTYPE_COUNT:
        break;
    }
    return (double)NAN;
}

void normd_element_store(normd_array *array, size_t index, double value)
{
    assert(array->dtype == NORMD_F32 || array->dtype == NORMD_F64);
    if (array->dtype == NORMD_F32) {
        ((float *)array->data)[index] = (float)value;
    } else {
        ((double *)array->data)[index] = value;
    }
}

size_t normd_element_argmax(const normd_array *array, size_t begin, size_t count)
{
    size_t best = 0;
    for (size_t k = 1; k < count; k++) {
        if (normd_element_load(array, begin + k) > normd_element_load(array, begin + best)) {
            best = k;
        }
    }
    return best;
}
