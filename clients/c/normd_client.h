// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_C_NORMD_CLIENT_H
#define NORMD_CLIENTS_C_NORMD_CLIENT_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/array.h"
#include "lib/base/error.h"

/*
 * A client of normd in C. Three levels; newcomers read only the first.
 *
 *   normd_error error;
 *   normd_client *client;
 *   if (normd_client_open("127.0.0.1:6676", NULL, &client, &error) != NORMD_CLIENT_OK) {
 *       fprintf(stderr, "%s\n", error.message);
 *       return 1;
 *   }
 *   float values[32 * 64];
 *   normd_array x = {.dtype = NORMD_F32, .shape = {.rank = 2, .dim = {32, 64}}, .data = values};
 *   normd_client_answer *answer;
 *   normd_array y;
 *   if (normd_client_infer(client, "digits", &x, &answer, &y, &error) == NORMD_CLIENT_OK) {
 *       ... use y, which lives as long as the answer ...
 *       normd_client_answer_free(answer);
 *   }
 *   normd_client_close(client);
 *
 * A client and its answers belong to one thread at a time, and to the process that made it: after a
 * fork, make a new one. Different clients are independent. Every `error` may be NULL. No signal is
 * raised when the daemon goes away.
 *
 * What is guaranteed (a client of normd_client_open):
 *
 * Every mutation (a call that changes a session, or the set of sessions) carries the client's name
 * and a number. However often it is sent, and over however many connections, the daemon applies it
 * at most once. A call that returns has been applied exactly once, and returns the answer of that
 * one time. A call that fails says whether its mutation was applied: no, or that it is not known;
 * then it was applied once or not at all.
 *
 * With a data directory this holds across crashes and restarts of the daemon, as long as its store
 * survives and it has not forgotten the client. What was answered is in the store: the end of the
 * daemon's process loses none of it, and a power cut what '--fsync' says: with 'always' nothing,
 * with 'everysec' about the last second, with 'no' what the kernel had not written.
 *
 * Without a data directory it holds as long as the daemon runs. A restart loses sessions and
 * numbers together; a mutation that was on its way then fails with UNKNOWN_CLIENT and is never
 * applied a second time. (The very first mutation of a client is taken as new: what it may have
 * changed before is gone.)
 *
 * Not promised. Reads (infer, evaluate, stats, ...) may be carried out several times, and see the
 * newest state each time. After a power cut that lost what was answered, the next mutation fails
 * with SEQ_GAP or UNKNOWN_CLIENT, and the caller has to look where the session stands. Two
 * programs with one name at the same time get each other's answers or SEQ_REUSED. To a daemon that
 * does not number mutations, or when the caller does not want numbers, a mutation whose connection
 * ends is not sent again: the call fails and says that it may have been applied. In a pipeline, a
 * mutation that is refused does not hold up those in flight behind it: one that is tried again
 * (BUSY, STORE_FAILED, SHUTTING_DOWN) may come after them; where the order matters even then, wait
 * for each answer. The answer of a repeated forward or backward can be lost (CONTEXT_LOST, applied
 * not known) when the daemon had no room to keep its step.
 */
typedef struct normd_client normd_client;

/* What became of a call. */
typedef enum normd_client_status {
    NORMD_CLIENT_OK,
    NORMD_CLIENT_REFUSED, /* the daemon answered with an error: `error` has its status and text */
    NORMD_CLIENT_UNREACHABLE,  /* no connection could be made */
    NORMD_CLIENT_DISCONNECTED, /* the connection ended or was given up, and the request is not sent
                                  again */
    NORMD_CLIENT_TIMED_OUT,    /* the deadline passed */
    NORMD_CLIENT_FAILED,       /* no memory, or an answer that does not hold what it must */
} normd_client_status;
/* With any status but REFUSED, error->status is NORMD_INTERNAL and error->message says why. */

/* Whether the mutation of a call changed anything; of other calls always NO. */
typedef enum normd_client_applied {
    NORMD_CLIENT_APPLIED_NO,
    NORMD_CLIENT_APPLIED_YES,
    NORMD_CLIENT_APPLIED_UNKNOWN, /* it may have been */
} normd_client_applied;

/* One answer of the daemon. `result` is nil when it was refused. Owned by whoever receives it;
   does not depend on the connection staying. */
typedef struct normd_client_answer {
    uint32_t id;
    bool refused;
    normd_client_applied applied;
    normd_error error; /* when refused */
    const msgpack_object *result;
} normd_client_answer;

/* ---- First level: connections and one call at a time ---------------------------------------- */

/* How a client goes about its calls. */
typedef struct normd_client_options {
    /* The name under which the daemon counts the mutations: 1 to 128 bytes that nobody else uses at
       the same time. Its numbers go on where they were, so that a program that was started again is
       the same client. NULL: a new name. */
    const char *client;
    /* False: mutations have no numbers; one whose connection ends is not sent again. */
    bool exactly_once;
    /* Whether open() waits for a daemon that is not there, until the deadline. */
    bool wait;
    uint64_t deadline_ms; /* of each call with all its attempts; 0: none */
    /* Of one attempt to connect; and how long the daemon may be silent while it owes an answer
       before the connection counts as lost. 0: no bound. */
    uint64_t timeout_ms;
    /* Between attempts: a random time up to a bound that doubles from the least to the most. */
    uint64_t backoff_least_ms, backoff_most_ms;
} normd_client_options;
#define NORMD_CLIENT_OPTIONS_DEFAULT                                                               \
    {                                                                                              \
        .exactly_once = true, .deadline_ms = 60000, .timeout_ms = 60000, .backoff_least_ms = 20,   \
        .backoff_most_ms = 2000                                                                    \
    }

/* A client that connects again and sends again by itself. `address` is "HOST:PORT", "HOST" (port
   6676), "[IPV6]:PORT" or "unix:PATH"; a host's name is looked up anew for each connection.
   `options` NULL: the defaults. The first connection is tried once, unless options->wait. */
normd_client_status normd_client_open(const char *address, const normd_client_options *options,
    normd_client **client, normd_error *error);
/* The name under which the daemon counts this client's mutations; valid until the next call. Empty
   without numbers. */
const char *normd_client_name(const normd_client *client);
/* Whether the mutation of the newest call, submit, wait or next was applied; most of use when that
   failed. */
normd_client_applied normd_client_was_applied(const normd_client *client);

/* A bare connection: nothing is ever sent twice, and once it is lost it stays so. `seconds` bounds
   the making of the connection and is the first value of normd_client_set_timeout; 0 is no bound.
 */
normd_client_status normd_client_connect(
    const char *address, double seconds, normd_client **client, normd_error *error);
/* The same of a connected stream socket, which it takes over and closes in the end. NULL when out
   of memory (the socket is then still the caller's). */
normd_client *normd_client_adopt(int socket);
void normd_client_close(normd_client *client);

/* The time that each later call may take with all its attempts; 0 is no bound. A call that times
   out while it waits for its answer leaves the connection usable, and the late answer is dropped;
   one that times out in the middle of sending ends the connection. */
void normd_client_set_timeout(normd_client *client, double seconds);
/* Whether there is a connection now. A bare one that is lost does not come back: connect anew. */
bool normd_client_connected(const normd_client *client);

/* A batch for `train` and `evaluate`. */
typedef struct normd_client_batch {
    const normd_array *x;
    const normd_array *target;
    const normd_array *sample_weight; /* a number of 0 or more for each sample; NULL: all are 1 */
    const normd_array *mask; /* bool: the positions that batch norms count; NULL: all of them */
} normd_client_batch;

/* What `train` and `evaluate` give. */
enum { NORMD_CLIENT_METRICS = 8, NORMD_CLIENT_METRIC_NAME_BYTES = 32 };
typedef struct normd_client_metric {
    char name[NORMD_CLIENT_METRIC_NAME_BYTES];
    double value;
} normd_client_metric;

typedef struct normd_client_score {
    double loss;
    double accuracy; /* NAN when the loss is no classification */
    size_t metrics;  /* those that the session was created with */
    normd_client_metric metric[NORMD_CLIENT_METRICS];
    uint64_t steps;
    uint64_t version;
} normd_client_score;

normd_client_status normd_client_ping(normd_client *client, normd_error *error);
normd_client_status normd_client_train(normd_client *client, const char *session,
    const normd_client_batch *batch, normd_client_score *score, normd_error *error);
normd_client_status normd_client_evaluate(normd_client *client, const char *session,
    const normd_client_batch *batch, normd_client_score *score, normd_error *error);
/* `y` points into the answer. */
normd_client_status normd_client_infer(normd_client *client, const char *session,
    const normd_array *x, normd_client_answer **answer, normd_array *y, normd_error *error);
/* `step` is what normd_client_backward asks for. */
normd_client_status normd_client_forward(normd_client *client, const char *session,
    const normd_array *x, normd_client_answer **answer, normd_array *y, uint64_t *step,
    normd_error *error);
/* With apply = false the gradients add up until normd_client_step. */
normd_client_status normd_client_backward(normd_client *client, const char *session, uint64_t step,
    const normd_array *dy, bool apply, normd_client_answer **answer, normd_array *dx,
    normd_error *error);
normd_client_status normd_client_step(
    normd_client *client, const char *session, uint64_t *version, normd_error *error);

/* ---- Second level: any method ---------------------------------------------------------------- */

/*
 * Begin a request with the number of its fields, put each, then call:
 *
 *   normd_client_begin(client, "session.export", 2);
 *   normd_client_put_string(client, "session", "digits");
 *   normd_client_put_string(client, "format", "safetensors");
 *   status = normd_client_call(client, &answer, &error);
 *
 * Arrays and bytes of 4 KiB or more are sent from where they lie, and must stay until the call or
 * submit has returned, as must the method's name. (submit takes a copy, because it may have to send
 * them again later; on a bare connection it does not.) One request is written at a time.
 */
void normd_client_begin(normd_client *client, const char *method, uint32_t fields);
void normd_client_put_string(normd_client *client, const char *key, const char *text);
void normd_client_put_uint(normd_client *client, const char *key, uint64_t value);
void normd_client_put_bool(normd_client *client, const char *key, bool value);
void normd_client_put_array(normd_client *client, const char *key, const normd_array *array);
void normd_client_put_bytes(normd_client *client, const char *key, const void *data, size_t size);
/* Writes a key and gives the packer for one value of any kind. */
msgpack_packer *normd_client_put(normd_client *client, const char *key);

/* Sends what was begun and waits for its answer. On OK the answer is the caller's. */
normd_client_status normd_client_call(
    normd_client *client, normd_client_answer **answer, normd_error *error);
void normd_client_answer_free(normd_client_answer *answer);

/* The value of a key of a map; NULL when it is no map or has no such key. */
const msgpack_object *normd_client_get(const msgpack_object *map, const char *key);
/* A whole number of at least 0; false when the object (which may be NULL) is none. */
bool normd_client_uint(const msgpack_object *object, uint64_t *value);
/* Whether the object is an array map. */
bool normd_client_is_array(const msgpack_object *object);
/* An array of the answer, aligned for its type; lives as long as the answer. */
normd_client_status normd_client_array(normd_client_answer *answer, const msgpack_object *object,
    const char *name, normd_array *array, normd_error *error);
/* Bytes (or text) of the answer; lives as long as the answer. False when the object is neither. */
bool normd_client_bytes(
    normd_client_answer *answer, const msgpack_object *object, const void **data, size_t *size);
normd_client_status normd_client_read_score(
    normd_client_answer *answer, normd_client_score *score, normd_error *error);

/* ---- Third level: many requests in flight ---------------------------------------------------- */

/* Sends what was begun; returns when the kernel has all of it. Answers that arrive meanwhile are
   kept, so that two full sockets cannot block each other. */
normd_client_status normd_client_submit(normd_client *client, uint32_t *id, normd_error *error);
/* The next answer, in the order of arrival. OK also when the daemon refused, or when the request
   failed for another reason and is not sent again: see answer->refused. With nothing in flight:
   FAILED. */
normd_client_status normd_client_next(
    normd_client *client, normd_client_answer **answer, normd_error *error);
/* The answer to `id`, whatever else arrives before it; as normd_client_call, but what times out may
   be waited for again. */
normd_client_status normd_client_wait(
    normd_client *client, uint32_t id, normd_client_answer **answer, normd_error *error);
/* Drops the answer to `id`, come or still to come. A mutation that was submitted is seen through
   all the same. */
void normd_client_forget(normd_client *client, uint32_t id);
/* Requests whose answers nobody has taken yet. */
size_t normd_client_in_flight(const normd_client *client);

#endif
