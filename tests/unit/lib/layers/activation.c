// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Each function against its definition in long double, and its gradient against differences. */

static long double logistic(long double x)
{
    return 1 / (1 + expl(-x));
}

static long double leaky_relu(long double x)
{
    return x > 0 ? x : 0.25L * x;
}

static long double relu6(long double x)
{
    return fminl(fmaxl(x, 0), 6);
}

static long double elu(long double x)
{
    return x > 0 ? x : 1.5L * expm1l(x);
}

static long double selu(long double x)
{
    return 1.0507009873554804934193349852946L *
           (x > 0 ? x : 1.6732632423543772848170429916717L * expm1l(x));
}

static long double gelu(long double x)
{
    return x * 0.5L * erfcl(-x * sqrtl(0.5L));
}

static long double gelu_tanh(long double x)
{
    long double z = sqrtl(2 / acosl(-1)) * (x + 0.044715L * x * x * x);
    return x * logistic(2 * z);
}

static long double silu(long double x)
{
    return x * logistic(x);
}

static long double hardswish(long double x)
{
    return x * fminl(fmaxl(x + 3, 0), 6) / 6;
}

static long double softplus(long double x)
{
    return log1pl(expl(x));
}

static long double softplus_cut(long double x)
{
    return 2 * x > 1 ? x : log1pl(expl(2 * x)) / 2;
}

static const struct {
    const char *layer;
    long double (*definition)(long double x);
} functions[] = {
    {"'type': 'leaky_relu', 'negative_slope': 0.25", leaky_relu},
    {"'type': 'relu6'", relu6},
    {"'type': 'elu', 'alpha': 1.5", elu},
    {"'type': 'selu'", selu},
    {"'type': 'gelu'", gelu},
    {"'type': 'gelu', 'approximate': 'tanh'", gelu_tanh},
    {"'type': 'gelu', 'approximate': true", gelu_tanh},
    {"'type': 'silu'", silu},
    {"'type': 'swish'", silu},
    {"'type': 'activation', 'activation': 'swish'", silu},
    {"'type': 'hardswish'", hardswish},
    {"'type': 'tanh'", tanhl},
    {"'type': 'sigmoid'", logistic},
    {"'type': 'softplus'", softplus},
    {"'type': 'softplus', 'beta': 2, 'threshold': 1", softplus_cut},
};

enum { FUNCTIONS = sizeof functions / sizeof *functions };

static normd_session *one_layer(const fixture *f, const char *layer, const char *dtype)
{
    char text[256];
    snprintf(text, sizeof text,
        "{'layers': [{%s}], 'dtype': '%s', 'optimizer': {'type': 'sgd', 'lr': 1}}", layer, dtype);
    return fixture_session(f, text);
}

/* The arguments of exp and erfc are rounded, by u |x| and (for the cube) a few u |x|^3; erfc turns
   that into x^2 times as much, relatively. Each function of the C library is within 2 ulp. The
   threshold of softplus cuts off at most log1p(exp(-20)), 2e-9. */
static void expect_definition(const fixture *f, size_t k, normd_dtype dtype)
{
    enum { COUNT = 9001 }; /* several tiles, and a part of one */
    double unit = dtype == NORMD_F32 ? (double)FLT_EPSILON : DBL_EPSILON;
    normd_session *session = one_layer(f, functions[k].layer, normd_dtype_title(dtype));
    normd_tensor x = fixture_normal(f, dtype, (normd_shape){2, {1, COUNT}}, 1);
    for (size_t i = 0; i < COUNT; i++) {
        fixture_put(&x.array, i, fixture_at(&x.array, i) * 2.5);
    }
    normd_tensor y = fixture_infer(f, session, &x.array);
    for (size_t i = 0; i < COUNT; i++) {
        long double value = fixture_at(&x.array, i);
        long double expected = functions[k].definition(value);
        double size = (double)fabsl(value);
        double bound = 8.0 * unit * (1.0 + size * size + size * size * size / 4.0);
        if (!(fabs((double)(fixture_at(&y.array, i) - expected)) <=
                bound * (double)fabsl(expected))) {
            fail_msg("%s in %s of %.9g: %.17g, expected %.17g", functions[k].layer,
                normd_dtype_title(dtype), (double)value, fixture_at(&y.array, i), (double)expected);
        }
    }
    normd_tensor_release(&x);
    normd_tensor_release(&y);
    normd_session_destroy(session);
}

static void each_function_follows_its_definition(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 2, NULL);
    for (size_t k = 0; k < FUNCTIONS; k++) {
        expect_definition(&f, k, NORMD_F32);
        expect_definition(&f, k, NORMD_F64);
    }
    fixture_close(&f);
}

static void gradients_are_those_of_differences(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t k = 0; k < FUNCTIONS; k++) {
        char text[256];
        snprintf(text, sizeof text,
            "{'layers': [{'type': 'linear', 'out': 5, 'in': 4}, {%s}], 'dtype': 'float64', "
            "'optimizer': {'type': 'sgd', 'lr': 1}}",
            functions[k].layer);
        fixture_check_gradients(&f, text, (normd_shape){2, {6, 4}}, NULL);
    }
    fixture_close(&f);
}

static void nan_passes_and_infinity_goes_where_the_limit_is(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t k = 0; k < FUNCTIONS; k++) {
        normd_session *session = one_layer(&f, functions[k].layer, "float32");
        float values[2] = {NAN, INFINITY};
        const normd_array x = {.dtype = NORMD_F32, .shape = {2, {1, 2}}, .data = values};
        normd_tensor y = fixture_infer(&f, session, &x);
        assert_true(isnan(fixture_at(&y.array, 0)));
        assert_true(fixture_at(&y.array, 1) >= 1.0);
        normd_tensor_release(&y);
        normd_session_destroy(session);
    }
    fixture_close(&f);
}

static void expect_layer(
    const fixture *f, const char *configuration, normd_convention convention, const char *expected)
{
    normd_session *session = fixture_session(f, configuration);
    normd_snapshot *snapshot = normd_session_snapshot(session);
    json_t *description = normd_snapshot_describe(snapshot, convention);
    json_t *layer = json_array_get(json_object_get(description, "layers"), 0);
    json_t *other = fixture_json(expected);
    if (!json_equal(layer, other)) {
        fail_msg("expected %s, got %s", expected, json_dumps(layer, 0));
    }
    json_decref(description);
    json_decref(other);
    normd_snapshot_release(snapshot);
    normd_session_destroy(session);
}

static void defaults_are_those_of_the_convention(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    expect_layer(&f, "{'layers': [{'type': 'leaky_relu'}]}", NORMD_PYTORCH,
        "{'type': 'leaky_relu', 'negative_slope': 0.01}");
    expect_layer(&f, "{'layers': [{'type': 'leaky_relu'}], 'convention': 'keras'}", NORMD_PYTORCH,
        "{'type': 'leaky_relu', 'negative_slope': 0.3}");
    expect_layer(&f,
        "{'layers': [{'type': 'activation', 'activation': 'leaky_relu'}], 'convention': 'keras'}",
        NORMD_KERAS, "{'type': 'leaky_relu', 'negative_slope': 0.2}");
    expect_layer(&f, "{'layers': [{'type': 'activation', 'activation': 'relu'}]}", NORMD_KERAS,
        "{'type': 'relu'}");
    expect_layer(&f, "{'layers': [{'type': 'gelu', 'approximate': true}]}", NORMD_PYTORCH,
        "{'type': 'gelu', 'approximate': 'tanh'}");
    expect_layer(&f, "{'layers': [{'type': 'gelu', 'approximate': 'none'}]}", NORMD_KERAS,
        "{'type': 'gelu', 'approximate': false}");
    expect_layer(&f, "{'layers': [{'type': 'softplus'}]}", NORMD_PYTORCH,
        "{'type': 'softplus', 'beta': 1.0, 'threshold': 20.0}");
    expect_layer(&f, "{'layers': [{'type': 'softplus'}], 'convention': 'keras'}", NORMD_PYTORCH,
        "{'type': 'softplus', 'beta': 1.0, 'threshold': null}");
    expect_layer(
        &f, "{'layers': [{'type': 'elu'}]}", NORMD_PYTORCH, "{'type': 'elu', 'alpha': 1.0}");
    fixture_close(&f);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    fixture_refused(&f, "{'layers': [{'type': 'gelu', 'approximate': 'exact'}]}",
        NORMD_BAD_ARGUMENT,
        "layers[0].approximate: expected one of \"none\", \"tanh\", got \"exact\"");
    fixture_refused(&f, "{'layers': [{'type': 'softplus', 'beta': 0}]}", NORMD_BAD_ARGUMENT,
        "layers[0].beta: expected a number above 0, got 0");
    fixture_refused(&f, "{'layers': [{'type': 'activation'}]}", NORMD_BAD_ARGUMENT,
        "layers[0].activation: expected the name of a function, got nothing");
    fixture_refused(&f, "{'layers': [{'type': 'activation', 'activation': 'maxout'}]}",
        NORMD_BAD_ARGUMENT,
        "layers[0].activation: expected one of \"relu\", \"leaky_relu\", \"relu6\", \"elu\", "
        "\"selu\", \"gelu\", \"silu\", \"hardswish\", \"tanh\", \"sigmoid\", \"softplus\", "
        "\"swish\", \"hard_swish\", \"hard_silu\", \"softmax\", \"log_softmax\", got \"maxout\"");
    fixture_refused(&f, "{'layers': [{'type': 'tanh', 'alpha': 1}]}", NORMD_BAD_ARGUMENT,
        "layers[0]: expected the keys \"type\", got \"alpha\"");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_function_follows_its_definition),
        cmocka_unit_test(gradients_are_those_of_differences),
        cmocka_unit_test(nan_passes_and_infinity_goes_where_the_limit_is),
        cmocka_unit_test(defaults_are_those_of_the_convention),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
