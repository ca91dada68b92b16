// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_UNIT_CLIENTS_C_FAKE_DAEMON_H
#define NORMD_TESTS_UNIT_CLIENTS_C_FAKE_DAEMON_H

#include <msgpack.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What becomes of a request. */
typedef enum fake_trouble {
    FAKE_NONE,       /* it is done and answered */
    FAKE_CUT_BEFORE, /* the connection ends instead */
    FAKE_CUT_AFTER,  /* it is done, and the connection ends instead of the answer */
    FAKE_SILENT,     /* it is not done and not answered */
    FAKE_GARBAGE,    /* it is done, and what is answered is no MessagePack */
    FAKE_BUSY,
    FAKE_STORE_FAILED,
    FAKE_SHUTTING_DOWN,
    FAKE_CONTEXT_LOST,
    FAKE_FORGET, /* the client is forgotten first */
} fake_trouble;

enum { FAKE_MOST = 512, FAKE_WINDOW = 64, FAKE_CONNECTIONS = 64, FAKE_TEXT_BYTES = 32 };

/* A daemon in a thread that counts one client's mutations as the protocol says. Mutations of
   sessions whose names begin with "bad" are refused. */
typedef struct fake_daemon {
    char address[64];
    bool counts;                    /* whether hello answers seq */
    fake_trouble script[FAKE_MOST]; /* for the first requests that are no hello, in their order */

    /* What came: for each request that is no hello its number (0: none) and the client's name. To
       be read once the daemon was stopped. */
    size_t requests, hellos, connections;
    uint64_t seq[FAKE_MOST];
    char client[FAKE_MOST][FAKE_TEXT_BYTES];
    /* The sessions of the mutations that were applied, in their order. */
    size_t applied;
    char session[FAKE_MOST][FAKE_TEXT_BYTES];

    char known[FAKE_TEXT_BYTES];
    uint64_t last;
    size_t row[FAKE_MOST]; /* of a number: which of `session` it applied, from 1; 0: none */
    int listener, stop[2];
    int socket[FAKE_CONNECTIONS];
    msgpack_unpacker unpacker[FAKE_CONNECTIONS];
    pthread_t thread;
} fake_daemon;

/* Listens on a port of the loopback and starts; `script` as far as it goes. */
fake_daemon *fake_daemon_start(bool counts, const fake_trouble *script, size_t length);
/* Ends the thread. What came may then be looked at. */
void fake_daemon_stop(fake_daemon *daemon);
void fake_daemon_free(fake_daemon *daemon);

#endif
