// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_KERNELS_HALF_H
#define NORMD_KERNELS_HALF_H

#include <stdint.h>
#include <string.h>

/*
 * The two 16-bit formats, to float and back, rounded to nearest even; NaN stays NaN, and becomes
 * quiet. vector/vector.h has the same expressions for vectors.
 */

static inline float normd_float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t normd_bits_of_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* bfloat16 is the upper half of a float. */
static inline float normd_bf16_widen(uint16_t half)
{
    return normd_float_of_bits((uint32_t)half << 16);
}

static inline uint16_t normd_bf16_narrow(float value)
{
    uint32_t bits = normd_bits_of_float(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) {
        return (uint16_t)(bits >> 16 | 0x40u); /* NaN: quiet, so that it cannot become infinity */
    }
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/* Half: 5 bits of exponent with bias 15, 10 bits of fraction. Taken as a float's bits, exponent and
   fraction are too small by 2^112; the multiplication is exact, for denormals too. Only what is not
   finite needs its exponent put there by hand; masks instead of conditions let the compiler make
   vector code of a loop. */
static inline float normd_f16_widen(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, rest = (uint32_t)(half & 0x7fffu) << 13;
    uint32_t bits = normd_bits_of_float(normd_float_of_bits(rest) * 0x1p112f);
    uint32_t not_finite = 0u - (uint32_t)(rest >= 0x0f800000u);
    uint32_t nan = 0u - (uint32_t)(rest > 0x0f800000u);
    return normd_float_of_bits(sign | bits | (not_finite & 0x7f800000u) | (nan & 0x400000u));
}

static inline uint16_t normd_f16_narrow(float value)
{
    uint32_t bits = normd_bits_of_float(value), sign = bits >> 16 & 0x8000u;
    uint32_t rest = bits & 0x7fffffffu;
    if (rest > 0x7f800000u) {
        return (uint16_t)(sign | 0x7e00u | (rest >> 13 & 0x3ffu));
    }
    if (rest >= 0x47800000u) { /* 2^16 and more */
        return (uint16_t)(sign | 0x7c00u);
    }
    if (rest < 0x38800000u) { /* below 2^-14: the addition leaves multiples of 2^-24, rounded */
        float shifted = normd_float_of_bits(rest) + 0.5f;
        return (uint16_t)(sign | (normd_bits_of_float(shifted) - 0x3f000000u));
    }
    rest += 0xc8000fffu + (rest >> 13 & 1u); /* the bias from 127 to 15, and half of a last place */
    return (uint16_t)(sign | rest >> 13);
}

#endif
