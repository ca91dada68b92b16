// SPDX-License-Identifier: Apache-2.0
#include "lib/layers/layer.h"
#include "lib/losses/cross_entropy.h"

/* What PyTorch ignores unless told otherwise. */
enum { PYTORCH_IGNORE_INDEX = -100 };

static const char *ignored_name(normd_convention convention)
{
    return convention == NORMD_KERAS ? "ignore_class" : "ignore_index";
}

static void read_ignored(normd_loss *loss, normd_options *options)
{
    bool keras = loss->convention == NORMD_KERAS;
    const char *key = normd_layer_key(
        options, ignored_name(loss->convention), ignored_name(keras ? NORMD_PYTORCH : NORMD_KERAS));
    const json_t *value = normd_options_any(options, key);
    loss->ignores = value == NULL ? !keras : !json_is_null(value);
    loss->ignored = value == NULL ? PYTORCH_IGNORE_INDEX : json_integer_value(value);
    if (value != NULL && !json_is_integer(value) && !json_is_null(value)) {
        char got[NORMD_OPTIONS_SHOW_BYTES];
        normd_options_fail(options, key, "expected a label (an integer) or null, got %s",
            normd_options_show(value, got, sizeof got));
    }
}

static void read_axis(normd_loss *loss, normd_options *options)
{
    int otherwise = loss->convention == NORMD_KERAS ? -1 : 1;
    loss->axis = (int)normd_options_integer(options, "axis", otherwise, -1, 1);
    if (loss->axis == 0) {
        normd_options_fail(options, "axis", "expected 1 or -1, got 0, the axis of samples");
    }
}

/* `weight` and `class_weight` are the two frameworks' ways for the same end. */
static void read_weights(normd_loss *loss, normd_options *options, size_t classes)
{
    normd_weights_read(options, "weight", classes, false, &loss->weight);
    normd_weights_read_map(options, "class_weight", classes, &loss->class_weight);
    if (loss->weight.value != NULL && loss->class_weight.value != NULL) {
        normd_options_fail(
            options, "class_weight", "expected one way to weigh classes, got \"weight\" as well");
    }
}

void normd_cross_entropy_read(normd_loss *loss, normd_options *options, const normd_shape *output)
{
    normd_loss_targets targets = loss->kind->targets;
    read_axis(loss, options);
    uint32_t axis = output->rank == 0 ? 0 : normd_loss_class_axis(loss, output->rank);
    read_weights(loss, options, output->rank == 0 ? 0 : output->dim[axis]);
    loss->from_logits = normd_options_bool(options, "from_logits", loss->kind->from_logits);
    if (targets != NORMD_TARGETS_LABELS) {
        loss->label_smoothing = normd_options_number(options, "label_smoothing", 0.0, 0.0, 1.0);
    }
    if (targets != NORMD_TARGETS_PROBABILITIES) {
        read_ignored(loss, options);
    }
}

bool normd_cross_entropy_describe(const normd_loss *loss, normd_convention convention, json_t *map)
{
    normd_loss_targets targets = loss->kind->targets;
    json_t *ignored = loss->ignores ? json_integer(loss->ignored) : json_null();
    bool ok = normd_layer_put(map, "axis", json_integer(loss->axis)) &&
              normd_layer_put(map, "weight", normd_weights_describe(&loss->weight)) &&
              normd_layer_put(map, "class_weight", normd_weights_describe(&loss->class_weight)) &&
              normd_layer_put(map, "from_logits", json_boolean(loss->from_logits));
    if (targets != NORMD_TARGETS_LABELS) {
        ok = ok && normd_layer_put(map, "label_smoothing", json_real(loss->label_smoothing));
    }
    if (targets != NORMD_TARGETS_PROBABILITIES) {
        return ok && normd_layer_put(map, ignored_name(convention), ignored);
    }
    json_decref(ignored);
    return ok;
}
