// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/mutations.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static normd_image *image_of(normd_session *session)
{
    normd_image *image = normd_session_image(session);
    assert_non_null(image);
    return image;
}

static void an_image_stays_what_it_was(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    for (size_t s = 0; s < mutations_subject_count; s++) {
        normd_session *session = fixture_session(&f, mutations_subjects[s].configuration);
        mutations_run(&f, session, 0, 12);
        normd_image *image = image_of(session);
        normd_session *restored = mutations_restored(&f, image);
        normd_image *copy = image_of(restored);
        mutations_run(&f, session, 12, 12);
        assert_true(mutations_same_image(image, copy));
        normd_session_destroy(session);
        assert_true(mutations_same_image(image, copy));
        normd_image_release(image);
        normd_image_release(copy);
        normd_session_destroy(restored);
    }
    fixture_close(&f);
}

/* Addresses tell what changed. */
static void what_did_not_change_lies_where_it_lay(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, mutations_subjects[0].configuration);
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {12, 6}}, 1);
    normd_image *a = image_of(session);
    normd_forward_result result;
    normd_tensor y = fixture_forward(&f, session, &x.array, NULL, true, &result);
    normd_image *b = image_of(session);
    normd_tensor dx = fixture_backward(&f, session, result.step, false, &y.array);
    normd_image *c = image_of(session);
    normd_image *d = image_of(session);
    const bool same[][NORMD_IMAGE_PARTS] = {
        {true, false, true, true, true},
        {true, true, true, false, true},
        {true, true, true, true, true},
    };
    const normd_image *const image[] = {a, b, c, d};
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned p = 0; p < NORMD_IMAGE_PARTS; p++) {
            assert_int_equal(normd_image_part_of(image[i], (normd_image_part)p).data ==
                                 normd_image_part_of(image[i + 1], (normd_image_part)p).data,
                same[i][p]);
        }
        assert_ptr_equal(normd_image_identity(image[i]), normd_image_identity(image[i + 1]));
    }
    normd_image_release(a);
    normd_image_release(b);
    normd_image_release(c);
    normd_image_release(d);
    normd_tensor_release(&x);
    normd_tensor_release(&y);
    normd_tensor_release(&dx);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void another_configuration_is_another_identity(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, mutations_subjects[0].configuration);
    normd_image *before = image_of(session);
    json_t *changes = fixture_json("{'lr': 0.5}");
    uint64_t version;
    normd_error error;
    assert_int_equal(normd_session_optimizer_set(session, changes, &version, &error), NORMD_OK);
    normd_image *after = image_of(session);
    assert_ptr_not_equal(normd_image_identity(before), normd_image_identity(after));
    char *one = normd_image_description(before);
    char *other = normd_image_description(after);
    assert_string_not_equal(one, other);
    free(one);
    free(other);
    json_decref(changes);
    normd_image_release(before);
    normd_image_release(after);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void an_image_gives_its_snapshot_to_readers(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, mutations_subjects[0].configuration);
    fixture_train_some(&f, session, 0, 3);
    normd_image *image = image_of(session);
    fixture_train_some(&f, session, 3, 3);
    normd_snapshot *snapshot = normd_image_snapshot(image);
    normd_image_release(image);
    assert_int_equal(normd_snapshot_version(snapshot), 3);
    normd_snapshot_release(snapshot);
    normd_session_destroy(session);
    fixture_close(&f);
}

static void *release(void *image)
{
    normd_image_release(image);
    return NULL;
}

static void images_may_be_released_on_any_thread(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 0, NULL);
    normd_session *session = fixture_session(&f, mutations_subjects[8].configuration);
    for (uint64_t number = 0; number < 40; number++) {
        mutations_make(&f, session, number);
        normd_image *image = image_of(session);
        normd_image *kept = normd_image_retain(image);
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, release, image), 0);
        assert_true(mutations_same_image(kept, kept));
        assert_int_equal(pthread_join(thread, NULL), 0);
        normd_image_release(kept);
    }
    normd_session_destroy(session);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_stays_what_it_was),
        cmocka_unit_test(what_did_not_change_lies_where_it_lay),
        cmocka_unit_test(another_configuration_is_another_identity),
        cmocka_unit_test(an_image_gives_its_snapshot_to_readers),
        cmocka_unit_test(images_may_be_released_on_any_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
