// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/losses/loss_case.h"

/* Options, metrics (or NULL), and what the message begins with. */
static const struct {
    const char *option, *metrics, *message;
} refused[] = {
    {"'hinge'", NULL, "loss: expected one of \"cross_entropy\", \"categorical_crossentropy\""},
    {"{}", NULL, "loss.type: expected the kind of loss, got nothing"},
    {"3", NULL, "loss: expected a map, got 3"},
    {"{'type': 'mse', 'delta': 1}", NULL,
        "loss: expected the keys \"type\", \"reduction\", got \"delta\""},
    {"{'type': 'mse', 'reduction': 'none'}", NULL, "loss.reduction: expected one of \"mean\""},
    {"{'type': 'huber', 'delta': 0}", NULL, "loss.delta: expected a number above 0, got 0"},
    {"{'type': 'huber', 'delta': -1}", NULL, "loss.delta: expected a number in [0, inf], got -1"},
    {"{'type': 'smooth_l1', 'beta': '1'}", NULL, "loss.beta: expected a number in [0, inf]"},
    {"{'type': 'cross_entropy', 'label_smoothing': 1.5}", NULL,
        "loss.label_smoothing: expected a number in [0, 1], got 1.5"},
    {"{'type': 'cross_entropy', 'ignore_index': 1.5}", NULL,
        "loss.ignore_index: expected a label (an integer) or null, got 1.5"},
    {"{'type': 'cross_entropy', 'ignore_index': 1, 'ignore_class': 1}", NULL,
        "loss.ignore_class: expected one name of this option"},
    {"{'type': 'cross_entropy', 'weight': [1, 2]}", NULL, "loss.weight: expected 3 values, got 2"},
    {"{'type': 'cross_entropy', 'weight': [1, 2, -1]}", NULL,
        "loss.weight: expected values of 0 or more, got -1 at index 2"},
    {"{'type': 'cross_entropy', 'weight': [1, 2, 'x']}", NULL,
        "loss.weight: expected a finite number at index 2"},
    {"{'type': 'cross_entropy', 'weight': 2}", NULL,
        "loss.weight: expected a list or a vector of 1 to 65536 numbers, got 2"},
    {"{'type': 'cross_entropy', 'weight': []}", NULL, "loss.weight: expected a list or a vector"},
    {"{'type': 'cross_entropy', 'weight': {'$array': 4}}", NULL,
        "loss.weight: expected a list or a vector"},
    {"{'type': 'cross_entropy', 'weight': [1, 1, 1], 'class_weight': [1, 1, 1]}", NULL,
        "loss.class_weight: expected one way to weigh classes"},
    {"{'type': 'cross_entropy', 'axis': 0}", NULL, "loss.axis: expected 1 or -1, got 0"},
    {"{'type': 'cross_entropy', 'from_logits': 1}", NULL, "loss.from_logits: expected true"},
    {"{'type': 'sparse_categorical_crossentropy', 'label_smoothing': 0.1}", NULL,
        "loss: expected the keys"},
    {"{'type': 'categorical_crossentropy', 'ignore_class': 1}", NULL, "loss: expected the keys"},
    {"{'type': 'bce_with_logits', 'pos_weight': [1]}", NULL,
        "loss.pos_weight: expected 3 values, got 1"},
    {"{'type': 'bce_with_logits', 'pos_weight': 'x'}", NULL,
        "loss.pos_weight: expected a number, or a list or a vector"},
    {"{'type': 'bce_with_logits', 'weight': -2}", NULL,
        "loss.weight: expected values of 0 or more, got -2"},
    {"null", "['accuracy']", "metrics: expected a loss beside them, got none"},
    {"'mse'", "['accuracy']", "metrics[0]: expected one of \"mae\", \"mse\""},
    {"'cross_entropy'", "['mae']", "metrics[0]: expected one of \"accuracy\", \"top_k\""},
    {"'cross_entropy'", "'accuracy'", "metrics: expected a list of at most 8 names or maps"},
    {"'cross_entropy'", "[{'type': 'top_k', 'k': 0}]",
        "metrics[0].k: expected an integer in [1, 1048576], got 0"},
    {"'cross_entropy'", "[{'k': 1}]", "metrics[0].type: expected the kind of metric, got nothing"},
    {"'cross_entropy'", "['top_k', {'type': 'top_k', 'k': 5}]",
        "metrics[1]: expected each metric once, got \"top_5\" again"},
    {"'cross_entropy'", "['accuracy', {'type': 'accuracy', 'k': 1}]",
        "metrics[1]: expected the keys \"type\", got \"k\""},
    {"'cross_entropy'", "[7]", "metrics[0]: expected a map, got 7"},
};

static void wrong_options_are_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        normd_loss *loss;
        normd_error error = {.status = NORMD_OK};
        normd_status status = try_loss(refused[i].option, refused[i].metrics, NORMD_PYTORCH,
            (normd_shape){2, {0, 3}}, &loss, &error);
        if (status != NORMD_BAD_ARGUMENT ||
            strncmp(error.message, refused[i].message, strlen(refused[i].message)) != 0) {
            fail_msg("%s: \"%s\"", refused[i].option, error.message);
        }
        assert_null(loss);
    }
}

static void assert_described(
    const char *option, normd_convention made, normd_convention asked, const char *description)
{
    normd_loss *loss = make_loss(option, NULL, made);
    json_t *got = normd_loss_describe(loss, asked);
    json_t *want = json_of(description);
    if (!json_equal(got, want)) {
        char *text = json_dumps(got, JSON_COMPACT);
        fail_msg("%s: %s", option, text);
    }
    json_decref(got);
    json_decref(want);
    normd_loss_destroy(loss);
}

static void descriptions_fill_in_the_conventions_defaults(void **state)
{
    (void)state;
    assert_described("'mse'", NORMD_PYTORCH, NORMD_PYTORCH, "{'type': 'mse', 'reduction': 'mean'}");
    assert_described("'mse'", NORMD_KERAS, NORMD_KERAS,
        "{'type': 'mean_squared_error', 'reduction': 'sum_over_batch_size'}");
    assert_described("{'type': 'mae', 'reduction': 'sum'}", NORMD_KERAS, NORMD_PYTORCH,
        "{'type': 'l1', 'reduction': 'sum_of_means'}");
    assert_described("{'type': 'huber', 'reduction': 'sum'}", NORMD_PYTORCH, NORMD_KERAS,
        "{'type': 'huber', 'reduction': 'sum_of_elements', 'delta': 1.0}");
    assert_described("'cross_entropy'", NORMD_PYTORCH, NORMD_PYTORCH,
        "{'type': 'cross_entropy', 'reduction': 'mean', 'axis': 1, 'weight': null, "
        "'class_weight': null, 'from_logits': true, 'label_smoothing': 0.0, 'ignore_index': -100}");
    assert_described("{'type': 'sparse_categorical_crossentropy', 'class_weight': [1, 2], "
                     "'reduction': 'sum'}",
        NORMD_KERAS, NORMD_KERAS,
        "{'type': 'sparse_categorical_crossentropy', 'reduction': 'sum', 'axis': -1, 'weight': "
        "null, 'class_weight': [1.0, 2.0], 'from_logits': false, 'ignore_class': null}");
    assert_described("'binary_crossentropy'", NORMD_KERAS, NORMD_KERAS,
        "{'type': 'binary_crossentropy', 'reduction': 'sum_over_batch_size', 'from_logits': false, "
        "'label_smoothing': 0.0, 'weight': null, 'pos_weight': null}");
}

/* What describe says in a convention makes the same loss in it. */
static void descriptions_can_be_read_again(void **state)
{
    (void)state;
    static const char *const options[] = {"'l1'", "'smooth_l1'",
        "{'type': 'cross_entropy', 'weight': [1, 2.5], 'ignore_index': 3, 'label_smoothing': 0.5}",
        "{'type': 'bce_with_logits', 'weight': 2, 'pos_weight': [3]}",
        "{'type': 'mse', 'reduction': 'mean_with_sample_weight'}"};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        for (int c = 0; c < NORMD_CONVENTION_COUNT; c++) {
            normd_loss *loss = make_loss(options[i], NULL, NORMD_PYTORCH);
            json_t *first = normd_loss_describe(loss, (normd_convention)c);
            normd_loss_source source = {.option = first, .convention = (normd_convention)c};
            normd_loss *again;
            normd_error error;
            if (normd_loss_create(&source, &again, &error) != NORMD_OK) {
                fail_msg("%s", error.message);
            }
            json_t *second = normd_loss_describe(again, (normd_convention)c);
            assert_true(json_equal(first, second));
            json_decref(first);
            json_decref(second);
            normd_loss_destroy(again);
            normd_loss_destroy(loss);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_options_are_refused_by_name),
        cmocka_unit_test(descriptions_fill_in_the_conventions_defaults),
        cmocka_unit_test(descriptions_can_be_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
