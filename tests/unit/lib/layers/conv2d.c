// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Convolution against its definition in plain loops. */
typedef struct conv_case {
    const char *options; /* besides type and out */
    size_t n, in, height, width, out, groups;
    size_t kernel[2], stride[2], dilation[2], before[2];
    size_t outputs[2];
} conv_case;

static const conv_case cases[] = {
    {"'kernel_size': 3", 2, 3, 5, 6, 4, 1, {3, 3}, {1, 1}, {1, 1}, {0, 0}, {3, 4}},
    {"'kernel_size': 3, 'padding': 1", 20, 2, 8, 8, 3, 1, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {8, 8}},
    {"'kernel_size': [3, 2], 'padding': [0, 1], 'stride': [1, 2]", 2, 2, 5, 7, 3, 1, {3, 2}, {1, 2},
        {1, 1}, {0, 1}, {3, 4}},
    {"'kernel_size': 3, 'dilation': 2, 'padding': 2", 1, 2, 6, 5, 2, 1, {3, 3}, {1, 1}, {2, 2},
        {2, 2}, {6, 5}},
    {"'kernel_size': 3, 'padding': 'same', 'groups': 2", 3, 4, 4, 5, 6, 2, {3, 3}, {1, 1}, {1, 1},
        {1, 1}, {4, 5}},
    {"'kernel_size': 3, 'padding': 1, 'groups': 4, 'stride': 2", 3, 4, 5, 5, 4, 4, {3, 3}, {2, 2},
        {1, 1}, {1, 1}, {3, 3}},
    {"'kernel_size': 1", 3, 4, 5, 3, 6, 1, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {5, 3}},
    {"'kernel_size': 1, 'groups': 2", 18, 4, 5, 3, 6, 2, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {5, 3}},
    {"'kernel_size': 1, 'stride': 2", 3, 4, 5, 3, 2, 1, {1, 1}, {2, 2}, {1, 1}, {0, 0}, {3, 2}},
    {"'kernel_size': 5, 'padding': 4", 1, 1, 2, 2, 1, 1, {5, 5}, {1, 1}, {1, 1}, {4, 4}, {6, 6}},
};

enum { CASES = sizeof cases / sizeof *cases };

static size_t place(
    bool last, size_t n, size_t c, size_t h, size_t w, size_t channels, size_t height, size_t width)
{
    return last ? ((n * height + h) * width + w) * channels + c
                : ((n * channels + c) * height + h) * width + w;
}

/* y and the sum of the sizes of what it adds up. */
static double expected_y(const conv_case *c, const normd_array *x, const normd_array *w,
    const normd_array *b, bool last, const size_t at[4], double *size)
{
    size_t group = c->in / c->groups;
    size_t first = at[1] / (c->out / c->groups) * group;
    double sum = fixture_at(b, at[1]);
    *size = fabs(sum);
    for (size_t k = 0; k < group * c->kernel[0] * c->kernel[1]; k++) {
        size_t channel = k / (c->kernel[0] * c->kernel[1]);
        size_t ky = k / c->kernel[1] % c->kernel[0], kx = k % c->kernel[1];
        size_t row = at[2] * c->stride[0] + ky * c->dilation[0] - c->before[0];
        size_t column = at[3] * c->stride[1] + kx * c->dilation[1] - c->before[1];
        if (row < c->height && column < c->width) { /* what is negative is huge */
            size_t from =
                place(last, at[0], first + channel, row, column, c->in, c->height, c->width);
            double term = fixture_at(x, from) *
                          fixture_at(w, at[1] * group * c->kernel[0] * c->kernel[1] + k);
            sum += term;
            *size += fabs(term);
        }
    }
    return sum;
}

static normd_shape images(bool last, size_t n, size_t c, size_t h, size_t w)
{
    return last ? (normd_shape){4, {n, h, w, c}} : (normd_shape){4, {n, c, h, w}};
}

/* A sum of k products in whatever order is off by at most k + 1 units of the sum of their sizes. */
static void check_forward(const fixture *f, const conv_case *c, normd_dtype dtype, bool last)
{
    char text[320];
    snprintf(text, sizeof text,
        "{'layers': [{'type': 'conv2d', 'in': %zu, 'out': %zu, %s, 'data_format': '%s'}], "
        "'dtype': '%s'}",
        c->in, c->out, c->options, last ? "channels_last" : "channels_first",
        normd_dtype_title(dtype));
    normd_session *session = fixture_session(f, text);
    normd_buffer *file = fixture_export(session);
    normd_array w = fixture_exported(file, "0.weight");
    normd_array b = fixture_exported(file, "0.bias");
    normd_shape shape = images(last, c->n, c->in, c->height, c->width);
    normd_tensor x = fixture_normal(f, dtype, shape, 1);
    normd_tensor y = fixture_infer(f, session, &x.array);
    shape = images(last, c->n, c->out, c->outputs[0], c->outputs[1]);
    assert_true(normd_shape_equal(&y.array.shape, &shape));
    double unit = dtype == NORMD_F32 ? (double)FLT_EPSILON : DBL_EPSILON;
    double terms = (double)(c->in * c->kernel[0] * c->kernel[1] + 1);
    for (size_t n = 0; n < c->n * c->out * c->outputs[0] * c->outputs[1]; n++) {
        size_t pixels = c->outputs[0] * c->outputs[1];
        const size_t at[4] = {n / pixels / c->out, n / pixels % c->out, n % pixels / c->outputs[1],
            n % c->outputs[1]};
        double size;
        double expected = expected_y(c, &x.array, &w, &b, last, at, &size);
        size_t to = place(last, at[0], at[1], at[2], at[3], c->out, c->outputs[0], c->outputs[1]);
        assert_true(fabs(fixture_at(&y.array, to) - expected) <= terms * unit * size);
    }
    normd_buffer_release(file);
    normd_tensor_release(&x);
    normd_tensor_release(&y);
    normd_session_destroy(session);
}

static void outputs_follow_the_definition(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 2, NULL);
    for (size_t i = 0; i < CASES; i++) {
        for (int last = 0; last < 2; last++) {
            check_forward(&f, &cases[i], NORMD_F32, last);
            check_forward(&f, &cases[i], NORMD_F64, last);
        }
    }
    fixture_close(&f);
}

static void gradients_are_those_of_differences(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < CASES; i++) {
        for (int last = 0; last < 2; last++) {
            const conv_case *c = &cases[i];
            char text[320];
            snprintf(text, sizeof text,
                "{'layers': [{'type': 'conv2d', 'in': %zu, 'out': %zu, %s, 'data_format': '%s', "
                "'bias': %s}], 'dtype': 'float64', 'optimizer': {'type': 'sgd', 'lr': 1}}",
                c->in, c->out, c->options, last ? "channels_last" : "channels_first",
                i % 2 == 0 ? "true" : "false");
            size_t n = c->n < 3 ? c->n : 3;
            fixture_check_gradients(&f, text, images(last, n, c->in, c->height, c->width), NULL);
        }
    }
    fixture_close(&f);
}

static void a_small_network_learns_what_differences_say(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    static const char *const pools[] = {"{'type': 'max_pool2d', 'kernel_size': 2}",
        "{'type': 'avg_pool2d', 'kernel_size': 2}", "{'type': 'global_avg_pool2d'}"};
    for (size_t i = 0; i < 3; i++) {
        char text[512];
        snprintf(text, sizeof text,
            "{'input': [1, 6, 6], 'layers': [{'type': 'conv2d', 'out': 3, 'kernel_size': 3}, "
            "{'type': 'batch_norm'}, {'type': 'relu'}, %s, {'type': 'flatten'}, "
            "{'type': 'linear', 'out': 2}], 'dtype': 'float64', "
            "'optimizer': {'type': 'sgd', 'lr': 1}, 'seed': 3}",
            pools[i]);
        fixture_check_gradients(&f, text, (normd_shape){4, {4, 1, 6, 6}}, NULL);
    }
    fixture_close(&f);
}

/* Many images, so that lanes have several each, and rows that are cut into blocks. */
static normd_session *trained(const fixture *f, const char *format, size_t images_count)
{
    char text[512];
    bool last = strcmp(format, "channels_last") == 0;
    snprintf(text, sizeof text,
        "{'input': %s, 'layers': [{'type': 'conv2d', 'out': 8, 'kernel_size': 3, 'data_format': "
        "'%s'}, {'type': 'relu'}, {'type': 'max_pool2d', 'kernel_size': 2, 'data_format': '%s'}, "
        "{'type': 'conv2d', 'out': 4, 'kernel_size': 1, 'data_format': '%s'}, "
        "{'type': 'global_avg_pool2d', 'data_format': '%s'}, {'type': 'flatten'}], "
        "'loss': 'cross_entropy', 'seed': 5}",
        last ? "[40, 40, 6]" : "[6, 40, 40]", format, format, format, format);
    normd_session *session = fixture_session(f, text);
    normd_shape shape = images(last, images_count, 6, 40, 40);
    for (uint64_t step = 0; step < 3; step++) {
        normd_tensor x = fixture_normal(f, NORMD_F32, shape, step);
        normd_tensor labels = fixture_labels(f, images_count, 4, 100 + step);
        fixture_train(session, &x.array, &labels.array);
        normd_tensor_release(&x);
        normd_tensor_release(&labels);
    }
    return session;
}

static void bits_do_not_depend_on_threads(void **state)
{
    (void)state;
    static const char *const formats[] = {"channels_first", "channels_last"};
    static const size_t counts[] = {1, 5, 70};
    for (size_t i = 0; i < 6; i++) {
        fixture one;
        fixture three;
        fixture_open(&one, 0, NULL);
        fixture_open(&three, 3, NULL);
        normd_session *a = trained(&one, formats[i % 2], counts[i / 2]);
        normd_session *b = trained(&three, formats[i % 2], counts[i / 2]);
        assert_true(fixture_same_state(a, b));
        normd_session_destroy(a);
        normd_session_destroy(b);
        fixture_close(&one);
        fixture_close(&three);
    }
}

/* W of a convolution of 2 channels to 3 by 1 x 2 from an array under `name`. */
static void an_array_lies_as_its_name_says(void **state)
{
    (void)state;
    float numbers[12];
    for (size_t i = 0; i < 12; i++) {
        numbers[i] = (float)i;
    }
    static const struct {
        const char *name;
        normd_shape shape;
    } given[] = {{"weight_init", {4, {3, 2, 1, 2}}}, {"kernel_initializer", {4, {1, 2, 2, 3}}}};
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t i = 0; i < 2; i++) {
        const normd_array array = {.dtype = NORMD_F32, .shape = given[i].shape, .data = numbers};
        const normd_attachments attachments = {.array = &array, .count = 1};
        char text[256];
        snprintf(text, sizeof text,
            "{'convention': 'keras', 'layers': [{'type': 'conv2d', 'in': 2, 'filters': 3, "
            "'kernel_size': [1, 2], 'use_bias': false, '%s': {'$array': 0}}]}",
            given[i].name);
        json_t *configuration = fixture_json(text);
        normd_session *session = NULL;
        normd_error error;
        assert_int_equal(
            normd_session_create(&f.engine, configuration, &attachments, &session, &error),
            NORMD_OK);
        normd_buffer *file = fixture_export(session);
        normd_array weight = fixture_exported(file, "0.weight");
        for (size_t n = 0; n < 12; n++) {
            size_t o = n / 4, c = n / 2 % 2, kx = n % 2;
            assert_true(fixture_at(&weight, n) == (double)(i == 0 ? n : (kx * 2 + c) * 3 + o));
        }
        json_decref(configuration);
        normd_buffer_release(file);
        normd_session_destroy(session);
    }
    fixture_close(&f);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    static const struct {
        const char *layers, *message;
    } rows[] = {
        {"'input': 5, 'layers': [{'type': 'conv2d', 'out': 2, 'kernel_size': 3}]",
            "layers[0].type: expected images, (N, channels, height, width), before the layer, got "
            "(N, 5)"},
        {"'input': [3, 8, 8], 'layers': [{'type': 'conv2d', 'out': 2}]",
            "layers[0].kernel_size: expected the window's height and width, got nothing"},
        {"'input': [3, 8, 8], 'layers': [{'type': 'conv2d', 'kernel_size': 3}]",
            "layers[0].out: expected the number of output channels, got nothing"},
        {"'layers': [{'type': 'conv2d', 'out': 2, 'kernel_size': 3, 'lazy': false}]",
            "layers[0].in: expected a number, since neither `input` nor an earlier layer tells it; "
            "got nothing"},
        {"'input': [3, 8, 8], 'layers': [{'type': 'conv2d', 'in': 4, 'out': 2, 'kernel_size': 3}]",
            "layers[0].in: expected 3, what comes before, got 4"},
        {"'input': [3, 8, 8], 'layers': [{'type': 'conv2d', 'out': 2, 'kernel_size': 9}]",
            "layers[0].type: expected images before the layer that a window of 9 x 9 fits, got (N, "
            "3, 8, 8)"},
        {"'input': [3, 8, 8], 'layers': [{'type': 'conv2d', 'out': 2, 'kernel_size': 3, 'groups': "
         "3}]",
            "layers[0].groups: expected a divisor of the 3 channels before and the 2 behind, got "
            "3"},
        {"'input': [3, 8, 8], 'layers': [{'type': 'conv2d', 'out': 2, 'kernel_size': [3]}]",
            "layers[0].kernel_size: expected an integer in [1, 65536], or a list of two, height "
            "and width, got [3]"},
        {"'input': [3, 8, 8], 'layers': [{'type': 'conv2d', 'out': 2, 'kernel_size': 3, 'padding': "
         "'full'}]",
            "layers[0].padding: expected one of \"valid\", \"same\", got \"full\""},
        {"'input': [3, 8, 8], 'layers': [{'type': 'conv2d', 'out': 2, 'kernel_size': 3, 'padding': "
         "'same', 'stride': 2}]",
            "layers[0].padding: expected numbers or \"valid\" with a stride of 2 x 2, as PyTorch "
            "has it, got \"same\""},
        {"'input': [3, 8, 8], 'layers': [{'type': 'conv2d', 'out': 2, 'kernel_size': 3}, {'type': "
         "'linear', 'in': 2, 'out': 2}]",
            "layers[1].in: expected 6, what comes before, got 2"},
        {"'input': [3, 8, 8], 'layers': [{'type': 'max_pool2d', 'kernel_size': 2, 'padding': 2}]",
            "layers[0].padding: expected at most half of the window, 2 x 2, got 2 x 2"},
        {"'input': [3, 8, 8], 'layers': [{'type': 'flatten'}, {'type': 'linear', 'in': 5, 'out': "
         "2}]",
            "layers[1].in: expected 192, what comes before, got 5"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[320];
        snprintf(text, sizeof text, "{%s}", rows[i].layers);
        fixture_refused(&f, text, NORMD_BAD_ARGUMENT, rows[i].message);
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_follow_the_definition),
        cmocka_unit_test(gradients_are_those_of_differences),
        cmocka_unit_test(a_small_network_learns_what_differences_say),
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(an_array_lies_as_its_name_says),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
