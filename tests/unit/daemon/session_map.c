// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "daemon/session_map.h"

static normd_engine engine;
static normd_session_map map;

static int set_up(void **state)
{
    (void)state;
    static const normd_session_queue_work no_work = {.run = NULL};
    engine.kernels = normd_kernels_choose("baseline");
    engine.buffers = normd_buffer_cache_create(0);
    normd_session_map_init(&map, NULL, &no_work);
    return engine.kernels != NULL && engine.buffers != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    normd_session_map_clear(&map);
    normd_buffer_cache_destroy(engine.buffers);
    return 0;
}

static normd_session *make_session(void)
{
    normd_error error;
    normd_session *session = NULL;
    json_t *configuration =
        json_pack("{s:[{s:s,s:i}]}", "layers", "type", "batch_norm", "features", 3);
    normd_attachments none = {.count = 0};
    assert_int_equal(
        normd_session_create(&engine, configuration, &none, &session, &error), NORMD_OK);
    json_decref(configuration);
    return session;
}

static void a_claimed_name_is_found_while_its_request_lives(void **state)
{
    (void)state;
    assert_null(normd_session_map_find(&map, "digits", 6));
    normd_session_entry *entry = normd_session_map_claim(&map, "digits", 6);
    assert_non_null(entry);
    assert_string_equal(entry->name, "digits");
    assert_ptr_equal(normd_session_map_find(&map, "digits", 6), entry);
    assert_ptr_equal(normd_session_map_claim(&map, "digits", 6), entry);
    assert_int_equal(entry->references, 4);
    for (int i = 0; i < 3; i++) {
        normd_session_map_release(&map, entry);
    }
    assert_null(normd_session_map_find(&map, "digits", 6));
}

static void an_entry_with_a_session_stays_without_requests(void **state)
{
    (void)state;
    normd_session_entry *entry = normd_session_map_claim(&map, "digits", 6);
    assert_int_equal(normd_session_map_count(&map), 0);
    normd_session_map_put(&map, entry, make_session(), NULL);
    normd_session_map_release(&map, entry);
    assert_int_equal(normd_session_map_count(&map), 1);
    assert_ptr_equal(normd_session_map_find(&map, "digits", 6), entry);
    normd_session_map_release(&map, entry);
}

static void names_are_compared_whole(void **state)
{
    (void)state;
    normd_session_entry *entry = normd_session_map_claim(&map, "digits", 6);
    assert_null(normd_session_map_find(&map, "digit", 5));
    assert_null(normd_session_map_find(&map, "digits2", 7));
    assert_null(normd_session_map_find(&map, "Digits", 6));
    normd_session_map_release(&map, entry);
}

static void an_unlisted_name_is_free_for_another_session(void **state)
{
    (void)state;
    normd_session_entry *old = normd_session_map_claim(&map, "digits", 6);
    normd_session_map_put(&map, old, make_session(), NULL);
    normd_session_map_unlist(&map, old);
    assert_null(normd_session_map_find(&map, "digits", 6));
    normd_session_entry *new = normd_session_map_claim(&map, "digits", 6);
    assert_ptr_not_equal(old, new);
    normd_session_map_unlist(&map, old);
    assert_ptr_equal(normd_session_map_find(&map, "digits", 6), new);
    normd_session_map_release(&map, new);
    normd_session_map_release(&map, new);
    normd_session_map_release(&map, old);
}

static void many_names_are_told_apart(void **state)
{
    (void)state;
    char name[16];
    for (int i = 0; i < 1000; i++) {
        int length = snprintf(name, sizeof name, "session-%d", i);
        normd_session_entry *entry = normd_session_map_claim(&map, name, (size_t)length);
        normd_session_map_put(&map, entry, make_session(), NULL);
        normd_session_map_release(&map, entry);
    }
    assert_int_equal(normd_session_map_count(&map), 1000);
    for (int i = 0; i < 1000; i++) {
        int length = snprintf(name, sizeof name, "session-%d", i);
        normd_session_entry *entry = normd_session_map_find(&map, name, (size_t)length);
        assert_non_null(entry);
        assert_string_equal(entry->name, name);
        normd_session_map_release(&map, entry);
    }
}

static void a_retired_session_gives_everything_back_in_the_pool(void **state)
{
    (void)state;
    engine.context_bytes = 4096;
    normd_session *session = make_session();
    normd_shape shape = {2, {4, 3}};
    normd_tensor x;
    normd_tensor y;
    normd_forward_options options = {.mask = NULL};
    normd_forward_result result;
    normd_error error;
    assert_int_equal(normd_tensor_take(engine.buffers, NORMD_F32, &shape, &x, &error), NORMD_OK);
    for (size_t i = 0; i < 12; i++) {
        ((float *)x.array.data)[i] = (float)i;
    }
    assert_int_equal(normd_session_forward(session, &x, &options, &y, &result, &error), NORMD_OK);
    normd_tensor_release(&y);
    assert_int_not_equal(normd_buffer_cache_bytes_out(engine.buffers), 0);
    map.pool = normd_pool_create(1);
    assert_non_null(map.pool);
    normd_session_map_retire(&map, session);
    normd_pool_destroy(map.pool);
    assert_int_equal(normd_buffer_cache_bytes_out(engine.buffers), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_claimed_name_is_found_while_its_request_lives),
        TEST(an_entry_with_a_session_stays_without_requests),
        TEST(names_are_compared_whole),
        TEST(an_unlisted_name_is_free_for_another_session),
        TEST(many_names_are_told_apart),
        TEST(a_retired_session_gives_everything_back_in_the_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
