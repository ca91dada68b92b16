// SPDX-License-Identifier: Apache-2.0
/*
 * The loops of adam.c in one element type. Included there once for each type, with REAL the type,
 * LOOP(name) the name of a function for it and SQRT its root; therefore no guard.
 *
 * A loop reads `count` old weights w and gradients g, changes the averages m and v in place, and
 * writes new weights to `out`. Scalars are rounded to the type first, as the frameworks do.
 */

/* g += decay w;  m += (g - m) (1 - beta1);  v = beta2 v + (1 - beta2) g g;
   w -= step m / (sqrt(v) / root_correction + eps) */
static void LOOP(pytorch)(const adam_scalars *scalars, const REAL *restrict w,
    const REAL *restrict g, REAL *restrict m, REAL *restrict v, REAL *restrict out, size_t count)
{
    const REAL decay = (REAL)scalars->decay;
    const REAL take_1 = (REAL)scalars->take_1;
    const REAL keep_2 = (REAL)scalars->keep_2;
    const REAL take_2 = (REAL)scalars->take_2;
    const REAL root_correction = (REAL)scalars->root_correction;
    const REAL step = (REAL)scalars->step;
    const REAL eps = (REAL)scalars->eps;
    for (size_t i = 0; i < count; i++) {
        REAL decayed = g[i] + decay * w[i];
        m[i] = m[i] + take_1 * (decayed - m[i]);
        v[i] = v[i] * keep_2 + take_2 * decayed * decayed;
        REAL denominator = SQRT(v[i]) / root_correction + eps;
        out[i] = w[i] - step * m[i] / denominator;
    }
}

/* w -= w decay lr;  m += (g - m) (1 - beta1);  v += (g g - v) (1 - beta2);
   w -= m step / (sqrt(v) + eps), where the step holds both corrections */
static void LOOP(keras)(const adam_scalars *scalars, const REAL *restrict w, const REAL *restrict g,
    REAL *restrict m, REAL *restrict v, REAL *restrict out, size_t count)
{
    const REAL lr = (REAL)scalars->lr;
    const REAL decay = (REAL)scalars->decay;
    const REAL take_1 = (REAL)scalars->take_1;
    const REAL take_2 = (REAL)scalars->take_2;
    const REAL step = (REAL)scalars->step;
    const REAL eps = (REAL)scalars->eps;
    for (size_t i = 0; i < count; i++) {
        REAL decayed = w[i] - w[i] * decay * lr;
        m[i] = m[i] + (g[i] - m[i]) * take_1;
        v[i] = v[i] + (g[i] * g[i] - v[i]) * take_2;
        out[i] = decayed - m[i] * step / (SQRT(v[i]) + eps);
    }
}

static void LOOP(update)(const adam_scalars *scalars, bool keras, const normd_update *update)
{
    const REAL *weight = update->weight;
    const REAL *gradient = update->gradient;
    REAL *average = update->slot[0];
    REAL *square = update->slot[1];
    REAL *new_weight = update->new_weight;
    REAL block[NORMD_RULE_BLOCK];
    for (size_t begin = 0; begin < update->count; begin += NORMD_RULE_BLOCK) {
        size_t left = update->count - begin;
        size_t count = left < NORMD_RULE_BLOCK ? left : NORMD_RULE_BLOCK;
        (keras ? LOOP(keras) : LOOP(pytorch))(scalars, weight + begin, gradient + begin,
            average + begin, square + begin, block, count);
        memcpy(new_weight + begin, block, count * sizeof *block);
    }
}
