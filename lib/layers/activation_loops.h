// SPDX-License-Identifier: Apache-2.0
/*
 * The functions of activation.c in one element type. Included there once for each type, with REAL
 * the type, OF(name) the name of a function for it and MATH(name) the C library's (expf, exp);
 * therefore no guard.
 *
 * VALUE gives y of v = x; SLOPE gives dy/dx of v = x or y, whichever the map in activation.h says.
 * a and b are the layer's arguments. The formulas lose no digits where y is small: erfc and the
 * sigmoid take the place of 1 + erf and 1 + tanh. So each result is a few roundings of the C
 * library's functions, which are within 1 or 2 ulp themselves. A comparison with NaN is false,
 * therefore NaN takes the branch that keeps the value.
 */
#define VALUE(name)                                                                                \
    static inline REAL OF(name)(                                                                   \
        REAL v, REAL a __attribute__((unused)), REAL b __attribute__((unused)))
#define SLOPE(name) VALUE(name##_slope)

static inline REAL OF(logistic)(REAL x)
{
    return 1 / (1 + MATH(exp)(-x));
}

VALUE(leaky_relu)
{
    return v <= 0 ? v * a : v;
}

SLOPE(leaky_relu)
{
    return v > 0 ? 1 : a;
}

VALUE(relu6)
{
    return v < 0 ? 0 : v > 6 ? 6 : v;
}

SLOPE(relu6)
{
    return v <= 0 || v >= 6 ? 0 : 1;
}

VALUE(elu)
{
    return v <= 0 ? a * MATH(expm1)(v) : v;
}

SLOPE(elu)
{
    return v <= 0 ? a * MATH(exp)(v) : 1;
}

#define SELU_ALPHA ((REAL)1.6732632423543772848170429916717)
#define SELU_SCALE ((REAL)1.0507009873554804934193349852946)

VALUE(selu)
{
    return SELU_SCALE * (v <= 0 ? SELU_ALPHA * MATH(expm1)(v) : v);
}

SLOPE(selu)
{
    return SELU_SCALE * (v <= 0 ? SELU_ALPHA * MATH(exp)(v) : 1);
}

VALUE(silu)
{
    return v * OF(logistic)(v);
}

SLOPE(silu)
{
    REAL s = OF(logistic)(v);
    return s * (1 + v * (1 - s));
}

VALUE(hardswish)
{
    REAL gate = v + 3;
    gate = gate < 0 ? 0 : gate > 6 ? 6 : gate;
    return v * gate / 6;
}

SLOPE(hardswish)
{
    return v <= -3 ? 0 : v < 3 ? v / 3 + (REAL)0.5 : 1;
}

VALUE(tanh)
{
    return MATH(tanh)(v);
}

SLOPE(tanh)
{
    return 1 - v * v;
}

VALUE(sigmoid)
{
    return OF(logistic)(v);
}

SLOPE(sigmoid)
{
    return v * (1 - v);
}

VALUE(softplus)
{
    REAL z = v * a;
    REAL size = z < 0 ? -z : z;
    REAL above = z < 0 ? 0 : z;
    return z > b ? v : (above + MATH(log1p)(MATH(exp)(-size))) / a;
}

SLOPE(softplus)
{
    REAL z = v * a;
    return z > b ? 1 : OF(logistic)(z);
}

/* a not 0: with tanh. 0.5 (1 + tanh(z)) is the logistic function of 2 z. */
#define ROOT_OF_HALF ((REAL)0.70710678118654752440)
#define NORMAL_PEAK ((REAL)0.39894228040143267794) /* 1 / sqrt(2 pi) */
#define TWICE_ROOT ((REAL)1.59576912160573071176)  /* 2 sqrt(2 / pi) */
#define CUBE ((REAL)0.044715)

VALUE(gelu)
{
    if (a != 0) {
        return v * OF(logistic)(TWICE_ROOT * (v + CUBE * v * v * v));
    }
    return v * ((REAL)0.5 * MATH(erfc)(-v * ROOT_OF_HALF));
}

SLOPE(gelu)
{
    if (a != 0) {
        REAL s = OF(logistic)(TWICE_ROOT * (v + CUBE * v * v * v));
        return s + v * s * (1 - s) * TWICE_ROOT * (1 + 3 * CUBE * v * v);
    }
    REAL below = (REAL)0.5 * MATH(erfc)(-v * ROOT_OF_HALF);
    return below + v * (NORMAL_PEAK * MATH(exp)((REAL)-0.5 * v * v));
}

#define LOOPS(kind, name, reads_x)                                                                 \
    static void OF(name##_forward)(void *argument, size_t tile)                                    \
    {                                                                                              \
        const activation_loop *loop = argument;                                                    \
        const REAL *x = loop->from;                                                                \
        REAL *y = loop->to;                                                                        \
        const REAL a = (REAL)loop->a, b = (REAL)loop->b;                                           \
        for (size_t i = tile * TILE; i < tile_end(loop, tile); i++) {                              \
            y[i] = OF(name)(x[i], a, b);                                                           \
        }                                                                                          \
    }                                                                                              \
    static void OF(name##_backward)(void *argument, size_t tile)                                   \
    {                                                                                              \
        const activation_loop *loop = argument;                                                    \
        const REAL *read = loop->from;                                                             \
        const REAL *dy = loop->dy;                                                                 \
        REAL *dx = loop->to;                                                                       \
        const REAL a = (REAL)loop->a, b = (REAL)loop->b;                                           \
        for (size_t i = tile * TILE; i < tile_end(loop, tile); i++) {                              \
            dx[i] = dy[i] * OF(name##_slope)(read[i], a, b);                                       \
        }                                                                                          \
    }

NORMD_ACTIVATION_MAP(LOOPS)

#undef LOOPS
#undef VALUE
#undef SLOPE
#undef SELU_ALPHA
#undef SELU_SCALE
#undef ROOT_OF_HALF
#undef NORMAL_PEAK
#undef TWICE_ROOT
#undef CUBE
