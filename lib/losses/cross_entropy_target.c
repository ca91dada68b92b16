// SPDX-License-Identifier: Apache-2.0
#include "lib/losses/cross_entropy.h"
#include "lib/tensor/convert.h"

/* The shape of labels: that of the output without the axis of the classes. */
static normd_shape labels_shape(const normd_shape *y, uint32_t axis)
{
    normd_shape shape = {.rank = y->rank - 1};
    for (uint32_t from = 0, to = 0; from < y->rank; from++) {
        if (from != axis) {
            shape.dim[to++] = y->dim[from];
        }
    }
    return shape;
}

static normd_status refuse_target(const normd_loss *loss, const normd_loss_pass *pass,
    const normd_shape *labels, normd_error *error)
{
    char of_labels[NORMD_SHAPE_TEXT_BYTES];
    char of_floats[NORMD_SHAPE_TEXT_BYTES];
    char got[NORMD_SHAPE_TEXT_BYTES];
    normd_shape_format(labels, of_labels, sizeof of_labels);
    normd_shape_format(&pass->shape, of_floats, sizeof of_floats);
    normd_shape_format(&pass->target->shape, got, sizeof got);
    const char *title = normd_dtype_title(pass->target->dtype);
    switch (loss->kind->targets) {
    case NORMD_TARGETS_LABELS:
        return normd_error_set(error, NORMD_BAD_SHAPE,
            "target: expected integer labels, shape %s; got %s %s", of_labels, title, got);
    case NORMD_TARGETS_PROBABILITIES:
        return normd_error_set(error, NORMD_BAD_SHAPE,
            "target: expected float probabilities, shape %s; got %s %s", of_floats, title, got);
    case NORMD_TARGETS_ANY:
    default:
        return normd_error_set(error, NORMD_BAD_SHAPE,
            "target: expected integer labels, shape %s, or float probabilities, shape %s; got %s "
            "%s",
            of_labels, of_floats, title, got);
    }
}

static normd_status check_weights(const normd_weights *weights, size_t classes, normd_error *error)
{
    if (weights->value == NULL || weights->count == classes) {
        return NORMD_OK;
    }
    return normd_error_set(error, NORMD_BAD_SHAPE,
        "x: expected a batch whose output has %zu classes, as the loss has weights, got %zu",
        weights->count, classes);
}

normd_status normd_entropy_layout(const normd_loss *loss, const normd_loss_pass *pass,
    normd_entropy_rows *rows, bool *is_labels, normd_error *error)
{
    const normd_array *target = pass->target;
    if (pass->shape.rank < 2) {
        char got[NORMD_SHAPE_TEXT_BYTES];
        return normd_error_set(error, NORMD_BAD_SHAPE,
            "x: expected a batch whose output is (N, classes) for the loss %s, got output %s",
            loss->kind->name[0], normd_shape_format(&pass->shape, got, sizeof got));
    }
    uint32_t axis = normd_loss_class_axis(loss, pass->shape.rank);
    normd_shape labels = labels_shape(&pass->shape, axis);
    bool is_float = normd_dtype_is_float(target->dtype);
    *is_labels = !is_float && target->dtype != NORMD_BOOL &&
                 loss->kind->targets != NORMD_TARGETS_PROBABILITIES &&
                 normd_shape_equal(&target->shape, &labels);
    bool is_probabilities = is_float && loss->kind->targets != NORMD_TARGETS_LABELS &&
                            normd_shape_equal(&target->shape, &pass->shape);
    if (!*is_labels && !is_probabilities) {
        return refuse_target(loss, pass, &labels, error);
    }
    if (is_probabilities && loss->ignores && loss->ignored >= 0) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "target: expected integer labels, since the loss ignores label %lld, got %s",
            (long long)loss->ignored, normd_dtype_title(target->dtype));
    }
    rows->classes = pass->shape.dim[axis];
    rows->stride = 1;
    for (uint32_t after = axis + 1; after < pass->shape.rank; after++) {
        rows->stride *= pass->shape.dim[after];
    }
    rows->rows = normd_array_elements(&(normd_array){.shape = labels});
    rows->per_sample = rows->rows / pass->shape.dim[0];
    normd_status status = check_weights(&loss->weight, rows->classes, error);
    return status == NORMD_OK ? check_weights(&loss->class_weight, rows->classes, error) : status;
}

normd_status normd_entropy_labels(const normd_loss *loss, const normd_array *target,
    const normd_entropy_rows *rows, normd_error *error)
{
    if (!normd_convert_labels(target, rows->labels)) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "target: expected labels in 0 to %zu, got one above the largest int64",
            rows->classes - 1);
    }
    for (size_t row = 0; row < rows->rows; row++) {
        int64_t label = rows->labels[row];
        if (loss->ignores && label == loss->ignored) {
            rows->labels[row] = -1;
        } else if (label < 0 || (uint64_t)label >= rows->classes) {
            return normd_error_set(error, NORMD_BAD_ARGUMENT,
                "target: expected labels in 0 to %zu, got %lld in row %zu", rows->classes - 1,
                (long long)label, row);
        }
    }
    return NORMD_OK;
}

normd_status normd_entropy_divisor(const normd_loss *loss, const normd_entropy_rows *rows,
    double *divisor, double *weights, normd_error *error)
{
    double of_classes = 0.0, of_samples = 0.0, of_both = 0.0;
    size_t counted = 0;
    bool by_label = rows->probabilities == NULL;
    for (size_t row = 0; row < rows->rows; row++) {
        if (rows->labels[row] >= 0) {
            size_t label = (size_t)rows->labels[row];
            double class_weight = normd_weights_at(&loss->class_weight, label);
            double sample_weight = normd_entropy_sample_weight(rows, row);
            of_classes += class_weight * (by_label ? normd_weights_at(&loss->weight, label) : 1.0);
            of_samples += sample_weight;
            of_both += sample_weight * class_weight;
            counted++;
        }
    }
    *weights = of_samples;
    switch (loss->reduction) {
    case NORMD_REDUCE_BATCH:
        *divisor = (double)counted;
        return NORMD_OK;
    case NORMD_REDUCE_SAMPLE_WEIGHTS:
        *divisor = of_both;
        return NORMD_OK;
    case NORMD_REDUCE_MEAN:
        *divisor = rows->sample_weight != NULL ? (double)rows->rows : of_classes;
        break;
    case NORMD_REDUCE_SUM:
    case NORMD_REDUCE_SUM_OF_MEANS:
    case NORMD_REDUCTIONS:
    default:
        *divisor = 1.0;
        break;
    }
    if (*divisor == 0.0) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "target: expected a label that is not ignored and whose class has a weight above 0, "
            "for a mean, got none");
    }
    return NORMD_OK;
}
