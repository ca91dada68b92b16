// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_REQUEST_H
#define NORMD_DAEMON_REQUEST_H

#include <jansson.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/exactly_once.h"
#include "daemon/mutation.h"
#include "daemon/out_queue.h"
#include "daemon/session_map.h"
#include "daemon/tree.h"
#include "lib/memory/buffer.h"
#include "lib/pool/pool.h"
#include "lib/session/session.h"
#include "lib/session/statistics.h"
#include "protocol/call.h"

struct normd_connection;
struct normd_handler;
struct normd_server;

typedef enum normd_if_exists {
    NORMD_IF_EXISTS_ERROR,
    NORMD_IF_EXISTS_OK,
    NORMD_IF_EXISTS_REPLACE,
} normd_if_exists;

/* The decoded fields of any method; what a method does not have stays zero. Owned by the request.
 */
typedef struct normd_arguments {
    normd_tensor x, target, sample_weight, dy, mask;
    uint64_t step;
    bool update_stats, apply, finish, restart, parameters;
    normd_recalibration_mode recalibration;
    bool has_convention;
    normd_convention convention;
    bool has_format;
    normd_exchange_format format;
    bool optimizer, fold;  /* of session.export */
    char *layer;           /* a layer's name, or NULL for all */
    json_t *configuration; /* of session.create */
    normd_tree_arrays arrays;
    normd_if_exists if_exists;
    bool average;       /* of session.copy */
    normd_buffer *file; /* of session.import, file_bytes of it */
    size_t file_bytes;
    char *name; /* of server.save; the client's of hello */
} normd_arguments;

/*
 * One request, from its decoding until its answer was sent. It has one owner at a time: dispatch, a
 * session's queue or the pool, the completion door, the connection's out queue; and it ends in
 * normd_request_free, wherever it comes from. Only the owner touches it.
 */
typedef struct normd_request {
    struct normd_request *next; /* of the owner's list */
    normd_job job;
    normd_out_block block; /* of a large answer */
    struct normd_server *server;
    struct normd_connection *connection;
    const normd_method *method;
    const struct normd_handler *handler;
    uint32_t id;
    bool notification;
    normd_keys keys;
    size_t charged;  /* bytes of the memory budget */
    size_t promised; /* bytes of the answer that the connection counts as waiting already */

    normd_session_entry *entry; /* a reference, or NULL */
    normd_snapshot *snapshot;   /* what a serving method reads, or NULL */
    normd_session *made;        /* on its way to the entry */
    normd_arguments arguments;
    normd_mutation mutation;
    normd_exactly_once once;

    bool stops;            /* its session's queue, until the loop has finished it */
    normd_status status;   /* of the run; not OK: the answer is an error */
    msgpack_sbuffer head;  /* the encoded answer */
    size_t result_offset;  /* where its result begins */
    bool head_cut;         /* memory was out while encoding */
    normd_buffer *payload; /* or NULL: the rest of the answer, payload_bytes of it */
    size_t payload_bytes;
} normd_request;

/* Unused request structs of a server. Loop thread only. */
typedef struct normd_request_pool {
    normd_request *free;
    size_t count;
} normd_request_pool;

void normd_request_pool_clear(normd_request_pool *pool);

/* A cleared request of the server; NULL when out of memory. Loop thread. */
normd_request *normd_request_take(struct normd_server *server);

/* The one way out: gives back everything that the request holds. Loop thread. */
void normd_request_free(normd_request *request);

/* Charges the answer, which is yet to be made, too, and has the connection wait for it when it is
   large. BUSY, or TOO_LARGE when the budget never holds it. Loop thread. */
normd_status normd_request_promise(normd_request *request, normd_error *error);

/* Puts a large answer into an out queue, without copying; the queue frees the request. Loop
   thread. */
void normd_request_put(normd_request *request, normd_out_queue *queue);

/* Charges `size` bytes to the request. BUSY when the budget does not hold them. Loop thread. */
normd_status normd_request_charge(normd_request *request, size_t size, normd_error *error);

/* The same for a tree of options, which the request keeps and whose nodes are larger than on the
   wire. */
normd_status normd_request_charge_tree(
    normd_request *request, const normd_message *message, normd_error *error);

/* Runs the handler and encodes its answer or its error. Where the request is. */
void normd_request_run(normd_request *request);

/* Makes the answer an error. */
void normd_request_fail(normd_request *request, const normd_error *error);

/* Starts encoding the answer: a map of `fields` pairs must follow. */
msgpack_packer normd_request_answer(normd_request *request, uint32_t fields);
/* The same for an answer that is any one value. */
msgpack_packer normd_request_answer_value(normd_request *request);

#endif
