// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "lib/losses/elementwise.h"

/*
 * -w (p t log s + (1 - t) log(1 - s)) for a target t, a probability s, the weights w of a column
 * and p of its positive targets: torch.nn.BCEWithLogitsLoss, keras.losses.BinaryCrossentropy.
 */

/* Of a logit, s = 1 / (1 + exp(-y)): -log s = softplus(-y) and -log(1 - s) = softplus(y), with
   softplus(y) = max(y, 0) + log1p(exp(-|y|)), which neither overflows nor cancels. */
static inline double of_logit(double y, double t, double positive, double *slope)
{
    double small = exp(-fabs(y));
    double tail = log1p(small);
    double near = small / (1.0 + small);
    double far = 1.0 / (1.0 + small);
    double s = y < 0.0 ? near : far;
    double not_s = y < 0.0 ? far : near;
    *slope = (1.0 - t) * s - positive * t * not_s;
    return (1.0 - t) * (fmax(y, 0.0) + tail) + positive * t * (fmax(-y, 0.0) + tail);
}

/* Of a probability, which Keras keeps between epsilon and 1 - epsilon; outside there is no
   gradient. */
static inline double of_probability(
    const normd_loss *loss, double y, double t, double positive, double *slope)
{
    double s = y < loss->lowest ? loss->lowest : y > loss->highest ? loss->highest : y;
    *slope = y < s || y > s ? 0.0 : (1.0 - t) / (1.0 - s) - positive * t / s;
    return -(positive * t * log(s) + (1.0 - t) * log1p(-s));
}

static inline double binary(
    const normd_loss *loss, double y, double t, size_t column, double *slope)
{
    double weight = normd_weights_at(&loss->weight, column);
    double positive = normd_weights_at(&loss->pos_weight, column);
    double smooth = t * (1.0 - loss->label_smoothing) + 0.5 * loss->label_smoothing;
    double value = loss->from_logits ? of_logit(y, smooth, positive, slope)
                                     : of_probability(loss, y, smooth, positive, slope);
    *slope *= weight;
    return weight * value;
}

NORMD_ELEMENTWISE_LOOPS(binary)

static void read(normd_loss *loss, normd_options *options, const normd_shape *output)
{
    size_t columns = output->rank > 0 ? output->dim[output->rank - 1] : 0;
    loss->from_logits = normd_options_bool(options, "from_logits", loss->kind->from_logits);
    /* Keras takes the mean over the last axis, and so does its reduction here. */
    (void)normd_options_integer(options, "axis", -1, -1, -1);
    loss->label_smoothing = normd_options_number(options, "label_smoothing", 0.0, 0.0, 1.0);
    normd_weights_read(options, "weight", columns, true, &loss->weight);
    normd_weights_read(options, "pos_weight", columns, true, &loss->pos_weight);
}

static bool describe(const normd_loss *loss, normd_convention convention, json_t *map)
{
    (void)convention;
    return json_object_set_new(map, "from_logits", json_boolean(loss->from_logits)) == 0 &&
           json_object_set_new(map, "label_smoothing", json_real(loss->label_smoothing)) == 0 &&
           json_object_set_new(map, "weight", normd_weights_describe(&loss->weight)) == 0 &&
           json_object_set_new(map, "pos_weight", normd_weights_describe(&loss->pos_weight)) == 0;
}

const normd_loss_kind normd_loss_binary_logits = {
    .name = {"binary_cross_entropy_with_logits", "bce_with_logits", "bce_with_logits_loss"},
    .described = {"binary_cross_entropy_with_logits", "binary_cross_entropy_with_logits"},
    .from_logits = true,
    .metrics = 1 << NORMD_METRIC_ACCURACY,
    .read = read,
    .describe = describe,
    .run = run,
};

const normd_loss_kind normd_loss_binary = {
    .name = {"binary_crossentropy"},
    .described = {"binary_crossentropy", "binary_crossentropy"},
    .metrics = 1 << NORMD_METRIC_ACCURACY,
    .read = read,
    .describe = describe,
    .run = run,
};
