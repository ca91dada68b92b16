// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/init/initializer.h"

/* A linear weight of 300 inputs and 100 outputs. */
enum { FAN_IN = 300, FAN_OUT = 100, COUNT = FAN_IN * FAN_OUT };
static double values[COUNT];

static normd_initializer_target target_of(void *to)
{
    return (normd_initializer_target){
        .dtype = NORMD_F64,
        .shape = {.rank = 2, .dim = {FAN_OUT, FAN_IN}},
        .fan_in = FAN_IN,
        .fan_out = FAN_OUT,
        .random = {.seed = 1, .stream = 2},
        .values = to,
    };
}

/* Reads {"init": option} (an option of NULL: {}) and returns what describe shows. */
static json_t *read_as(const char *option, const normd_initializer_target *target)
{
    json_t *map = json_object();
    if (option != NULL) {
        json_t *value = json_loads(option, JSON_DECODE_ANY, NULL);
        assert_non_null(value);
        json_object_set_new(map, "init", value);
    }
    normd_options options;
    normd_options_begin(&options, map, NULL, "layers[0]");
    json_t *described = NULL;
    normd_initializer_read(&options, "init", "zeros", target, &described);
    normd_error error = {.status = NORMD_OK};
    if (normd_options_finish(&options, &error) != NORMD_OK) {
        fail_msg("%s", error.message);
    }
    json_decref(map);
    assert_non_null(described);
    return described;
}

static void expect_described(const char *option, const char *expected)
{
    normd_initializer_target target = target_of(values);
    json_t *described = read_as(option, &target);
    json_t *wanted = json_loads(expected, 0, NULL);
    assert_true(json_equal(described, wanted));
    json_decref(wanted);
    json_decref(described);
}

static void expect_mistake(const char *option, const char *message)
{
    json_t *map = json_object();
    json_object_set_new(map, "init", json_loads(option, JSON_DECODE_ANY, NULL));
    normd_options options;
    normd_options_begin(&options, map, NULL, "layers[0]");
    normd_initializer_target target = target_of(values);
    target.dtype = NORMD_F32;
    memset(values, 0x55, sizeof values);
    double untouched = values[0];
    json_t *described = map;
    normd_initializer_read(&options, "init", "zeros", &target, &described);
    normd_error error = {.status = NORMD_OK};
    assert_int_equal(normd_options_finish(&options, &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message, message);
    assert_null(described);
    assert_memory_equal(&values[0], &untouched, sizeof untouched);
    json_decref(map);
}

static void every_argument_is_described(void **state)
{
    (void)state;
    expect_described(NULL, "{\"name\": \"zeros\"}");
    expect_described("\"ones\"", "{\"name\": \"ones\"}");
    expect_described("0.5", "{\"name\": \"constant\", \"value\": 0.5}");
    expect_described("{\"name\": \"constant\"}", "{\"name\": \"constant\", \"value\": 0.0}");
    expect_described("\"random_normal\"",
        "{\"name\": \"random_normal\", \"mean\": 0.0, \"stddev\": 0.05, \"seed\": null}");
    expect_described("{\"name\": \"TruncatedNormal\", \"stddev\": 2, \"seed\": 3}",
        "{\"name\": \"truncated_normal\", \"mean\": 0.0, \"stddev\": 2.0, \"seed\": 3}");
    expect_described("\"RandomUniform\"",
        "{\"name\": \"random_uniform\", \"minval\": -0.05, \"maxval\": 0.05, \"seed\": null}");
    expect_described("\"variance_scaling\"",
        "{\"name\": \"variance_scaling\", \"scale\": 1.0, \"mode\": \"fan_in\","
        "\"distribution\": \"truncated_normal\", \"seed\": null}");
    expect_described("{\"name\": \"GlorotUniform\", \"seed\": null}",
        "{\"name\": \"glorot_uniform\", \"seed\": null}");
    expect_described("\"torch_linear\"", "{\"name\": \"torch_linear\", \"seed\": null}");
    expect_described("\"Orthogonal\"", "{\"name\": \"orthogonal\", \"gain\": 1.0, \"seed\": null}");
    expect_described("{\"name\": \"IdentityInitializer\", \"gain\": 2}",
        "{\"name\": \"identity\", \"gain\": 2.0}");
    expect_described(
        "{\"name\": \"constant_\", \"val\": 2}", "{\"name\": \"constant_\", \"val\": 2.0}");
    expect_described("\"zeros_\"", "{\"name\": \"zeros\"}");
    expect_described("\"ones_\"", "{\"name\": \"ones\"}");
    expect_described("\"eye_\"", "{\"name\": \"identity\", \"gain\": 1.0}");
    expect_described("\"kaiming_uniform_\"",
        "{\"name\": \"kaiming_uniform_\", \"a\": 0.0, \"mode\": \"fan_in\","
        "\"nonlinearity\": \"leaky_relu\", \"seed\": null}");
}

/* What keras.initializers.serialize gives. */
static void keras_serialized_form_is_read(void **state)
{
    (void)state;
    expect_described(
        "{\"module\": \"keras.initializers\", \"class_name\": \"GlorotUniform\", \"config\": "
        "{\"seed\": null, \"input_axes\": null, \"output_axes\": null}, "
        "\"registered_name\": null}",
        "{\"name\": \"glorot_uniform\", \"seed\": null}");
    expect_described("{\"class_name\": \"Constant\", \"config\": {\"value\": 0.25}}",
        "{\"name\": \"constant\", \"value\": 0.25}");
    expect_described("{\"class_name\": \"Zeros\", \"config\": {}}", "{\"name\": \"zeros\"}");
    expect_described("{\"class_name\": \"Zeros\"}", "{\"name\": \"zeros\"}");
    expect_mistake("{\"class_name\": \"Constant\", \"config\": {\"val\": 1}}",
        "layers[0].init: expected the keys \"name\", \"value\", got \"val\"");
    expect_mistake("{\"class_name\": \"HeNormal\", \"config\": {\"input_axes\": [0]}}",
        "layers[0].init.input_axes: expected null, got [0]");
}

static void matrices_alone_take_what_needs_one(void **state)
{
    (void)state;
    static const char *const names[][2] = {{"orthogonal", "2 axes or more"}, {"identity", "2 axes"},
        {"xavier_normal_", "2 axes or more"}, {"kaiming_uniform_", "2 axes or more"},
        {"eye_", "2 axes"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json_t *map = json_pack("{s:s}", "init", names[i][0]);
        normd_options options;
        normd_options_begin(&options, map, NULL, "layers[0]");
        normd_initializer_target target = target_of(values);
        target.shape = (normd_shape){.rank = 1, .dim = {4}};
        normd_initializer_read(&options, "init", "zeros", &target, NULL);
        normd_error error = {.status = NORMD_OK};
        assert_int_equal(normd_options_finish(&options, &error), NORMD_BAD_ARGUMENT);
        char expected[256];
        snprintf(expected, sizeof expected,
            "layers[0].init.name: expected an initializer of arrays of shape (4,), got %s, of %s "
            "alone",
            names[i][0], names[i][1]);
        assert_string_equal(error.message, expected);
        json_decref(map);
    }
}

static void what_is_described_reads_the_same(void **state)
{
    (void)state;
    static double again[COUNT];
    static const char *const names[] = {"zeros", "ones", "constant", "random_normal",
        "truncated_normal", "random_uniform", "variance_scaling", "glorot_uniform", "glorot_normal",
        "he_uniform", "he_normal", "lecun_uniform", "lecun_normal", "orthogonal", "identity",
        "torch_linear", "uniform_", "normal_", "trunc_normal_", "xavier_uniform_", "xavier_normal_",
        "kaiming_uniform_", "kaiming_normal_"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char quoted[40];
        snprintf(quoted, sizeof quoted, "\"%s\"", names[i]);
        normd_initializer_target target = target_of(values);
        normd_initializer_target target_again = target_of(again);
        json_t *described = read_as(quoted, &target);
        assert_string_equal(json_string_value(json_object_get(described, "name")), names[i]);
        char *text = json_dumps(described, 0);
        json_t *described_again = read_as(text, &target_again);
        assert_true(json_equal(described, described_again));
        assert_memory_equal(values, again, sizeof values);
        json_decref(described);
        json_decref(described_again);
        free(text);
    }
}

/* Fills by `option` and checks mean 0, the deviation, and that the largest size is near `limit`.
   Five standard errors of a deviation estimated from n values are at most 5 s sqrt(k/(4 n)), where
   k, the kurtosis less one, is 2 for a normal and less for the others. */
static void expect_spread(const char *option, double deviation, double limit)
{
    normd_initializer_target target = target_of(values);
    json_decref(read_as(option, &target));
    double sum = 0;
    double squares = 0;
    double most = 0;
    for (size_t n = 0; n < COUNT; n++) {
        sum += values[n];
        squares += values[n] * values[n];
        most = fmax(most, fabs(values[n]));
    }
    assert_true(fabs(sum / COUNT) < 5 * deviation / sqrt(COUNT));
    assert_true(fabs(sqrt(squares / COUNT) - deviation) < 5 * deviation * sqrt(0.5 / COUNT));
    assert_true(most <= limit && most > 0.99 * limit);
}

static void scaled_initializers_have_their_variance(void **state)
{
    (void)state;
    const double in = FAN_IN;
    const double sum = FAN_IN + FAN_OUT;
    const double cut = 2 / 0.87962566103423978; /* limit of a truncated normal over deviation */
    const double root_3 = sqrt(3.0);            /* of a uniform */
    expect_spread("\"glorot_uniform\"", sqrt(2 / sum), sqrt(6 / sum));
    expect_spread("\"glorot_normal\"", sqrt(2 / sum), sqrt(2 / sum) * cut);
    expect_spread("\"he_uniform\"", sqrt(2 / in), sqrt(6 / in));
    expect_spread("\"HeNormal\"", sqrt(2 / in), sqrt(2 / in) * cut);
    expect_spread("\"LecunUniform\"", sqrt(1 / in), sqrt(3 / in));
    expect_spread("\"lecun_normal\"", sqrt(1 / in), sqrt(1 / in) * cut);
    expect_spread("\"torch_linear\"", 1 / sqrt(in) / root_3, 1 / sqrt(in));
    expect_spread("\"variance_scaling\"", sqrt(1 / in), sqrt(1 / in) * cut);
    expect_spread("{\"name\": \"VarianceScaling\", \"scale\": 5, \"mode\": \"fan_out\","
                  "\"distribution\": \"uniform\"}",
        sqrt(5.0 / FAN_OUT), sqrt(15.0 / FAN_OUT));
    expect_spread("\"xavier_uniform_\"", sqrt(2 / sum), sqrt(6 / sum));
    expect_spread("{\"name\": \"kaiming_uniform_\", \"nonlinearity\": \"tanh\"}",
        sqrt(1 / in) * 5 / 3, sqrt(3 / in) * 5 / 3);
    expect_spread("{\"name\": \"kaiming_uniform_\", \"a\": 2, \"mode\": \"fan_out\"}",
        sqrt(0.4 / FAN_OUT), sqrt(1.2 / FAN_OUT));
    expect_spread("{\"name\": \"uniform_\", \"a\": -2, \"b\": 2}", 2 / root_3, 2);
    expect_spread("{\"name\": \"trunc_normal_\", \"std\": 3, \"a\": -6, \"b\": 6}", 6 / cut, 6);
    expect_spread("{\"name\": \"random_uniform\", \"minval\": -3, \"maxval\": 3}", root_3, 3);
    expect_spread("{\"name\": \"truncated_normal\", \"stddev\": 3}", 6 / cut, 6);
}

static void a_seed_of_its_own_replaces_the_sessions(void **state)
{
    (void)state;
    static double other[COUNT];
    normd_initializer_target target = target_of(values);
    normd_initializer_target elsewhere = target_of(other);
    elsewhere.random = (normd_random){.seed = 77, .stream = 88};
    json_decref(read_as("{\"name\": \"he_normal\", \"seed\": 5}", &target));
    json_decref(read_as("{\"name\": \"he_normal\", \"seed\": 5}", &elsewhere));
    assert_memory_equal(values, other, sizeof values);
    json_decref(read_as("\"he_normal\"", &elsewhere));
    assert_memory_not_equal(values, other, sizeof values);
}

static void a_target_without_values_is_only_checked(void **state)
{
    (void)state;
    normd_initializer_target target = target_of(NULL);
    json_decref(read_as("\"he_normal\"", &target));
    json_t *map = json_object();
    normd_options options;
    normd_options_begin(&options, map, NULL, "%s", "");
    normd_initializer_read(&options, "init", "ones", &target, NULL);
    assert_int_equal(normd_options_finish(&options, NULL), NORMD_OK);
    json_decref(map);
}

static void mistakes_name_the_path(void **state)
{
    (void)state;
    const char *names =
        "zeros, ones, constant, random_normal, truncated_normal, random_uniform, "
        "variance_scaling, glorot_uniform, glorot_normal, he_uniform, he_normal, "
        "lecun_uniform, lecun_normal, orthogonal, identity, torch_linear, uniform_, "
        "normal_, trunc_normal_, xavier_uniform_, xavier_normal_, "
        "kaiming_uniform_, kaiming_normal_, constant_";
    char message[512];
    snprintf(
        message, sizeof message, "layers[0].init.name: expected one of %s, got \"stft\"", names);
    expect_mistake("\"stft\"", message);
    snprintf(
        message, sizeof message, "layers[0].init.name: expected one of %s, got nothing", names);
    expect_mistake("{\"value\": 1}", message);
    expect_mistake("true",
        "layers[0].init: expected a name, a map with a name, a number or an array, got true");
    expect_mistake("null",
        "layers[0].init: expected a name, a map with a name, a number or an array, got null");
    expect_mistake("{\"name\": \"zeros\", \"value\": 1}",
        "layers[0].init: expected the keys \"name\", got \"value\"");
    expect_mistake("{\"name\": \"random_normal\", \"stddev\": -1}",
        "layers[0].init.stddev: expected a number in [0, inf], got -1");
    expect_mistake("{\"name\": \"random_uniform\", \"minval\": 1, \"maxval\": 0}",
        "layers[0].init.maxval: expected at least minval, 1, got 0");
    expect_mistake(
        "1e38", "layers[0].init.value: expected a number of size up to 2.12676e+37, got 1e+38");
    expect_mistake("{\"name\": \"variance_scaling\", \"scale\": 0}",
        "layers[0].init.scale: expected a number above 0, got 0");
    expect_mistake("{\"name\": \"variance_scaling\", \"mode\": \"fan\"}",
        "layers[0].init.mode: expected one of \"fan_in\", \"fan_out\", \"fan_avg\", got \"fan\"");
    expect_mistake("\"constant_\"", "layers[0].init.val: expected a number, got nothing");
    expect_mistake("{\"name\": \"trunc_normal_\", \"a\": 3, \"b\": 4}",
        "layers[0].init.b: expected bounds a and b that hold at least 0.05 of the normal "
        "distribution, got 0.00131823");
    expect_mistake("{\"name\": \"trunc_normal_\", \"std\": 0}",
        "layers[0].init.std: expected a number above 0, got 0");
    expect_mistake("{\"name\": \"he_normal\", \"seed\": -1}",
        "layers[0].init.seed: expected an integer in [0, 9223372036854775807], got -1");
}

static void a_name_is_snake_case_or_camel_case_and_nothing_between(void **state)
{
    (void)state;
    static const char *const wrong[] = {"\"Glorot_Uniform\"", "\"glorotuniform\"",
        "\"GlorotUniforms\"", "\"Glorot\"", "\"ZEROS\"", "\"KaimingUniform\"", "\"Zeros_\""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        json_t *map = json_object();
        json_object_set_new(map, "init", json_loads(wrong[i], JSON_DECODE_ANY, NULL));
        normd_options options;
        normd_options_begin(&options, map, NULL, "%s", "");
        normd_initializer_target target = target_of(NULL);
        normd_initializer_read(&options, "init", "zeros", &target, NULL);
        normd_error error;
        assert_int_equal(normd_options_finish(&options, &error), NORMD_BAD_ARGUMENT);
        assert_non_null(strstr(error.message, "init.name: expected one of zeros"));
        json_decref(map);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_argument_is_described),
        cmocka_unit_test(keras_serialized_form_is_read),
        cmocka_unit_test(matrices_alone_take_what_needs_one),
        cmocka_unit_test(what_is_described_reads_the_same),
        cmocka_unit_test(scaled_initializers_have_their_variance),
        cmocka_unit_test(a_seed_of_its_own_replaces_the_sessions),
        cmocka_unit_test(a_target_without_values_is_only_checked),
        cmocka_unit_test(mistakes_name_the_path),
        cmocka_unit_test(a_name_is_snake_case_or_camel_case_and_nothing_between),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
