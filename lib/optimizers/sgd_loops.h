// SPDX-License-Identifier: Apache-2.0
/*
 * The loops of sgd.c in one element type. Included there once for each type, with REAL the type
 * and LOOP(name) the name of a function for it; therefore no guard.
 *
 * A loop reads `count` old weights w and gradients g, changes the momentum buffers b in place, and
 * writes new weights to `out`. Scalars are rounded to the type first, as the frameworks do.
 */

/* g += decay w;  w -= lr g */
static void LOOP(pytorch_plain)(const sgd_scalars *scalars, const REAL *restrict w,
    const REAL *restrict g, REAL *restrict b, REAL *restrict out, size_t count)
{
    (void)b;
    const REAL lr = (REAL)scalars->lr;
    const REAL decay = (REAL)scalars->decay;
    for (size_t i = 0; i < count; i++) {
        REAL decayed = g[i] + decay * w[i];
        out[i] = w[i] - lr * decayed;
    }
}

/* g += decay w;  b = keep b + take g;  w -= lr b */
static void LOOP(pytorch_momentum)(const sgd_scalars *scalars, const REAL *restrict w,
    const REAL *restrict g, REAL *restrict b, REAL *restrict out, size_t count)
{
    const REAL lr = (REAL)scalars->lr;
    const REAL decay = (REAL)scalars->decay;
    const REAL keep = (REAL)scalars->keep;
    const REAL take = (REAL)scalars->take;
    for (size_t i = 0; i < count; i++) {
        REAL decayed = g[i] + decay * w[i];
        b[i] = keep * b[i] + take * decayed;
        out[i] = w[i] - lr * b[i];
    }
}

/* g += decay w;  b = keep b + take g;  w -= lr (g + momentum b) */
static void LOOP(pytorch_nesterov)(const sgd_scalars *scalars, const REAL *restrict w,
    const REAL *restrict g, REAL *restrict b, REAL *restrict out, size_t count)
{
    const REAL lr = (REAL)scalars->lr;
    const REAL decay = (REAL)scalars->decay;
    const REAL keep = (REAL)scalars->keep;
    const REAL take = (REAL)scalars->take;
    const REAL momentum = (REAL)scalars->momentum;
    for (size_t i = 0; i < count; i++) {
        REAL decayed = g[i] + decay * w[i];
        b[i] = keep * b[i] + take * decayed;
        out[i] = w[i] - lr * (decayed + momentum * b[i]);
    }
}

/* w -= w decay lr;  w -= lr g */
static void LOOP(keras_plain)(const sgd_scalars *scalars, const REAL *restrict w,
    const REAL *restrict g, REAL *restrict b, REAL *restrict out, size_t count)
{
    (void)b;
    const REAL lr = (REAL)scalars->lr;
    const REAL decay = (REAL)scalars->decay;
    for (size_t i = 0; i < count; i++) {
        REAL decayed = w[i] - w[i] * decay * lr;
        out[i] = decayed - g[i] * lr;
    }
}

/* w -= w decay lr;  b = momentum b - lr g;  w += b */
static void LOOP(keras_momentum)(const sgd_scalars *scalars, const REAL *restrict w,
    const REAL *restrict g, REAL *restrict b, REAL *restrict out, size_t count)
{
    const REAL lr = (REAL)scalars->lr;
    const REAL decay = (REAL)scalars->decay;
    const REAL momentum = (REAL)scalars->momentum;
    for (size_t i = 0; i < count; i++) {
        REAL decayed = w[i] - w[i] * decay * lr;
        b[i] = b[i] * momentum - g[i] * lr;
        out[i] = decayed + b[i];
    }
}

/* w -= w decay lr;  b = momentum b - lr g;  w += momentum b - lr g */
static void LOOP(keras_nesterov)(const sgd_scalars *scalars, const REAL *restrict w,
    const REAL *restrict g, REAL *restrict b, REAL *restrict out, size_t count)
{
    const REAL lr = (REAL)scalars->lr;
    const REAL decay = (REAL)scalars->decay;
    const REAL momentum = (REAL)scalars->momentum;
    for (size_t i = 0; i < count; i++) {
        REAL decayed = w[i] - w[i] * decay * lr;
        b[i] = b[i] * momentum - g[i] * lr;
        out[i] = decayed + (b[i] * momentum - g[i] * lr);
    }
}

typedef void LOOP(sgd_loop)(const sgd_scalars *scalars, const REAL *restrict w,
    const REAL *restrict g, REAL *restrict b, REAL *restrict out, size_t count);

static void LOOP(update)(const sgd_scalars *scalars, sgd_form form, const normd_update *update)
{
    static LOOP(sgd_loop) *const loops[SGD_FORM_COUNT] = {
        [PYTORCH_PLAIN] = LOOP(pytorch_plain),
        [PYTORCH_MOMENTUM] = LOOP(pytorch_momentum),
        [PYTORCH_NESTEROV] = LOOP(pytorch_nesterov),
        [KERAS_PLAIN] = LOOP(keras_plain),
        [KERAS_MOMENTUM] = LOOP(keras_momentum),
        [KERAS_NESTEROV] = LOOP(keras_nesterov),
    };
    const REAL *weight = update->weight;
    const REAL *gradient = update->gradient;
    REAL *buffer = update->slot[0];
    REAL *new_weight = update->new_weight;
    bool has_buffer = form != PYTORCH_PLAIN && form != KERAS_PLAIN;
    REAL block[NORMD_RULE_BLOCK];
    for (size_t begin = 0; begin < update->count; begin += NORMD_RULE_BLOCK) {
        size_t left = update->count - begin;
        size_t count = left < NORMD_RULE_BLOCK ? left : NORMD_RULE_BLOCK;
        loops[form](scalars, weight + begin, gradient + begin, has_buffer ? buffer + begin : NULL,
            block, count);
        memcpy(new_weight + begin, block, count * sizeof *block);
    }
}
