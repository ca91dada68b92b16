// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_BENCH_PROBE_H
#define NORMD_CLIENTS_BENCH_PROBE_H

#include "clients/bench/workload.h"

/* Sends the template's request once over a connection of its own, and keeps the bytes of the answer
   as the one to expect. A refusal or a lost connection is an error. */
normd_status normd_probe_answer(
    const char *address, normd_request_template *template, normd_error *error);

#endif
