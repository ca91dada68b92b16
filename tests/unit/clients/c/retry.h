// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_UNIT_CLIENTS_C_RETRY_H
#define NORMD_TESTS_UNIT_CLIENTS_C_RETRY_H

#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "clients/c/normd_client.h"
#include "tests/unit/clients/c/fake_daemon.h"

/* A script and its length, for fake_daemon_start. */
#define SCRIPT(...)                                                                                \
    ((const fake_trouble[]){__VA_ARGS__}),                                                         \
        sizeof((const fake_trouble[]){__VA_ARGS__}) / sizeof(fake_trouble)

static inline normd_client *open_with(const fake_daemon *daemon, normd_client_options options)
{
    normd_client *client;
    assert_int_equal(normd_client_open(daemon->address, &options, &client, NULL), NORMD_CLIENT_OK);
    return client;
}

static inline normd_client *open_client(const fake_daemon *daemon)
{
    return open_with(daemon, (normd_client_options)NORMD_CLIENT_OPTIONS_DEFAULT);
}

static inline uint64_t step(normd_client *client, const char *session)
{
    uint64_t version = 0;
    normd_error error = {.message = ""};
    normd_client_status status = normd_client_step(client, session, &version, &error);
    if (status != NORMD_CLIENT_OK) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(normd_client_was_applied(client), NORMD_CLIENT_APPLIED_YES);
    return version;
}

/* Closes the client, stops the daemon, whose fields may then be read, and compares what it applied,
   one letter a session. */
static inline void stop_and_compare(fake_daemon *daemon, normd_client *client, const char *sessions)
{
    normd_client_close(client);
    fake_daemon_stop(daemon);
    assert_int_equal(daemon->applied, strlen(sessions));
    for (size_t k = 0; k < daemon->applied; k++) {
        assert_int_equal(daemon->session[k][0], sessions[k]);
    }
}

#endif
