// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/mutations.h"

#include <stdlib.h>
#include <string.h>

#include "lib/session/statistics.h"

static normd_image *image_of(normd_session *session)
{
    normd_image *image = normd_session_image(session);
    assert_non_null(image);
    return image;
}

/* Restored after `before` mutations, a session and its copy make the same of 24 more. */
static void compare_after(
    const fixture *f, const mutations_subject *subject, uint64_t before, size_t seen[])
{
    normd_session *session = fixture_session(f, subject->configuration);
    mutations_run(f, session, 0, before);
    normd_image *image = image_of(session);
    normd_session *restored = mutations_restored(f, image);
    for (unsigned p = 0; p < NORMD_IMAGE_PARTS; p++) {
        seen[p] += normd_image_part_of(image, (normd_image_part)p).size > 0;
    }
    bool same = mutations_same(session, restored);
    uint64_t of_session = mutations_run(f, session, before, 24);
    uint64_t of_restored = mutations_run(f, restored, before, 24);
    if (!same || of_session != of_restored || !mutations_same(session, restored)) {
        fail_msg("%s is another after %zu mutations", subject->name, (size_t)before);
    }
    assert_true(normd_session_same_configuration(session, restored));
    normd_image_release(image);
    normd_session_destroy(session);
    normd_session_destroy(restored);
}

static void a_restored_session_goes_on_to_the_same_bits(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t s = 0; s < mutations_subject_count; s++) {
        size_t seen[NORMD_IMAGE_PARTS] = {0};
        for (uint64_t before = 0; before < 24; before += 1 + before / 4) {
            compare_after(&f, &mutations_subjects[s], before, seen);
        }
        assert_true(seen[NORMD_IMAGE_ACCUMULATED] > 0);
        assert_true(seen[NORMD_IMAGE_RECALIBRATION] > 0);
    }
    fixture_close(&f);
}

static void what_was_reconfigured_is_restored(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, mutations_subjects[0].configuration);
    mutations_run(&f, session, 0, 9);
    json_t *changes = fixture_json("{'lr': 0.25, 'averaging': 'ema'}");
    uint64_t version;
    normd_error error;
    assert_int_equal(normd_session_optimizer_set(session, changes, &version, &error), NORMD_OK);
    json_decref(changes);
    mutations_run(&f, session, 9, 5);
    normd_image *image = image_of(session);
    normd_session *restored = mutations_restored(&f, image);
    normd_session *created = fixture_session(&f, mutations_subjects[0].configuration);
    assert_true(mutations_same(session, restored));
    assert_true(normd_session_same_configuration(restored, created));
    assert_true(mutations_run(&f, session, 20, 9) == mutations_run(&f, restored, 20, 9));
    assert_true(mutations_same(session, restored));
    normd_image_release(image);
    normd_session_destroy(session);
    normd_session_destroy(restored);
    normd_session_destroy(created);
    fixture_close(&f);
}

static void recalibrate(const fixture *f, normd_session *session, uint64_t stream,
    normd_recalibration_mode mode, bool finish)
{
    normd_tensor x = fixture_normal(f, NORMD_F32, (normd_shape){2, {12, 6}}, stream);
    normd_recalibration_options options = {.mode = mode, .finish = finish};
    normd_recalibration_result result;
    normd_error error;
    if (normd_session_recalibrate(session, &x.array, &options, &result, &error) != NORMD_OK) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(result.batches, stream);
    normd_tensor_release(&x);
}

static void a_recalibration_goes_on_where_it_was(void **state)
{
    (void)state;
    const normd_recalibration_mode modes[] = {
        NORMD_RECALIBRATE_POOLED, NORMD_RECALIBRATE_MEAN_OF_VARIANCES};
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t m = 0; m < 2; m++) {
        normd_session *session = fixture_session(&f, mutations_subjects[0].configuration);
        recalibrate(&f, session, 1, modes[m], false);
        recalibrate(&f, session, 2, modes[m], false);
        normd_image *image = image_of(session);
        normd_session *restored = mutations_restored(&f, image);
        recalibrate(&f, session, 3, modes[m], false);
        recalibrate(&f, restored, 3, modes[m], false);
        assert_true(mutations_same(session, restored));
        /* The image before is still what it was. */
        normd_session *early = mutations_restored(&f, image);
        recalibrate(&f, early, 3, modes[m], true);
        recalibrate(&f, session, 4, modes[m], true);
        recalibrate(&f, restored, 4, modes[m], true);
        assert_true(mutations_same(session, restored));
        assert_false(mutations_same(session, early));
        normd_image_release(image);
        normd_session_destroy(session);
        normd_session_destroy(restored);
        normd_session_destroy(early);
    }
    fixture_close(&f);
}

static void parts_may_lie_anywhere(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, mutations_subjects[2].configuration);
    mutations_run(&f, session, 0, 12);
    normd_image *image = image_of(session);
    normd_image_source source = mutations_source(image);
    char *moved[NORMD_IMAGE_PARTS];
    for (size_t p = 0; p < NORMD_IMAGE_PARTS; p++) {
        moved[p] = malloc(source.part[p].size + 1);
        assert_non_null(moved[p]);
        if (source.part[p].size > 0) {
            memcpy(moved[p] + 1, source.part[p].data, source.part[p].size);
        }
        source.part[p].data = moved[p] + 1;
    }
    normd_session *restored = NULL;
    normd_error error;
    assert_int_equal(normd_session_restore(&f.engine, &source, &restored, &error), NORMD_OK);
    assert_true(mutations_same(session, restored));
    for (size_t p = 0; p < NORMD_IMAGE_PARTS; p++) {
        free(moved[p]);
    }
    free((void *)(uintptr_t)source.description);
    normd_image_release(image);
    normd_session_destroy(session);
    normd_session_destroy(restored);
    fixture_close(&f);
}

static void a_living_session_takes_a_later_state(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t s = 0; s < mutations_subject_count; s++) {
        normd_session *session = fixture_session(&f, mutations_subjects[s].configuration);
        mutations_run(&f, session, 0, 3);
        normd_image *early = image_of(session);
        normd_session *follower = mutations_restored(&f, early);
        mutations_run(&f, session, 3, 20);
        normd_image *late = image_of(session);
        normd_image_source source = mutations_source(late);
        normd_error error;
        assert_int_equal(normd_session_assign(follower, &source, &error), NORMD_OK);
        assert_true(mutations_same(session, follower));
        const char *description = source.description;
        source = mutations_source(early);
        free((void *)(uintptr_t)source.description);
        source.description = NULL;
        assert_int_equal(normd_session_assign(follower, &source, &error), NORMD_OK);
        normd_image *now = image_of(follower);
        assert_true(mutations_same_image(early, now));
        free((void *)(uintptr_t)description);
        normd_image_release(now);
        normd_image_release(early);
        normd_image_release(late);
        normd_session_destroy(session);
        normd_session_destroy(follower);
    }
    fixture_close(&f);
}

static void refuse(const fixture *f, const normd_image_source *source, const char *message)
{
    normd_session *session = NULL;
    normd_error error;
    assert_int_equal(
        normd_session_restore(&f->engine, source, &session, &error), NORMD_BAD_ARGUMENT);
    assert_null(session);
    if (strncmp(error.message, message, strlen(message)) != 0) {
        fail_msg("expected \"%s\", got \"%s\"", message, error.message);
    }
}

static void parts_of_another_size_are_refused(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, mutations_subjects[0].configuration);
    mutations_run(&f, session, 0, 12);
    normd_image *image = image_of(session);
    normd_image_source source = mutations_source(image);
    char rubbish[512] = {0};
    static const char *const message[NORMD_IMAGE_PARTS] = {
        "parameters: expected 576 bytes, got 511",
        "statistics: expected 256 bytes, got 511",
        "slots: expected 576 bytes, got 511",
        "accumulated: expected 576 bytes, got 511",
        "recalibration: expected 280 bytes, got 511",
    };
    for (size_t p = 0; p < NORMD_IMAGE_PARTS; p++) {
        normd_image_source other = source;
        other.part[p] = (normd_image_bytes){rubbish, 511};
        refuse(&f, &other, message[p]);
    }
    source.part[NORMD_IMAGE_RECALIBRATION] = (normd_image_bytes){rubbish, 280};
    refuse(&f, &source, "recalibration: expected batches of 8 features, got other bytes");
    free((void *)(uintptr_t)source.description);
    normd_image_release(image);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void descriptions_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, mutations_subjects[0].configuration);
    normd_image *image = image_of(session);
    normd_image_source source = mutations_source(image);
    json_t *words = json_loads(source.description, 0, NULL);
    assert_non_null(words);
    free((void *)(uintptr_t)source.description);
    source.description = "{";
    refuse(&f, &source, "description: expected JSON, got an error in line 1");
    source.description = "{}";
    refuse(&f, &source, "description.configuration: expected a map, got nothing");
    source.description = "{\"configuration\": {}}";
    refuse(&f, &source, "description.digest: expected 16 hexadecimal digits, got nothing");
    source.description = "{\"configuration\": {}, \"created\": 1}";
    refuse(&f, &source, "description.created: expected text, got something else");
    json_object_set_new(words, "layout", json_string("0123456789abcdef"));
    char *other = json_dumps(words, JSON_COMPACT);
    source.description = other;
    refuse(&f, &source, "description.layout: expected ");
    free(other);
    json_decref(words);
    normd_image_release(image);
    normd_session_destroy(session);
    fixture_close(&f);
}

/* Momentum's slot is as large as the other optimizer's, and means something else. */
static void another_session_s_state_is_refused(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, mutations_subjects[0].configuration);
    normd_session *other = fixture_session(&f, mutations_subjects[1].configuration);
    mutations_run(&f, other, 0, 3);
    normd_image *before = image_of(session);
    normd_image *image = image_of(other);
    normd_image_source source = mutations_source(image);
    normd_error error;
    assert_int_equal(normd_session_assign(session, &source, &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(
        error.message, "description: expected that of this session, got another one");
    normd_image *after = image_of(session);
    assert_true(mutations_same_image(before, after));
    free((void *)(uintptr_t)source.description);
    normd_image_release(before);
    normd_image_release(image);
    normd_image_release(after);
    normd_session_destroy(session);
    normd_session_destroy(other);
    fixture_close(&f);
}

static void a_restored_session_takes_its_place_in_the_budget(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, mutations_subjects[0].configuration);
    normd_image *image = image_of(session);
    normd_image_source source = mutations_source(image);
    normd_session_totals totals = {.sessions = {.limit = 0}};
    f.engine.totals = &totals;
    normd_session *restored = mutations_restored(&f, image);
    size_t one = normd_budget_used(&totals.sessions);
    assert_true(one > 0);
    totals.sessions.limit = 2 * one - 1;
    normd_session *second = NULL;
    normd_error error;
    assert_int_equal(normd_session_restore(&f.engine, &source, &second, &error), NORMD_BUSY);
    assert_int_equal(normd_budget_used(&totals.sessions), one);
    normd_session_destroy(restored);
    assert_int_equal(normd_budget_used(&totals.sessions), 0);
    assert_int_equal(totals.bytes, 0);
    free((void *)(uintptr_t)source.description);
    normd_image_release(image);
    normd_session_destroy(session);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restored_session_goes_on_to_the_same_bits),
        cmocka_unit_test(what_was_reconfigured_is_restored),
        cmocka_unit_test(a_recalibration_goes_on_where_it_was),
        cmocka_unit_test(parts_may_lie_anywhere),
        cmocka_unit_test(a_living_session_takes_a_later_state),
        cmocka_unit_test(parts_of_another_size_are_refused),
        cmocka_unit_test(descriptions_that_do_not_fit_are_refused),
        cmocka_unit_test(another_session_s_state_is_refused),
        cmocka_unit_test(a_restored_session_takes_its_place_in_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
