// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "clients/cli/common/model_text.h"

static void assert_layers(const char *text, const char *json)
{
    normd_error error = {.status = NORMD_OK};
    json_t *layers = normd_model_text_layers(text, &error);
    json_t *expected = json_loads(json, 0, NULL);
    assert_non_null(expected);
    if (layers == NULL) {
        fail_msg("%s: %s", text, error.message);
    }
    assert_true(json_equal(layers, expected));
    json_decref(layers);
    json_decref(expected);
}

static void a_model_is_a_list_of_layers(void **state)
{
    (void)state;
    assert_layers("linear 128, batch_norm, relu, linear 10",
        "[{\"type\": \"linear\", \"out\": 128}, {\"type\": \"batch_norm\"}, {\"type\": \"relu\"},"
        " {\"type\": \"linear\", \"out\": 10}]");
    assert_layers("relu", "[{\"type\": \"relu\"}]");
    assert_layers("  batch_norm\t256 ,relu", "[{\"type\": \"batch_norm\", \"features\": 256},"
                                             " {\"type\": \"relu\"}]");
    assert_layers("conv2d 8 kernel_size=3 padding=1, leaky_relu 0.2, max_pool2d 2, flatten,"
                  " dropout 0.25, softmax -1",
        "[{\"type\": \"conv2d\", \"out\": 8, \"kernel_size\": 3, \"padding\": 1},"
        " {\"type\": \"leaky_relu\", \"negative_slope\": 0.2},"
        " {\"type\": \"max_pool2d\", \"kernel_size\": 2}, {\"type\": \"flatten\"},"
        " {\"type\": \"dropout\", \"p\": 0.25}, {\"type\": \"softmax\", \"dim\": -1}]");
    assert_layers("layer_norm 8, rms_norm 8, group_norm 2, instance_norm 4",
        "[{\"type\": \"layer_norm\", \"normalized_shape\": 8}, {\"type\": \"rms_norm\","
        " \"normalized_shape\": 8}, {\"type\": \"group_norm\", \"num_groups\": 2},"
        " {\"type\": \"instance_norm\", \"features\": 4}]");
}

static void values_are_json_or_words(void **state)
{
    (void)state;
    assert_layers("batch_norm momentum=0.2 eps=1e-3 affine=false",
        "[{\"type\": \"batch_norm\", \"momentum\": 0.2, \"eps\": 1e-3, \"affine\": false}]");
    assert_layers("batch_norm momentum=null weight_init=ones",
        "[{\"type\": \"batch_norm\", \"momentum\": null, \"weight_init\": \"ones\"}]");
    assert_layers("a x=\"one, two = 3\"", "[{\"type\": \"a\", \"x\": \"one, two = 3\"}]");
    assert_layers("a w={\"name\": \"normal\", \"std\": 0.5} shape=[1, 2], b",
        "[{\"type\": \"a\", \"w\": {\"name\": \"normal\", \"std\": 0.5}, \"shape\": [1, 2]},"
        " {\"type\": \"b\"}]");
}

static void mistakes_name_the_layer(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } wrong[] = {
        {"", "layer 0"},
        {"relu,", "layer 1"},
        {"relu,,relu", "layer 1"},
        {"relu 3", "layer 0 (relu): expected key=value, got \"3\""},
        {"linear big", "or the number of out, got \"big\""},
        {"linear 1.5", "layer 0"},
        {"linear out=", "layer 0"},
        {"linear =3", "layer 0"},
        {"out=3", "expected a type"},
        {"linear 3 out=4", "out is given twice"},
        {"batch_norm eps=1 eps=2", "eps is given twice"},
    };
    for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
        normd_error error = {.status = NORMD_OK};
        assert_null(normd_model_text_layers(wrong[k].text, &error));
        assert_int_equal(error.status, NORMD_BAD_ARGUMENT);
        if (strstr(error.message, wrong[k].part) == NULL) {
            fail_msg("\"%s\": %s", wrong[k].text, error.message);
        }
    }
}

static void no_text_is_read_past_its_end(void **state)
{
    (void)state;
    /* Every beginning of a hard text is either a model or a mistake; the sanitizers watch. */
    const char text[] = "linear 128 w={\"a\": [1, \"\\\"]\"]}, batch_norm eps=\"x\\";
    char part[sizeof text];
    for (size_t size = 0; size < sizeof text; size++) {
        memcpy(part, text, size);
        part[size] = '\0';
        normd_error error = {.status = NORMD_OK};
        json_t *layers = normd_model_text_layers(part, &error);
        assert_true((layers == NULL) == (error.status != NORMD_OK));
        json_decref(layers);
    }
}

static void an_option_is_one_map(void **state)
{
    (void)state;
    normd_error error;
    json_t *map = normd_model_text_option("adam lr=0.001 betas=[0.9,0.99]", "--optimizer", &error);
    assert_non_null(map);
    assert_string_equal(json_string_value(json_object_get(map, "type")), "adam");
    assert_true(json_number_value(json_object_get(map, "lr")) == 0.001);
    assert_int_equal(json_array_size(json_object_get(map, "betas")), 2);
    json_decref(map);
    assert_null(normd_model_text_option("adam 3", "--optimizer", &error));
    assert_non_null(strstr(error.message, "--optimizer"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_is_a_list_of_layers),
        cmocka_unit_test(values_are_json_or_words),
        cmocka_unit_test(mistakes_name_the_layer),
        cmocka_unit_test(no_text_is_read_past_its_end),
        cmocka_unit_test(an_option_is_one_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
