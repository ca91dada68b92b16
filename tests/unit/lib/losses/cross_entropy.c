// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/losses/loss_case.h"

enum { MOST = 5000 };

static normd_loss_pass run(const normd_compute *compute, const double *logits, normd_shape shape,
    const normd_array *target, double *gradient)
{
    normd_loss_pass pass = {
        .compute = compute,
        .y = logits,
        .shape = shape,
        .target = target,
        .gradient = gradient,
    };
    normd_loss *loss = make_loss("'cross_entropy'", NULL, NORMD_PYTORCH);
    run_loss(loss, &pass);
    normd_loss_destroy(loss);
    return pass;
}

static void it_follows_the_definition(void **state)
{
    (void)state;
    normd_compute compute = open_compute(NORMD_F64);
    const double logits[6] = {1, 2, 3, 0, 0, -5};
    const int32_t labels[2] = {2, 0};
    normd_array target = {.dtype = NORMD_I32, .shape = {1, {2}}};
    int32_t copy[2];
    memcpy(copy, labels, sizeof copy);
    target.data = copy;
    double gradient[6];
    normd_loss_pass pass = run(&compute, logits, (normd_shape){2, {2, 3}}, &target, gradient);
    double sums[2] = {exp(1) + exp(2) + exp(3), 2 + exp(-5)};
    double expected = (log(sums[0]) - 3 + log(sums[1])) / 2;
    /* A few roundings of numbers of order one to four. */
    assert_true(fabs(pass.loss - expected) <= 8 * DBL_EPSILON);
    for (size_t i = 0; i < 6; i++) {
        double one_hot = i == 2 || i == 3 ? 1 : 0;
        double p = exp(logits[i]) / sums[i / 3];
        assert_true(fabs(gradient[i] - (p - one_hot) / 2) <= 4 * DBL_EPSILON);
    }
    /* Row 1 has two largest: the first counts, and it is the label's. */
    assert_true(pass.has_accuracy);
    assert_true(pass.accuracy == 1.0);
    close_compute(&compute);
}

static void huge_logits_do_not_overflow(void **state)
{
    (void)state;
    normd_compute compute = open_compute(NORMD_F64);
    const double logits[4] = {1e300, -1e300, -1e300, -1e300};
    uint8_t labels[2] = {0, 1};
    normd_array target = {.dtype = NORMD_U8, .shape = {1, {2}}, .data = labels};
    double gradient[4];
    normd_loss_pass pass = run(&compute, logits, (normd_shape){2, {2, 2}}, &target, gradient);
    assert_true(pass.loss == log(2.0) / 2);
    assert_true(gradient[0] == 0.0 && gradient[1] == 0.0);
    assert_true(gradient[2] == 0.25 && gradient[3] == -0.25);
    assert_true(pass.accuracy == 0.5);
    close_compute(&compute);
}

static void probabilities_of_one_class_are_labels(void **state)
{
    (void)state;
    normd_compute compute = open_compute(NORMD_F64);
    static double logits[MOST];
    static double one_hot[MOST];
    static double in_place[MOST];
    int64_t labels[MOST / 5];
    for (size_t i = 0; i < MOST; i++) {
        logits[i] = sin((double)i * 1.7) * 4;
        one_hot[i] = 0;
    }
    for (size_t row = 0; row < MOST / 5; row++) {
        labels[row] = (int64_t)(row * 7 % 5);
        one_hot[row * 5 + (size_t)labels[row]] = 1;
    }
    memcpy(in_place, logits, sizeof in_place);
    normd_shape shape = {2, {MOST / 5, 5}};
    normd_array numbers = {.dtype = NORMD_I64, .shape = {1, {MOST / 5}}, .data = labels};
    normd_array shares = {.dtype = NORMD_F64, .shape = shape, .data = one_hot};
    static double gradient[MOST];
    normd_loss_pass a = run(&compute, logits, shape, &shares, gradient);
    normd_loss_pass b = run(&compute, in_place, shape, &numbers, in_place);
    assert_true(a.loss == b.loss);
    assert_true(a.accuracy == b.accuracy);
    assert_memory_equal(gradient, in_place, sizeof gradient);
    close_compute(&compute);
}

static void the_gradient_of_soft_targets_matches_differences(void **state)
{
    (void)state;
    normd_compute compute = open_compute(NORMD_F64);
    double logits[4] = {0.3, -1.1, 0.8, 0.1};
    /* The second row does not add up to one: the gradient has its sum as a factor. */
    double shares[4] = {0.25, 0.75, 0.9, 0.6};
    normd_shape shape = {2, {2, 2}};
    normd_array target = {.dtype = NORMD_F64, .shape = shape, .data = shares};
    normd_loss *loss = make_loss("'cross_entropy'", NULL, NORMD_PYTORCH);
    normd_loss_pass pass = {.compute = &compute, .shape = shape, .target = &target};
    check_gradient(loss, &pass, logits, 4, 1);
    normd_loss_destroy(loss);
    close_compute(&compute);
}

static void a_target_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    normd_compute compute = open_compute(NORMD_F64);
    double logits[6] = {0};
    uint64_t big[2] = {UINT64_MAX, 0};
    uint8_t flags[2] = {1, 0};
    normd_error error;
    normd_loss *loss = make_loss("'cross_entropy'", NULL, NORMD_PYTORCH);
    normd_loss_pass pass = {.compute = &compute, .y = logits, .shape = {2, {2, 3}}};
    normd_array target = {.dtype = NORMD_U64, .shape = {1, {2}}, .data = big};
    pass.target = &target;
    assert_int_equal(normd_loss_run(loss, &pass, &error), NORMD_BAD_ARGUMENT);
    target = (normd_array){.dtype = NORMD_BOOL, .shape = {1, {2}}, .data = flags};
    assert_int_equal(normd_loss_run(loss, &pass, &error), NORMD_BAD_SHAPE);
    target = (normd_array){.dtype = NORMD_F64, .shape = {1, {2}}, .data = logits};
    assert_int_equal(normd_loss_run(loss, &pass, &error), NORMD_BAD_SHAPE);
    pass.shape = (normd_shape){3, {2, 3, 1}};
    target = (normd_array){.dtype = NORMD_U8, .shape = {1, {2}}, .data = flags};
    assert_int_equal(normd_loss_run(loss, &pass, &error), NORMD_BAD_SHAPE);
    normd_loss_destroy(loss);
    close_compute(&compute);
}

/* Two samples at two places, the classes along axis 1, against the rows one by one. */
static void places_are_rows_with_their_classes_apart(void **state)
{
    (void)state;
    normd_compute compute = open_compute(NORMD_F64);
    double y[12] = {0.5, -1, 2, 0.25, 1, 1, -0.5, 3, 0, 0.75, -2, 1};
    int64_t labels[4] = {2, 0, 1, 1};
    normd_array target = {.dtype = NORMD_I64, .shape = {2, {2, 2}}, .data = labels};
    double gradient[12];
    normd_loss_pass pass = run(&compute, y, (normd_shape){3, {2, 3, 2}}, &target, gradient);
    double rows[12];
    double of_rows[12];
    for (size_t i = 0; i < 12; i++) {
        rows[(i / 6 * 2 + i % 2) * 3 + i / 2 % 3] = y[i];
    }
    target.shape = (normd_shape){1, {4}};
    normd_loss_pass flat = run(&compute, rows, (normd_shape){2, {4, 3}}, &target, of_rows);
    assert_true(pass.loss == flat.loss && pass.accuracy == flat.accuracy);
    for (size_t i = 0; i < 12; i++) {
        assert_true(gradient[i] == of_rows[(i / 6 * 2 + i % 2) * 3 + i / 2 % 3]);
    }
    close_compute(&compute);
}

static const double probabilities[12] = {
    0.2, 0.3, 0.5, 0.7, 0.1, 0.2, 0.25, 0.25, 0.5, 0.4, 0.5, 0.1};

/* Every option, with labels and with probabilities, logits and probabilities. */
static void every_gradient_matches_differences(void **state)
{
    (void)state;
    static const char *const options[] = {
        "{'type': 'cross_entropy', 'label_smoothing': 0.25}",
        "{'type': 'cross_entropy', 'weight': [0.5, 2, 0.25], 'label_smoothing': 0.125}",
        "{'type': 'cross_entropy', 'class_weight': [0.5, 0, 4], 'reduction': 'sum'}",
        "{'type': 'cross_entropy', 'from_logits': false, 'label_smoothing': 0.5}",
        "{'type': 'cross_entropy', 'from_logits': false, 'weight': [1, 3, 2]}",
        "{'type': 'cross_entropy', 'reduction': 'mean_with_sample_weight'}",
    };
    normd_compute compute = open_compute(NORMD_F64);
    double shares[12];
    memcpy(shares, probabilities, sizeof shares);
    double weights[4] = {1, 0.5, 0, 2};
    int32_t labels[4] = {2, 0, -100, 1};
    normd_array targets[] = {
        {.dtype = NORMD_I32, .shape = {1, {4}}, .data = labels},
        {.dtype = NORMD_F64, .shape = {2, {4, 3}}, .data = shares},
    };
    normd_array sample_weight = {.dtype = NORMD_F64, .shape = {1, {4}}, .data = weights};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        normd_loss *loss = make_loss(options[i], NULL, NORMD_PYTORCH);
        for (size_t form = 0; form < 4; form++) {
            double y[12] = {0.5, 0.75, 1, 0.25, 1, 1, 0.5, 2, 0.125, 0.75, 2, 1};
            normd_loss_pass pass = {
                .compute = &compute,
                .shape = {2, {4, 3}},
                .target = &targets[form % 2],
                .sample_weight = form < 2 ? NULL : &sample_weight,
            };
            /* A third derivative of log y is 2 / y^3 for y from an eighth on, times weights. */
            check_gradient(loss, &pass, y, 12, 16384);
        }
        normd_loss_destroy(loss);
    }
    close_compute(&compute);
}

static void ignored_labels_and_weights_move_the_divisor(void **state)
{
    (void)state;
    normd_compute compute = open_compute(NORMD_F64);
    double y[6] = {0};
    int64_t labels[3] = {0, 7, 1};
    double of_samples[3] = {2, 5, 0.5};
    normd_array target = {.dtype = NORMD_I64, .shape = {1, {3}}, .data = labels};
    normd_array weights = {.dtype = NORMD_F64, .shape = {1, {3}}, .data = of_samples};
    /* Each row has the loss log 2; the second is ignored. */
    static const struct {
        const char *reduction;
        double plain, weighted; /* times log 2 */
    } rows[] = {
        {"mean", 1, (2 * 3 + 0.5 * 1) / 3},
        {"sum", 4, 2 * 3 + 0.5},
        {"sum_over_batch_size", 2, (2 * 3 + 0.5) / 2},
        {"mean_with_sample_weight", 1, 1},
    };
    for (size_t i = 0; i < 4; i++) {
        char option[128];
        snprintf(option, sizeof option,
            "{'type': 'cross_entropy', 'ignore_index': 7, 'class_weight': [3, 1], 'reduction': "
            "'%s'}",
            rows[i].reduction);
        normd_loss *loss = make_loss(option, NULL, NORMD_PYTORCH);
        normd_loss_pass pass = {
            .compute = &compute, .y = y, .shape = {2, {3, 2}}, .target = &target};
        run_loss(loss, &pass);
        assert_true(fabs(pass.loss - rows[i].plain * log(2)) <= 8 * DBL_EPSILON);
        assert_true(pass.accuracy == 0.5);
        pass.sample_weight = &weights;
        run_loss(loss, &pass);
        assert_true(fabs(pass.loss - rows[i].weighted * log(2)) <= 8 * DBL_EPSILON);
        assert_true(pass.accuracy == 2 / 2.5);
        normd_loss_destroy(loss);
    }
    close_compute(&compute);
}

static void a_mean_over_no_row_is_refused_in_pytorchs_way_and_0_in_keras(void **state)
{
    (void)state;
    normd_compute compute = open_compute(NORMD_F64);
    double y[4] = {1, 2, 3, 4};
    double gradient[4];
    int64_t labels[2] = {1, 1};
    normd_array target = {.dtype = NORMD_I64, .shape = {1, {2}}, .data = labels};
    normd_loss_pass pass = {
        .compute = &compute, .y = y, .shape = {2, {2, 2}}, .target = &target, .gradient = gradient};
    normd_error error;
    normd_loss *loss =
        make_loss("{'type': 'cross_entropy', 'ignore_index': 1}", NULL, NORMD_PYTORCH);
    assert_int_equal(normd_loss_run(loss, &pass, &error), NORMD_BAD_ARGUMENT);
    normd_loss_destroy(loss);
    loss = make_loss("{'type': 'cross_entropy', 'ignore_class': 1}", NULL, NORMD_KERAS);
    run_loss(loss, &pass);
    assert_true(pass.loss == 0.0 && pass.accuracy == 0.0);
    for (size_t i = 0; i < 4; i++) {
        assert_true(gradient[i] == 0.0);
    }
    normd_loss_destroy(loss);
    close_compute(&compute);
}

static void extreme_logits_have_exact_losses(void **state)
{
    (void)state;
    normd_compute compute = open_compute(NORMD_F32);
    /* exp underflows to nothing beside the largest. */
    float y[6] = {1e4F, -1e4F, 0, -1e4F, -1e4F, -1e4F};
    float gradient[6];
    int8_t labels[2] = {1, 2};
    normd_array target = {.dtype = NORMD_I8, .shape = {1, {2}}, .data = labels};
    normd_loss *loss = make_loss("'cross_entropy'", NULL, NORMD_PYTORCH);
    normd_loss_pass pass = {
        .compute = &compute, .y = y, .shape = {2, {2, 3}}, .target = &target, .gradient = gradient};
    run_loss(loss, &pass);
    assert_true(fabs(pass.loss - (2e4 + log(3)) / 2) <= 2e4 * DBL_EPSILON);
    const float third = (float)(1.0 / 6);
    const float expected[6] = {0.5F, -0.5F, 0, third, third, (float)(-1.0 / 3)};
    assert_memory_equal(gradient, expected, sizeof gradient);
    y[1] = -INFINITY;
    run_loss(loss, &pass);
    assert_true(isinf(pass.loss)); /* which training refuses */
    normd_loss_destroy(loss);
    close_compute(&compute);
}

static void top_k_counts_the_first_of_equals_first(void **state)
{
    (void)state;
    normd_compute compute = open_compute(NORMD_F64);
    double y[8] = {3, 1, 3, 2, 0, 0, 0, 0};
    int64_t labels[2] = {2, 1};
    double weights[2] = {1, 3};
    normd_array target = {.dtype = NORMD_I64, .shape = {1, {2}}, .data = labels};
    normd_array sample_weight = {.dtype = NORMD_F64, .shape = {1, {2}}, .data = weights};
    normd_loss *loss = make_loss("'cross_entropy'",
        "['top_k', {'type': 'top_k', 'k': 1}, {'type': 'top_k', 'k': 2}, 'accuracy']",
        NORMD_PYTORCH);
    normd_loss_pass pass = {.compute = &compute, .y = y, .shape = {2, {2, 4}}, .target = &target};
    run_loss(loss, &pass);
    assert_int_equal(pass.metrics, 4);
    assert_string_equal(pass.metric[0].name, "top_5");
    assert_string_equal(pass.metric[3].name, "accuracy");
    assert_true(pass.metric[0].value == 1 && pass.metric[1].value == 0);
    assert_true(pass.metric[2].value == 1 && pass.metric[3].value == pass.accuracy);
    labels[1] = 0;
    pass.sample_weight = &sample_weight;
    run_loss(loss, &pass);
    assert_true(pass.metric[1].value == 0.75 && pass.accuracy == 0.75);
    normd_loss_destroy(loss);
    close_compute(&compute);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_follows_the_definition),
        cmocka_unit_test(huge_logits_do_not_overflow),
        cmocka_unit_test(probabilities_of_one_class_are_labels),
        cmocka_unit_test(the_gradient_of_soft_targets_matches_differences),
        cmocka_unit_test(a_target_that_does_not_fit_is_refused),
        cmocka_unit_test(places_are_rows_with_their_classes_apart),
        cmocka_unit_test(every_gradient_matches_differences),
        cmocka_unit_test(ignored_labels_and_weights_move_the_divisor),
        cmocka_unit_test(a_mean_over_no_row_is_refused_in_pytorchs_way_and_0_in_keras),
        cmocka_unit_test(extreme_logits_have_exact_losses),
        cmocka_unit_test(top_k_counts_the_first_of_equals_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
