// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_BENCH_REPORT_H
#define NORMD_CLIENTS_BENCH_REPORT_H

#include <stdio.h>

#include "clients/bench/connection.h"

/* Writes the result of a run that took `seconds`, in the format that the settings name. */
void normd_report_print(
    FILE *out, const normd_bench_settings *settings, const normd_tally *tally, double seconds);

#endif
