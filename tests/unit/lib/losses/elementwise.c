// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/losses/loss_case.h"

/* One element, y 1.5 and its target, so that the loss is the function itself. */
static double value_of(const char *option, double y, double t)
{
    normd_compute compute = open_compute(NORMD_F64);
    normd_array target = {.dtype = NORMD_F64, .shape = {2, {1, 1}}, .data = &t};
    normd_loss *loss = make_loss(option, NULL, NORMD_PYTORCH);
    normd_loss_pass pass = {.compute = &compute, .y = &y, .shape = {2, {1, 1}}, .target = &target};
    run_loss(loss, &pass);
    normd_loss_destroy(loss);
    close_compute(&compute);
    return pass.loss;
}

static void each_follows_its_definition(void **state)
{
    (void)state;
    assert_true(value_of("'mse'", 1.5, -1) == 6.25);
    assert_true(value_of("'l1'", 1.5, -1) == 2.5);
    assert_true(value_of("'huber'", 1.5, -1) == 2.0);
    assert_true(value_of("'huber'", 1.5, 1) == 0.125);
    assert_true(value_of("{'type': 'huber', 'delta': 2}", 1.5, -1) == 3.0);
    assert_true(value_of("'smooth_l1'", 1.5, -1) == 2.0);
    assert_true(value_of("{'type': 'smooth_l1', 'beta': 4}", 1.5, -1) == 0.78125);
    assert_true(value_of("{'type': 'smooth_l1', 'beta': 0}", 1.5, -1) == 2.5);
}

static const char *const options[] = {
    "'mse'",
    "{'type': 'mse', 'reduction': 'sum'}",
    "{'type': 'mse', 'reduction': 'sum_of_means'}",
    "{'type': 'mse', 'reduction': 'mean_with_sample_weight'}",
    "'l1'",
    "{'type': 'huber', 'delta': 0.75}",
    "{'type': 'smooth_l1', 'beta': 0.5}",
    "'binary_cross_entropy_with_logits'",
    "{'type': 'bce_with_logits', 'weight': [0.5, 2, 1], 'pos_weight': [3, 1, 0.25]}",
    "{'type': 'bce_with_logits', 'label_smoothing': 0.25, 'weight': 2}",
    "{'type': 'binary_crossentropy', 'label_smoothing': 0.25, 'pos_weight': 2}",
};

static void every_gradient_matches_differences(void **state)
{
    (void)state;
    normd_compute compute = open_compute(NORMD_F64);
    double wanted[6] = {0, 1, 0.5, 1, 0, 0.25};
    double weights[2] = {0.5, 3};
    normd_array target = {.dtype = NORMD_F64, .shape = {2, {2, 3}}, .data = wanted};
    normd_array sample_weight = {.dtype = NORMD_F64, .shape = {1, {2}}, .data = weights};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        normd_loss *loss = make_loss(options[i], NULL, NORMD_PYTORCH);
        for (size_t weighted = 0; weighted < 2; weighted++) {
            /* Nowhere within a step of a kink. */
            double y[6] = {0.125, 0.875, 0.25, 0.375, 0.625, 0.5};
            normd_loss_pass pass = {
                .compute = &compute,
                .shape = {2, {2, 3}},
                .target = &target,
                .sample_weight = weighted ? &sample_weight : NULL,
            };
            /* Third derivatives are at most 2 / y^3, times weights. */
            check_gradient(loss, &pass, y, 6, 8192);
        }
        normd_loss_destroy(loss);
    }
    close_compute(&compute);
}

static void metrics_are_means_of_the_samples_weights(void **state)
{
    (void)state;
    normd_compute compute = open_compute(NORMD_F32);
    float y[4] = {1, 2, 3, 4};
    float wanted[4] = {0, 4, 3, 0};
    float weights[2] = {3, 1};
    normd_array target = {.dtype = NORMD_F32, .shape = {2, {2, 2}}, .data = wanted};
    normd_array sample_weight = {.dtype = NORMD_F32, .shape = {1, {2}}, .data = weights};
    normd_loss *loss = make_loss("'mse'", "['mae', 'mse']", NORMD_PYTORCH);
    normd_loss_pass pass = {.compute = &compute,
        .y = y,
        .shape = {2, {2, 2}},
        .target = &target,
        .sample_weight = &sample_weight,
        .gradient = y};
    run_loss(loss, &pass);
    assert_false(pass.has_accuracy);
    assert_true(pass.loss == (3 * (1 + 4) + 16) / 4.0);
    assert_true(pass.metric[0].value == (3 * (1 + 2) + 4) / 8.0);
    assert_true(pass.metric[1].value == (3 * (1 + 4) + 16) / 8.0);
    normd_loss_destroy(loss);
    close_compute(&compute);
}

static void a_last_extent_of_one_may_be_left_out_of_the_target(void **state)
{
    (void)state;
    normd_compute compute = open_compute(NORMD_F64);
    double y[3] = {1, 2, 3};
    double wanted[3] = {1, 1, 1};
    normd_array target = {.dtype = NORMD_F64, .shape = {1, {3}}, .data = wanted};
    normd_loss *loss = make_loss("'l1'", NULL, NORMD_PYTORCH);
    normd_loss_pass pass = {.compute = &compute, .y = y, .shape = {2, {3, 1}}, .target = &target};
    run_loss(loss, &pass);
    assert_true(pass.loss == 1.0);
    normd_loss_destroy(loss);
    close_compute(&compute);
}

static void weights_of_columns_must_fit_the_output(void **state)
{
    (void)state;
    normd_compute compute = open_compute(NORMD_F64);
    double y[6] = {0};
    normd_array target = {.dtype = NORMD_F64, .shape = {2, {2, 3}}, .data = y};
    normd_loss *loss =
        make_loss("{'type': 'bce_with_logits', 'pos_weight': [1, 2]}", NULL, NORMD_PYTORCH);
    normd_loss_pass pass = {.compute = &compute, .y = y, .shape = {2, {2, 3}}, .target = &target};
    normd_error error;
    assert_int_equal(normd_loss_run(loss, &pass, &error), NORMD_BAD_SHAPE);
    normd_loss_destroy(loss);
    close_compute(&compute);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_follows_its_definition),
        cmocka_unit_test(every_gradient_matches_differences),
        cmocka_unit_test(metrics_are_means_of_the_samples_weights),
        cmocka_unit_test(a_last_extent_of_one_may_be_left_out_of_the_target),
        cmocka_unit_test(weights_of_columns_must_fit_the_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
