// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include "tests/unit/lib/optimizers/three_steps.h"

static void factors_are_those_of_the_convention(void **state)
{
    (void)state;
    normd_optimizer *pytorch = make_optimizer("{\"clip_grad_norm\": 2}", NORMD_PYTORCH);
    normd_optimizer *keras = make_optimizer("{\"clipnorm\": 2}", NORMD_KERAS);
    assert_int_equal(normd_optimizer_clipping(pytorch)->kind, NORMD_CLIP_NORM);
    assert_int_equal(normd_optimizer_clipping(keras)->kind, NORMD_CLIP_NORM_EACH);
    /* PyTorch's is below 1 from a norm of 2 - 1e-6 on. */
    assert_true(normd_optimizer_clip_factor(pytorch, 2.0) == 2.0 / (2.0 + 1e-6));
    assert_true(normd_optimizer_clip_factor(pytorch, 1.9) == 1.0);
    assert_true(normd_optimizer_clip_factor(pytorch, 0.0) == 1.0);
    assert_true(normd_optimizer_clip_factor(keras, 2.0) == 1.0);
    assert_true(normd_optimizer_clip_factor(keras, 8.0) == 0.25);
    assert_true(normd_optimizer_clip_factor(keras, 0.0) == 1.0);
    normd_optimizer_destroy(pytorch);
    normd_optimizer_destroy(keras);
}

static void both_conventions_names_are_taken(void **state)
{
    (void)state;
    static const struct {
        const char *option;
        normd_clipping_kind kind;
    } cases[] = {
        {"{\"clip_grad_value\": 0.5}", NORMD_CLIP_VALUE},
        {"{\"clipvalue\": 0.5}", NORMD_CLIP_VALUE},
        {"{\"clip_grad_norm\": 0.5}", NORMD_CLIP_NORM},
        {"{\"global_clipnorm\": 0.5}", NORMD_CLIP_NORM},
        {"{\"clip_grad_norm_each\": 0.5}", NORMD_CLIP_NORM_EACH},
        {"{\"clipnorm\": 0.5, \"clipvalue\": null}", NORMD_CLIP_NORM_EACH},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases * 2; i++) {
        normd_optimizer *optimizer =
            make_optimizer(cases[i / 2].option, i % 2 == 0 ? NORMD_PYTORCH : NORMD_KERAS);
        assert_int_equal(normd_optimizer_clipping(optimizer)->kind, cases[i / 2].kind);
        assert_true(normd_optimizer_clipping(optimizer)->most == 0.5);
        normd_optimizer_destroy(optimizer);
    }
}

static void clipping_is_described(void **state)
{
    (void)state;
    normd_optimizer *optimizer = make_optimizer("{\"clip_grad_norm\": 2}", NORMD_PYTORCH);
    json_t *map = normd_optimizer_describe(optimizer, NORMD_KERAS);
    assert_true(json_real_value(json_object_get(map, "global_clipnorm")) == 2.0);
    assert_true(json_is_null(json_object_get(map, "clipnorm")));
    assert_true(json_is_null(json_object_get(map, "clipvalue")));
    json_decref(map);
    normd_optimizer_destroy(optimizer);
}

static void wrong_clipping_is_refused(void **state)
{
    (void)state;
    expect_refused("{\"clipnorm\": 1, \"clipvalue\": 1}", NORMD_KERAS,
        "optimizer.clipnorm: expected one way to clip gradients, got \"clipvalue\" as well");
    expect_refused("{\"clip_grad_norm\": 1, \"global_clipnorm\": 1}", NORMD_PYTORCH,
        "optimizer.global_clipnorm: expected one name of this option, got \"clip_grad_norm\" as "
        "well");
    expect_refused("{\"clip_grad_norm\": 0}", NORMD_PYTORCH,
        "optimizer.clip_grad_norm: expected a number above 0 or null, got 0");
    expect_refused("{\"clipvalue\": -1}", NORMD_KERAS,
        "optimizer.clipvalue: expected a number in [0, inf] or null, got -1");
    expect_refused("{\"accumulate_steps\": 0}", NORMD_PYTORCH,
        "optimizer.accumulate_steps: expected an integer in [1, 2147483647] or null, got 0");
    expect_refused("{\"gradient_accumulation_steps\": 1.5}", NORMD_KERAS,
        "optimizer.gradient_accumulation_steps: expected an integer in [1, 2147483647] or null, "
        "got 1.5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factors_are_those_of_the_convention),
        cmocka_unit_test(both_conventions_names_are_taken),
        cmocka_unit_test(clipping_is_described),
        cmocka_unit_test(wrong_clipping_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
