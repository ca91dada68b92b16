// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_BENCH_WORKLOAD_H
#define NORMD_CLIENTS_BENCH_WORKLOAD_H

#include "clients/bench/answer_reader.h"
#include "clients/bench/settings.h"
#include "clients/c/normd_client.h"

/* The bytes of a request up to its id, which is always written in five bytes: "94 00 ce id". */
enum { NORMD_REQUEST_PREFIX_BYTES = 7 };

/* A request that is sent over and over: all behind the id, shared by all connections, and the
   answer that it must get. */
typedef struct normd_request_template {
    uint8_t *bytes;
    size_t size;
    uint8_t *expected_bytes; /* owned; what `expected` refers to */
    normd_expected_answer expected;
} normd_request_template;

/* The sessions of a run and a template for each. */
typedef struct normd_workload {
    normd_client *client; /* for what is not measured */
    size_t count;
    normd_request_template *templates;
    size_t sessions; /* made so far, to be deleted */
} normd_workload;

/* Connects, creates the sessions, encodes the requests and asks each once for the answer to expect
   (where answers do not change). On a failure reports it; then, too, free with
   normd_workload_close. */
normd_client_status normd_workload_open(
    const normd_bench_settings *settings, normd_workload *workload, normd_error *error);
/* Deletes the sessions and frees everything. */
void normd_workload_close(normd_workload *workload);

/* Writes the first bytes of a request with its id. */
void normd_request_prefix(uint32_t id, uint8_t prefix[static NORMD_REQUEST_PREFIX_BYTES]);

#endif
