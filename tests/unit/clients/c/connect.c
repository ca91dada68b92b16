// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clients/c/normd_client.h"

static void a_wrong_address_is_unreachable(void **state)
{
    (void)state;
    static const char *const addresses[] = {
        "", ":6676", "127.0.0.1:", "[::1", "[::1]x", "127.0.0.1:no-such-port"};
    for (size_t k = 0; k < sizeof addresses / sizeof addresses[0]; k++) {
        normd_error error = {.status = NORMD_OK};
        normd_client *client = NULL;
        assert_int_equal(
            normd_client_connect(addresses[k], 1.0, &client, &error), NORMD_CLIENT_UNREACHABLE);
        assert_int_equal(error.status, NORMD_INTERNAL);
        assert_true(strlen(error.message) > 0);
    }
}

static void a_unix_path_that_is_too_long_is_named(void **state)
{
    (void)state;
    char address[256] = "unix:/";
    memset(address + 6, 'a', 200);
    normd_error error;
    normd_client *client;
    assert_int_equal(normd_client_connect(address, 1.0, &client, &error), NORMD_CLIENT_UNREACHABLE);
    assert_non_null(strstr(error.message, "expected a path of at most"));
}

static void tcp_and_unix_sockets_connect(void **state)
{
    (void)state;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in tcp = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof tcp;
    assert_int_equal(bind(listener, (struct sockaddr *)&tcp, length), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&tcp, &length), 0);
    char address[128];
    snprintf(address, sizeof address, "127.0.0.1:%u", ntohs(tcp.sin_port));
    normd_client *client;
    assert_int_equal(normd_client_connect(address, 10.0, &client, NULL), NORMD_CLIENT_OK);
    assert_true(normd_client_connected(client));
    normd_client_close(client);
    close(listener);
    /* Nobody listens any more. */
    assert_int_equal(normd_client_connect(address, 10.0, &client, NULL), NORMD_CLIENT_UNREACHABLE);

    char folder[] = "/tmp/normd-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    snprintf(local.sun_path, sizeof local.sun_path, "%s/s", folder);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&local, sizeof local), 0);
    assert_int_equal(listen(listener, 1), 0);
    snprintf(address, sizeof address, "unix:%s", local.sun_path);
    assert_int_equal(normd_client_connect(address, 10.0, &client, NULL), NORMD_CLIENT_OK);
    normd_client_close(client);
    close(listener);
    unlink(local.sun_path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_address_is_unreachable),
        cmocka_unit_test(a_unix_path_that_is_too_long_is_named),
        cmocka_unit_test(tcp_and_unix_sockets_connect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
