// SPDX-License-Identifier: Apache-2.0
/*
 * The loops of averaging.c in one element type. Included there once for each type, with REAL the
 * type and LOOP(name) the name of a function for it; therefore no guard. Scalars are rounded to the
 * type first, as the frameworks do.
 */

/* torch.lerp: from the nearer end */
static void LOOP(lerp)(double share, size_t count, const REAL *restrict w, REAL *restrict a)
{
    const REAL take = (REAL)share;
    const REAL keep = (REAL)1 - take;
    if (share < 0.5) {
        for (size_t i = 0; i < count; i++) {
            a[i] = a[i] + take * (w[i] - a[i]);
        }
    } else {
        for (size_t i = 0; i < count; i++) {
            a[i] = w[i] - (w[i] - a[i]) * keep;
        }
    }
}

/* a = decay a + (1 - decay) w */
static void LOOP(mix)(double decay, size_t count, const REAL *restrict w, REAL *restrict a)
{
    const REAL keep = (REAL)decay;
    const REAL take = (REAL)1 - keep;
    for (size_t i = 0; i < count; i++) {
        a[i] = keep * a[i] + take * w[i];
    }
}

/* a += (w - a) / n */
static void LOOP(mean)(double n, size_t count, const REAL *restrict w, REAL *restrict a)
{
    const REAL divisor = (REAL)n;
    for (size_t i = 0; i < count; i++) {
        a[i] = a[i] + (w[i] - a[i]) / divisor;
    }
}

static void LOOP(update)(const normd_averaging *averaging, double averaged, size_t count,
    const REAL *restrict w, REAL *restrict a)
{
    if (averaged == 0.0) {
        memcpy(a, w, count * sizeof *a);
    } else if (averaging->type == NORMD_AVERAGING_SWA) {
        LOOP(mean)(averaged + 1.0, count, w, a);
    } else if (averaging->keras) {
        LOOP(mix)(averaging->decay, count, w, a);
    } else {
        LOOP(lerp)(1.0 - averaging->decay, count, w, a);
    }
}
