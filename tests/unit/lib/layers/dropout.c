// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 100, COLUMNS = 401, COUNT = ROWS * COLUMNS };

static normd_session *dropping(const fixture *f, const char *options)
{
    char text[320];
    snprintf(text, sizeof text,
        "{'layers': [{'type': 'dropout', %s}], 'optimizer': {'type': 'sgd', 'lr': 1}, 'seed': 7}",
        options);
    return fixture_session(f, text);
}

/* y for ones. */
static normd_tensor drop(const fixture *f, normd_session *session, bool update_stats)
{
    normd_tensor x = fixture_normal(f, NORMD_F32, (normd_shape){2, {ROWS, COLUMNS}}, 1);
    for (size_t i = 0; i < COUNT; i++) {
        fixture_put(&x.array, i, 1.0);
    }
    normd_forward_result result;
    normd_tensor y = fixture_forward(f, session, &x.array, NULL, update_stats, &result);
    normd_tensor_release(&x);
    return y;
}

static size_t count_kept(const normd_tensor *y, double scale)
{
    size_t kept = 0;
    for (size_t i = 0; i < COUNT; i++) {
        double value = fixture_at(&y->array, i);
        assert_true(value == 0.0 || value == scale);
        kept += value != 0.0;
    }
    return kept;
}

/* Of n independent elements that are kept with probability q, n q +- 5 sqrt(n q (1 - q)) are kept
   but for one case in 1.7 million; the seed is fixed, so the test always goes the same way. */
static void expect_binomial(size_t kept, size_t n, double q)
{
    double deviation = sqrt((double)n * q * (1.0 - q));
    assert_true(fabs((double)kept - (double)n * q) <= 5.0 * deviation);
}

static void the_share_of_what_is_dropped_is_p(void **state)
{
    (void)state;
    static const struct {
        const char *options;
        double p;
    } cases[] = {{"'p': 0.5", 0.5}, {"'p': 0.1", 0.1}, {"'rate': 0.75", 0.75}, {"'seed': 3", 0.5}};
    fixture f;
    fixture_open(&f, 2, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        normd_session *session = dropping(&f, cases[i].options);
        normd_tensor y = drop(&f, session, true);
        double q = 1.0 - cases[i].p;
        expect_binomial(count_kept(&y, (double)(float)(1.0 / q)), COUNT, q);
        normd_tensor_release(&y);
        normd_session_destroy(session);
    }
    fixture_close(&f);
}

static void nothing_or_everything_is_dropped_at_the_ends(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *none = dropping(&f, "'p': 0");
    normd_tensor y = drop(&f, none, true);
    assert_int_equal(count_kept(&y, 1.0), COUNT);
    normd_tensor_release(&y);
    normd_session *all = dropping(&f, "'p': 1");
    y = drop(&f, all, true);
    assert_int_equal(count_kept(&y, 1.0), 0);
    normd_tensor_release(&y);
    normd_session_destroy(none);
    normd_session_destroy(all);
    fixture_close(&f);
}

static bool same(const normd_tensor *a, const normd_tensor *b)
{
    return memcmp(a->array.data, b->array.data, normd_array_bytes(&a->array)) == 0;
}

static void a_draw_moves_with_the_statistics_alone(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = dropping(&f, "'p': 0.5");
    normd_tensor looked = drop(&f, session, false);
    normd_tensor again = drop(&f, session, false);
    normd_tensor first = drop(&f, session, true);
    normd_tensor second = drop(&f, session, true);
    assert_true(same(&looked, &again));
    assert_true(same(&looked, &first));
    assert_false(same(&first, &second));
    /* Two draws agree on an element with probability 1/2 if they are independent. */
    size_t agree = 0;
    for (size_t i = 0; i < COUNT; i++) {
        agree += fixture_at(&first.array, i) == fixture_at(&second.array, i);
    }
    expect_binomial(agree, COUNT, 0.5);
    normd_buffer *file = fixture_export(session);
    normd_array draws = fixture_exported(file, "0.draws");
    int64_t number;
    memcpy(&number, draws.data, sizeof number);
    assert_int_equal(number, 2);
    normd_buffer_release(file);
    normd_tensor_release(&looked);
    normd_tensor_release(&again);
    normd_tensor_release(&first);
    normd_tensor_release(&second);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void an_imported_session_goes_on_with_the_same_draws(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = dropping(&f, "'p': 0.5");
    normd_session *other = dropping(&f, "'p': 0.5");
    normd_tensor skipped = drop(&f, session, true);
    normd_buffer *file = fixture_export(session);
    fixture_import(other, file);
    normd_tensor a = drop(&f, session, true);
    normd_tensor b = drop(&f, other, true);
    assert_true(same(&a, &b));
    normd_buffer_release(file);
    normd_tensor_release(&skipped);
    normd_tensor_release(&a);
    normd_tensor_release(&b);
    normd_session_destroy(session);
    normd_session_destroy(other);
    fixture_close(&f);
}

/* The mask of one session, whose pool has so many threads. */
static normd_tensor mask_by(const fixture *f, const char *layers)
{
    char text[320];
    snprintf(text, sizeof text,
        "{'layers': [%s], 'optimizer': {'type': 'sgd', 'lr': 1}, 'seed': 7}", layers);
    normd_session *session = fixture_session(f, text);
    normd_tensor y = drop(f, session, true);
    normd_session_destroy(session);
    return y;
}

static void the_mask_does_not_depend_on_threads(void **state)
{
    (void)state;
    fixture one;
    fixture three;
    fixture_open(&one, 0, NULL);
    fixture_open(&three, 3, NULL);
    normd_tensor a = mask_by(&one, "{'type': 'dropout'}");
    normd_tensor b = mask_by(&three, "{'type': 'dropout'}");
    assert_true(same(&a, &b));
    normd_tensor_release(&a);
    normd_tensor_release(&b);
    fixture_close(&one);
    fixture_close(&three);
}

static void layers_and_seeds_draw_apart(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    /* Two layers keep an element with probability 1/4 if they are independent; so do layers at
       different places, and of different seeds, agree on a half. */
    normd_tensor both = mask_by(&f, "{'type': 'dropout'}, {'type': 'dropout'}");
    expect_binomial(count_kept(&both, 4.0), COUNT, 0.25);
    normd_tensor first = mask_by(&f, "{'type': 'dropout'}");
    normd_tensor second = mask_by(&f, "{'type': 'tanh'}, {'type': 'dropout'}");
    normd_tensor seeded = mask_by(&f, "{'type': 'dropout', 'seed': 8}");
    normd_tensor seeded_alike = mask_by(&f, "{'type': 'dropout', 'seed': 7}");
    assert_true(same(&first, &seeded_alike));
    size_t places = 0;
    size_t seeds = 0;
    for (size_t i = 0; i < COUNT; i++) {
        bool kept = fixture_at(&first.array, i) != 0.0;
        places += kept == (fixture_at(&second.array, i) != 0.0);
        seeds += kept == (fixture_at(&seeded.array, i) != 0.0);
    }
    expect_binomial(places, COUNT, 0.5);
    expect_binomial(seeds, COUNT, 0.5);
    normd_tensor_release(&both);
    normd_tensor_release(&first);
    normd_tensor_release(&second);
    normd_tensor_release(&seeded);
    normd_tensor_release(&seeded_alike);
    fixture_close(&f);
}

static void gradients_go_through_the_mask_of_their_forward(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    fixture_check_gradients(&f,
        "{'layers': [{'type': 'linear', 'in': 4, 'out': 6}, {'type': 'dropout', 'p': 0.25}, "
        "{'type': 'linear', 'out': 3}], 'dtype': 'float64', 'optimizer': {'type': 'sgd', 'lr': 1}}",
        (normd_shape){2, {5, 4}}, NULL);
    /* A later draw does not touch an earlier step's mask. */
    normd_session *session = dropping(&f, "'p': 0.5");
    normd_tensor ones = fixture_normal(&f, NORMD_F32, (normd_shape){2, {ROWS, COLUMNS}}, 1);
    for (size_t i = 0; i < COUNT; i++) {
        fixture_put(&ones.array, i, 1.0);
    }
    normd_forward_result result;
    normd_tensor y = fixture_forward(&f, session, &ones.array, NULL, true, &result);
    normd_tensor later = drop(&f, session, true);
    normd_tensor dx = fixture_backward(&f, session, result.step, true, &ones.array);
    assert_true(same(&y, &dx));
    normd_tensor_release(&ones);
    normd_tensor_release(&y);
    normd_tensor_release(&later);
    normd_tensor_release(&dx);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void inference_leaves_x_as_it_is(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = dropping(&f, "'p': 0.5");
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {ROWS, COLUMNS}}, 1);
    normd_tensor y = fixture_infer(&f, session, &x.array);
    assert_true(same(&x, &y));
    normd_tensor_release(&x);
    normd_tensor_release(&y);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    fixture_refused(&f, "{'layers': [{'type': 'dropout', 'p': 1.5}]}", NORMD_BAD_ARGUMENT,
        "layers[0].p: expected a number in [0, 1], got 1.5");
    fixture_refused(&f, "{'layers': [{'type': 'dropout'}], 'convention': 'keras'}",
        NORMD_BAD_ARGUMENT, "layers[0].rate: expected the share of what is dropped, got nothing");
    fixture_refused(&f, "{'layers': [{'type': 'dropout', 'p': 0.5, 'rate': 0.5}]}",
        NORMD_BAD_ARGUMENT, "layers[0].rate: expected one name of this option, got \"p\" as well");
    fixture_refused(&f, "{'layers': [{'type': 'dropout', 'seed': -1}]}", NORMD_BAD_ARGUMENT,
        "layers[0].seed: expected an integer in [0, 9223372036854775807], got -1");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_share_of_what_is_dropped_is_p),
        cmocka_unit_test(nothing_or_everything_is_dropped_at_the_ends),
        cmocka_unit_test(a_draw_moves_with_the_statistics_alone),
        cmocka_unit_test(an_imported_session_goes_on_with_the_same_draws),
        cmocka_unit_test(the_mask_does_not_depend_on_threads),
        cmocka_unit_test(layers_and_seeds_draw_apart),
        cmocka_unit_test(gradients_go_through_the_mask_of_their_forward),
        cmocka_unit_test(inference_leaves_x_as_it_is),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
