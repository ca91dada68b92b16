// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/clients/c/retry.h"

#include <stdlib.h>
#include <string.h>

static uint32_t submit(normd_client *client, const char *session)
{
    uint32_t id;
    normd_client_begin(client, "step", 1);
    normd_client_put_string(client, "session", session);
    assert_int_equal(normd_client_submit(client, &id, NULL), NORMD_CLIENT_OK);
    return id;
}

/* One letter a session; a capital letter is one that is refused. */
static void run_pipeline(normd_client *client, const char *sessions)
{
    uint32_t id[FAKE_MOST];
    size_t count = strlen(sessions);
    for (size_t k = 0; k < count; k++) {
        char good[2] = {sessions[k], '\0'};
        id[k] = submit(client, sessions[k] >= 'a' ? good : "bad");
    }
    for (size_t k = 0; k < count; k++) {
        normd_client_answer *answer;
        normd_client_status status = normd_client_wait(client, id[k], &answer, NULL);
        assert_int_equal(status, sessions[k] >= 'a' ? NORMD_CLIENT_OK : NORMD_CLIENT_REFUSED);
        if (status == NORMD_CLIENT_OK) {
            normd_client_answer_free(answer);
        }
    }
    assert_int_equal(normd_client_in_flight(client), 0);
}

static void a_pipeline_is_sent_again_in_its_order(void **state)
{
    (void)state;
    for (size_t at = 0; at < 10; at++) {
        for (fake_trouble cut = FAKE_CUT_BEFORE; cut <= FAKE_CUT_AFTER; cut++) {
            fake_trouble script[FAKE_MOST] = {FAKE_NONE};
            script[at] = cut;
            fake_daemon *daemon = fake_daemon_start(true, script, FAKE_MOST);
            normd_client *client = open_client(daemon);
            run_pipeline(client, "abcdefghij");
            stop_and_compare(daemon, client, "abcdefghij");
            fake_daemon_free(daemon);
        }
    }
}

static void a_pipeline_goes_on_behind_mutations_that_are_refused(void **state)
{
    (void)state;
    fake_daemon *daemon = fake_daemon_start(true, SCRIPT(FAKE_NONE, FAKE_BUSY));
    normd_client *client = open_client(daemon);
    run_pipeline(client, "abXcdXXe");
    assert_int_equal(step(client, "f"), 6);
    stop_and_compare(daemon, client, "abcdef");
    assert_int_equal(daemon->last, 6);
    fake_daemon_free(daemon);
}

static void no_more_are_in_flight_than_the_daemon_remembers(void **state)
{
    (void)state;
    char sessions[201] = "";
    for (size_t k = 0; k < 200; k++) {
        sessions[k] = (char)('a' + k % 26);
    }
    fake_trouble script[FAKE_MOST] = {FAKE_NONE};
    script[70] = script[100] = script[180] = FAKE_CUT_AFTER;
    fake_daemon *daemon = fake_daemon_start(true, script, FAKE_MOST);
    normd_client *client = open_client(daemon);
    run_pipeline(client, sessions);
    stop_and_compare(daemon, client, sessions);
    fake_daemon_free(daemon);
}

static void what_was_submitted_is_sent_again_from_a_copy(void **state)
{
    (void)state;
    fake_daemon *daemon = fake_daemon_start(true, SCRIPT(FAKE_CUT_BEFORE));
    normd_client *client = open_client(daemon);
    char *bytes = calloc(1, 1 << 20);
    assert_non_null(bytes);
    normd_client_begin(client, "step", 3);
    normd_client_put_bytes(client, "data", bytes, 1 << 20);
    normd_client_put_string(client, "session", "a");
    normd_client_put_bytes(client, "more", bytes, 5000);
    uint32_t id;
    assert_int_equal(normd_client_submit(client, &id, NULL), NORMD_CLIENT_OK);
    free(bytes);
    normd_client_answer *answer;
    assert_int_equal(normd_client_wait(client, id, &answer, NULL), NORMD_CLIENT_OK);
    normd_client_answer_free(answer);
    stop_and_compare(daemon, client, "a");
    fake_daemon_free(daemon);
}

static void next_gives_every_answer_and_every_failure(void **state)
{
    (void)state;
    fake_daemon *daemon =
        fake_daemon_start(false, SCRIPT(FAKE_NONE, FAKE_CUT_AFTER, FAKE_NONE, FAKE_NONE));
    normd_client *client = open_client(daemon);
    size_t failures = 0;
    step(client, "a");
    for (size_t k = 0; k < 3; k++) {
        submit(client, "b");
        normd_client_answer *answer;
        assert_int_equal(normd_client_next(client, &answer, NULL), NORMD_CLIENT_OK);
        failures += answer->refused;
        assert_int_equal(answer->applied,
            answer->refused ? NORMD_CLIENT_APPLIED_UNKNOWN : NORMD_CLIENT_APPLIED_YES);
        normd_client_answer_free(answer);
    }
    assert_int_equal(failures, 1);
    normd_client_answer *answer;
    assert_int_equal(normd_client_next(client, &answer, NULL), NORMD_CLIENT_FAILED);
    stop_and_compare(daemon, client, "abbb");
    fake_daemon_free(daemon);
}

static void a_submitted_mutation_that_is_forgotten_is_seen_through(void **state)
{
    (void)state;
    fake_daemon *daemon = fake_daemon_start(true, SCRIPT(FAKE_CUT_BEFORE));
    normd_client *client = open_client(daemon);
    normd_client_forget(client, submit(client, "a"));
    assert_int_equal(normd_client_in_flight(client), 0);
    assert_int_equal(step(client, "b"), 2);
    stop_and_compare(daemon, client, "ab");
    fake_daemon_free(daemon);
}

static void every_mutation_is_applied_once_under_random_trouble(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 6; seed++) {
        fake_trouble script[FAKE_MOST] = {FAKE_NONE};
        uint32_t random = seed;
        for (size_t k = 0; k < FAKE_MOST; k++) {
            random = random * 1664525u + 1013904223u;
            bool pipelined = seed % 2 == 0;
            if (random >> 28 == 0) {
                script[k] = pipelined
                                ? FAKE_CUT_BEFORE + (random >> 20) % 2
                                : (fake_trouble[]){FAKE_CUT_BEFORE, FAKE_CUT_AFTER, FAKE_BUSY,
                                      FAKE_STORE_FAILED, FAKE_SHUTTING_DOWN}[(random >> 20) % 5];
            }
        }
        fake_daemon *daemon = fake_daemon_start(true, script, FAKE_MOST);
        normd_client_options options = NORMD_CLIENT_OPTIONS_DEFAULT;
        options.backoff_most_ms = 20;
        normd_client *client = open_with(daemon, options);
        char sessions[101] = "";
        for (size_t k = 0; k < 100; k++) {
            sessions[k] = (char)('a' + k % 26);
        }
        if (seed % 2 == 0) {
            run_pipeline(client, sessions);
        } else {
            for (size_t k = 0; k < 100; k++) {
                assert_int_equal(step(client, (char[]){sessions[k], '\0'}), k + 1);
            }
        }
        stop_and_compare(daemon, client, sessions);
        fake_daemon_free(daemon);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipeline_is_sent_again_in_its_order),
        cmocka_unit_test(a_pipeline_goes_on_behind_mutations_that_are_refused),
        cmocka_unit_test(no_more_are_in_flight_than_the_daemon_remembers),
        cmocka_unit_test(what_was_submitted_is_sent_again_from_a_copy),
        cmocka_unit_test(next_gives_every_answer_and_every_failure),
        cmocka_unit_test(a_submitted_mutation_that_is_forgotten_is_seen_through),
        cmocka_unit_test(every_mutation_is_applied_once_under_random_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
