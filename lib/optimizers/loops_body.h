// SPDX-License-Identifier: Apache-2.0
/*
 * The loops of loops.h in one element type. Included there once for each type, with REAL the type,
 * LOOP(name) the name of a function for it and SQRT its root; therefore no guard.
 */

typedef struct LOOP(numbers) {
    REAL l2, shrink, keep, take, keep_1, take_1, keep_2, take_2;
    REAL by_gradient, by_average, eps_inside, eps;
} LOOP(numbers);

/* What each loop takes; the arrays do not overlap. */
#define ARGUMENTS                                                                                  \
    const LOOP(numbers) n, size_t count, const REAL *restrict w, const REAL *restrict g,           \
        REAL *restrict a, REAL *restrict b, REAL *restrict c, REAL *restrict out
#define EACH for (size_t i = 0; i < count; i++)
#define UNUSED(slot) (void)(slot)

static void LOOP(sgd)(ARGUMENTS)
{
    UNUSED(a), UNUSED(b), UNUSED(c);
    EACH
    {
        REAL gradient = g[i] + n.l2 * w[i];
        out[i] = n.shrink * w[i] - n.by_gradient * gradient;
    }
}

static void LOOP(momentum)(ARGUMENTS)
{
    UNUSED(b), UNUSED(c);
    EACH
    {
        REAL gradient = g[i] + n.l2 * w[i];
        a[i] = n.keep * a[i] + n.take * gradient;
        out[i] = n.shrink * w[i] - (n.by_gradient * gradient + n.by_average * a[i]);
    }
}

static void LOOP(adam)(ARGUMENTS)
{
    UNUSED(c);
    EACH
    {
        REAL gradient = g[i] + n.l2 * w[i];
        a[i] = a[i] + n.take_1 * (gradient - a[i]);
        b[i] = n.keep_2 * b[i] + n.take_2 * gradient * gradient;
        out[i] = n.shrink * w[i] - n.by_average * a[i] / (SQRT(b[i]) + n.eps);
    }
}

static void LOOP(amsgrad)(ARGUMENTS)
{
    EACH
    {
        REAL gradient = g[i] + n.l2 * w[i];
        a[i] = a[i] + n.take_1 * (gradient - a[i]);
        b[i] = n.keep_2 * b[i] + n.take_2 * gradient * gradient;
        c[i] = c[i] > b[i] ? c[i] : b[i];
        out[i] = n.shrink * w[i] - n.by_average * a[i] / (SQRT(c[i]) + n.eps);
    }
}

static void LOOP(nadam)(ARGUMENTS)
{
    UNUSED(c);
    EACH
    {
        REAL gradient = g[i] + n.l2 * w[i];
        a[i] = a[i] + n.take_1 * (gradient - a[i]);
        b[i] = n.keep_2 * b[i] + n.take_2 * gradient * gradient;
        REAL step = n.by_gradient * gradient + n.by_average * a[i];
        out[i] = n.shrink * w[i] - step / (SQRT(b[i]) + n.eps);
    }
}

/* The sign of 0 is 0, and that of no number is none. */
static void LOOP(lion)(ARGUMENTS)
{
    UNUSED(b), UNUSED(c);
    EACH
    {
        REAL gradient = g[i] + n.l2 * w[i];
        REAL mixed = n.keep_1 * a[i] + n.take_1 * gradient;
        REAL up = mixed > 0 ? (REAL)1 : (REAL)0;
        REAL sign = mixed < 0 ? (REAL)-1 : up;
        sign = mixed == mixed ? sign : mixed;
        a[i] = n.keep_2 * a[i] + n.take_2 * gradient;
        out[i] = n.shrink * w[i] - n.by_gradient * sign;
    }
}

static void LOOP(adagrad)(ARGUMENTS)
{
    UNUSED(b), UNUSED(c);
    EACH
    {
        REAL gradient = g[i] + n.l2 * w[i];
        a[i] = a[i] + gradient * gradient;
        REAL denominator = SQRT(a[i] + n.eps_inside) + n.eps;
        out[i] = n.shrink * w[i] - n.by_gradient * gradient / denominator;
    }
}

static void LOOP(rmsprop)(ARGUMENTS)
{
    UNUSED(b), UNUSED(c);
    EACH
    {
        REAL gradient = g[i] + n.l2 * w[i];
        a[i] = n.keep_2 * a[i] + n.take_2 * gradient * gradient;
        REAL denominator = SQRT(a[i] + n.eps_inside) + n.eps;
        out[i] = n.shrink * w[i] - n.by_gradient * gradient / denominator;
    }
}

static void LOOP(rmsprop_heavy)(ARGUMENTS)
{
    UNUSED(c);
    EACH
    {
        REAL gradient = g[i] + n.l2 * w[i];
        a[i] = n.keep_2 * a[i] + n.take_2 * gradient * gradient;
        REAL denominator = SQRT(a[i] + n.eps_inside) + n.eps;
        b[i] = n.keep * b[i] + n.by_gradient * gradient / denominator;
        out[i] = n.shrink * w[i] - n.by_average * b[i];
    }
}

static void LOOP(rmsprop_centered)(ARGUMENTS)
{
    UNUSED(b);
    EACH
    {
        REAL gradient = g[i] + n.l2 * w[i];
        a[i] = n.keep_2 * a[i] + n.take_2 * gradient * gradient;
        c[i] = n.keep_2 * c[i] + n.take_2 * gradient;
        REAL denominator = SQRT(a[i] - c[i] * c[i] + n.eps_inside) + n.eps;
        out[i] = n.shrink * w[i] - n.by_gradient * gradient / denominator;
    }
}

static void LOOP(rmsprop_centered_heavy)(ARGUMENTS)
{
    EACH
    {
        REAL gradient = g[i] + n.l2 * w[i];
        a[i] = n.keep_2 * a[i] + n.take_2 * gradient * gradient;
        c[i] = n.keep_2 * c[i] + n.take_2 * gradient;
        REAL denominator = SQRT(a[i] - c[i] * c[i] + n.eps_inside) + n.eps;
        b[i] = n.keep * b[i] + n.by_gradient * gradient / denominator;
        out[i] = n.shrink * w[i] - n.by_average * b[i];
    }
}

static void LOOP(run)(const normd_coefficients *k, const normd_update *update)
{
    typedef void loop_function(ARGUMENTS);
    static loop_function *const loops[NORMD_LOOP_COUNT] = {
        [NORMD_LOOP_SGD] = LOOP(sgd),
        [NORMD_LOOP_MOMENTUM] = LOOP(momentum),
        [NORMD_LOOP_ADAM] = LOOP(adam),
        [NORMD_LOOP_AMSGRAD] = LOOP(amsgrad),
        [NORMD_LOOP_NADAM] = LOOP(nadam),
        [NORMD_LOOP_LION] = LOOP(lion),
        [NORMD_LOOP_ADAGRAD] = LOOP(adagrad),
        [NORMD_LOOP_RMSPROP] = LOOP(rmsprop),
        [NORMD_LOOP_RMSPROP_HEAVY] = LOOP(rmsprop_heavy),
        [NORMD_LOOP_RMSPROP_CENTERED] = LOOP(rmsprop_centered),
        [NORMD_LOOP_RMSPROP_CENTERED_HEAVY] = LOOP(rmsprop_centered_heavy),
    };
    const LOOP(numbers) numbers = {
        .l2 = (REAL)k->l2,
        .shrink = (REAL)k->shrink,
        .keep = (REAL)k->keep,
        .take = (REAL)k->take,
        .keep_1 = (REAL)k->keep_1,
        .take_1 = (REAL)k->take_1,
        .keep_2 = (REAL)k->keep_2,
        .take_2 = (REAL)k->take_2,
        .by_gradient = (REAL)k->by_gradient,
        .by_average = (REAL)k->by_average,
        .eps_inside = (REAL)k->eps_inside,
        .eps = (REAL)k->eps,
    };
    loops[k->loop](numbers, update->count, update->weight, update->gradient, update->slot[0],
        update->slot[1], update->slot[2], update->new_weight);
}

static void LOOP(scale)(double limit, double factor, const void *gradient, void *to, size_t count)
{
    const REAL most = (REAL)limit;
    const REAL by = (REAL)factor;
    const REAL *restrict g = gradient;
    REAL *restrict out = to;
    EACH
    {
        REAL value = g[i] > most ? most : g[i];
        value = value < -most ? -most : value;
        out[i] = value * by;
    }
}

#undef ARGUMENTS
#undef EACH
#undef UNUSED
