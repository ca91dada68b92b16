// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/clients/c/retry.h"

#include <stdio.h>
#include <string.h>

static void a_mutation_whose_connection_ends_is_sent_again_and_applied_once(void **state)
{
    (void)state;
    for (fake_trouble cut = FAKE_CUT_BEFORE; cut <= FAKE_CUT_AFTER; cut++) {
        fake_daemon *daemon = fake_daemon_start(true, SCRIPT(cut, cut, cut));
        normd_client *client = open_client(daemon);
        assert_int_equal(step(client, "a"), 1);
        assert_int_equal(step(client, "b"), 2);
        char name[FAKE_TEXT_BYTES];
        snprintf(name, sizeof name, "%s", normd_client_name(client));
        stop_and_compare(daemon, client, "ab");
        assert_int_equal(daemon->requests, 5);
        assert_int_equal(daemon->seq[0], 1);
        assert_int_equal(daemon->seq[3], 1);
        assert_int_equal(daemon->seq[4], 2);
        assert_string_equal(daemon->client[0], name);
        assert_string_equal(daemon->client[3], daemon->client[0]);
        fake_daemon_free(daemon);
    }
}

static void what_was_refused_for_now_is_sent_again(void **state)
{
    (void)state;
    for (fake_trouble code = FAKE_BUSY; code <= FAKE_SHUTTING_DOWN; code++) {
        fake_daemon *daemon = fake_daemon_start(true, SCRIPT(code, code));
        normd_client *client = open_client(daemon);
        assert_int_equal(step(client, "a"), 1);
        stop_and_compare(daemon, client, "a");
        assert_int_equal(daemon->requests, 3);
        assert_int_equal(daemon->seq[2], 1);
        assert_int_equal(daemon->connections, code == FAKE_SHUTTING_DOWN ? 3 : 1);
        fake_daemon_free(daemon);
    }
}

static void reads_are_sent_again_and_carry_no_number(void **state)
{
    (void)state;
    fake_daemon *daemon =
        fake_daemon_start(true, SCRIPT(FAKE_CUT_BEFORE, FAKE_CUT_AFTER, FAKE_BUSY));
    normd_client *client = open_client(daemon);
    normd_client_answer *answer;
    normd_client_begin(client, "stats", 1);
    normd_client_put_string(client, "session", "a");
    assert_int_equal(normd_client_call(client, &answer, NULL), NORMD_CLIENT_OK);
    normd_client_answer_free(answer);
    assert_int_equal(normd_client_was_applied(client), NORMD_CLIENT_APPLIED_NO);
    stop_and_compare(daemon, client, "");
    assert_int_equal(daemon->requests, 4);
    assert_int_equal(daemon->seq[3], 0);
    assert_int_equal(daemon->hellos, 0);
    fake_daemon_free(daemon);
}

static void a_silent_connection_is_given_up_and_the_mutation_sent_again(void **state)
{
    (void)state;
    fake_daemon *daemon = fake_daemon_start(true, SCRIPT(FAKE_SILENT));
    normd_client_options options = NORMD_CLIENT_OPTIONS_DEFAULT;
    options.timeout_ms = 500;
    normd_client *client = open_with(daemon, options);
    assert_int_equal(step(client, "a"), 1);
    stop_and_compare(daemon, client, "a");
    assert_true(daemon->connections >= 2);
    fake_daemon_free(daemon);
}

static void other_errors_are_final_and_their_number_is_the_next_mutations(void **state)
{
    (void)state;
    fake_daemon *daemon = fake_daemon_start(true, NULL, 0);
    normd_client *client = open_client(daemon);
    uint64_t version;
    normd_error error;
    assert_int_equal(normd_client_step(client, "bad", &version, &error), NORMD_CLIENT_REFUSED);
    assert_int_equal(error.status, NORMD_BAD_ARGUMENT);
    assert_int_equal(normd_client_was_applied(client), NORMD_CLIENT_APPLIED_NO);
    assert_int_equal(step(client, "a"), 1);
    stop_and_compare(daemon, client, "a");
    assert_int_equal(daemon->seq[1], 1);
    fake_daemon_free(daemon);
}

static void assert_expires(
    normd_client *client, normd_client_applied applied, const char *text, const char *session)
{
    uint64_t version;
    normd_error error;
    assert_int_equal(normd_client_step(client, session, &version, &error), NORMD_CLIENT_TIMED_OUT);
    assert_int_equal(normd_client_was_applied(client), applied);
    assert_non_null(strstr(error.message, text));
}

static void the_deadline_says_whether_the_mutation_may_have_been_applied(void **state)
{
    (void)state;
    static const struct {
        fake_trouble trouble;
        normd_client_applied applied;
        const char *text;
    } cases[] = {
        {FAKE_BUSY, NORMD_CLIENT_APPLIED_NO, "BUSY no; the mutation was not applied"},
        {FAKE_CUT_AFTER, NORMD_CLIENT_APPLIED_UNKNOWN, "; the mutation may have been applied"},
        {FAKE_SILENT, NORMD_CLIENT_APPLIED_UNKNOWN, "; the mutation may have been applied"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        fake_trouble script[FAKE_MOST];
        for (size_t r = 0; r < FAKE_MOST; r++) {
            script[r] = cases[k].trouble;
        }
        fake_daemon *daemon = fake_daemon_start(true, script, FAKE_MOST);
        normd_client_options options = NORMD_CLIENT_OPTIONS_DEFAULT;
        options.deadline_ms = 1000;
        /* The deadline falls into the pause behind the first refusal, not into an attempt. */
        uint64_t pause = cases[k].trouble == FAKE_BUSY ? UINT64_C(1000000000) : 10;
        options.backoff_least_ms = options.backoff_most_ms = pause;
        normd_client *client = open_with(daemon, options);
        assert_expires(client, cases[k].applied, cases[k].text, "a");
        normd_client_close(client);
        fake_daemon_stop(daemon);
        fake_daemon_free(daemon);
    }
}

static void after_an_unknown_outcome_the_next_mutation_does_not_collide(void **state)
{
    (void)state;
    /* Of the second, the answer to the first connection's request is lost for good. */
    fake_daemon *daemon = fake_daemon_start(
        true, SCRIPT(FAKE_NONE, FAKE_SILENT, FAKE_CUT_BEFORE, FAKE_NONE, FAKE_NONE));
    normd_client *client = open_client(daemon);
    assert_int_equal(step(client, "a"), 1);
    normd_client_set_timeout(client, 1.0);
    assert_expires(client, NORMD_CLIENT_APPLIED_UNKNOWN, "may have been", "b");
    normd_client_set_timeout(client, 60.0);
    /* The third is number 3, whose connection ends; number 2 cannot be sent again, so the third
       finds a gap, of which the client cannot know what it is. */
    uint64_t version;
    normd_error error;
    assert_int_equal(normd_client_step(client, "c", &version, &error), NORMD_CLIENT_REFUSED);
    assert_int_equal(error.status, NORMD_SEQ_GAP);
    assert_int_equal(step(client, "d"), 2);
    stop_and_compare(daemon, client, "ad");
    assert_int_equal(daemon->seq[4], 1);
    fake_daemon_free(daemon);
}

static void a_named_client_goes_on_where_its_predecessor_stopped(void **state)
{
    (void)state;
    fake_daemon *daemon = fake_daemon_start(true, NULL, 0);
    normd_client_options options = NORMD_CLIENT_OPTIONS_DEFAULT;
    options.client = "trainer-7";
    normd_client *client = NULL;
    for (uint64_t k = 1; k <= 3; k++) {
        normd_client_close(client);
        client = open_with(daemon, options);
        assert_string_equal(normd_client_name(client), "trainer-7");
        assert_int_equal(step(client, "a"), k);
    }
    stop_and_compare(daemon, client, "aaa");
    assert_int_equal(daemon->seq[0], 1);
    assert_int_equal(daemon->seq[2], 3);
    fake_daemon_free(daemon);
}

static void a_daemon_that_lost_its_memory_is_an_error_and_never_a_second_run(void **state)
{
    (void)state;
    fake_daemon *daemon = fake_daemon_start(true, SCRIPT(FAKE_NONE, FAKE_CUT_AFTER, FAKE_FORGET));
    normd_client *client = open_client(daemon);
    assert_int_equal(step(client, "a"), 1);
    uint64_t version;
    normd_error error;
    assert_int_equal(normd_client_step(client, "b", &version, &error), NORMD_CLIENT_REFUSED);
    assert_int_equal(error.status, NORMD_UNKNOWN_CLIENT);
    assert_int_equal(normd_client_was_applied(client), NORMD_CLIENT_APPLIED_UNKNOWN);
    assert_int_equal(step(client, "c"), 3);
    stop_and_compare(daemon, client, "abc");
    fake_daemon_free(daemon);
}

static void a_retry_that_finds_its_answer_lost_does_not_free_its_number(void **state)
{
    (void)state;
    fake_daemon *daemon =
        fake_daemon_start(true, SCRIPT(FAKE_CUT_AFTER, FAKE_CONTEXT_LOST, FAKE_NONE));
    normd_client *client = open_client(daemon);
    uint64_t version;
    normd_error error;
    assert_int_equal(normd_client_step(client, "a", &version, &error), NORMD_CLIENT_REFUSED);
    assert_int_equal(normd_client_was_applied(client), NORMD_CLIENT_APPLIED_UNKNOWN);
    assert_int_equal(step(client, "b"), 2);
    stop_and_compare(daemon, client, "ab");
    fake_daemon_free(daemon);
}

static void without_numbers_what_may_have_been_applied_is_not_sent_again(void **state)
{
    (void)state;
    for (int counts = 0; counts < 2; counts++) {
        fake_daemon *daemon =
            fake_daemon_start(counts != 0, SCRIPT(FAKE_BUSY, FAKE_CUT_AFTER, FAKE_NONE));
        normd_client_options options = NORMD_CLIENT_OPTIONS_DEFAULT;
        options.exactly_once = counts == 0;
        normd_client *client = open_with(daemon, options);
        uint64_t version;
        normd_error error;
        assert_int_equal(
            normd_client_step(client, "a", &version, &error), NORMD_CLIENT_DISCONNECTED);
        assert_int_equal(normd_client_was_applied(client), NORMD_CLIENT_APPLIED_UNKNOWN);
        assert_non_null(strstr(error.message, "may have been applied"));
        assert_int_equal(normd_client_in_flight(client), 0);
        assert_int_equal(step(client, "b"), 2);
        stop_and_compare(daemon, client, "ab");
        assert_int_equal(daemon->seq[2], 0);
        fake_daemon_free(daemon);
    }
}

static void what_is_no_answer_is_not_tried_again(void **state)
{
    (void)state;
    fake_daemon *daemon = fake_daemon_start(true, SCRIPT(FAKE_GARBAGE));
    normd_client *client = open_client(daemon);
    uint64_t version;
    normd_error error;
    assert_int_equal(normd_client_step(client, "a", &version, &error), NORMD_CLIENT_DISCONNECTED);
    assert_int_equal(normd_client_was_applied(client), NORMD_CLIENT_APPLIED_UNKNOWN);
    assert_non_null(strstr(error.message, "no MessagePack"));
    assert_int_equal(step(client, "b"), 2);
    stop_and_compare(daemon, client, "ab");
    fake_daemon_free(daemon);
}

static void opening_waits_for_a_daemon_only_when_it_is_told_to(void **state)
{
    (void)state;
    fake_daemon *daemon = fake_daemon_start(true, NULL, 0);
    fake_daemon_stop(daemon);
    normd_client_options options = NORMD_CLIENT_OPTIONS_DEFAULT;
    normd_client *client;
    normd_error error;
    assert_int_equal(
        normd_client_open(daemon->address, &options, &client, &error), NORMD_CLIENT_UNREACHABLE);
    assert_non_null(strstr(error.message, "cannot connect"));
    options.wait = true;
    options.deadline_ms = 50;
    assert_int_equal(
        normd_client_open(daemon->address, &options, &client, &error), NORMD_CLIENT_UNREACHABLE);
    assert_non_null(strstr(error.message, "cannot connect"));
    options.client = "";
    assert_int_equal(
        normd_client_open(daemon->address, &options, &client, &error), NORMD_CLIENT_FAILED);
    assert_string_equal(error.message, "client: expected a name of 1 to 128 bytes, got 0");
    fake_daemon_free(daemon);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mutation_whose_connection_ends_is_sent_again_and_applied_once),
        cmocka_unit_test(what_was_refused_for_now_is_sent_again),
        cmocka_unit_test(reads_are_sent_again_and_carry_no_number),
        cmocka_unit_test(a_silent_connection_is_given_up_and_the_mutation_sent_again),
        cmocka_unit_test(other_errors_are_final_and_their_number_is_the_next_mutations),
        cmocka_unit_test(the_deadline_says_whether_the_mutation_may_have_been_applied),
        cmocka_unit_test(after_an_unknown_outcome_the_next_mutation_does_not_collide),
        cmocka_unit_test(a_named_client_goes_on_where_its_predecessor_stopped),
        cmocka_unit_test(a_daemon_that_lost_its_memory_is_an_error_and_never_a_second_run),
        cmocka_unit_test(a_retry_that_finds_its_answer_lost_does_not_free_its_number),
        cmocka_unit_test(without_numbers_what_may_have_been_applied_is_not_sent_again),
        cmocka_unit_test(what_is_no_answer_is_not_tried_again),
        cmocka_unit_test(opening_waits_for_a_daemon_only_when_it_is_told_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
