// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_CLI_SHOW_PROGRESS_H
#define NORMD_CLIENTS_CLI_SHOW_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "clients/c/normd_client.h"

/*
 * How training goes on. On a terminal one line is redrawn, at most ten times a second; its bar is
 * the share of all epochs:
 *
 *   epoch  3/10  ███████████░░░░░░░░░  12/23  loss 0.2113  accuracy 94.2 %  18.2k samples/s  3 s
 * left
 *
 * and each epoch (of many, every so many) leaves a line behind; elsewhere only these lines are
 * written.
 */
typedef struct normd_progress {
    FILE *out;
    bool quiet, ascii, redraw;
    size_t epochs, batches; /* batches of one epoch */
    size_t epoch, batch;    /* the current ones, from 0 */
    size_t samples;         /* of all epochs so far */
    size_t epoch_samples;
    double loss, hits; /* sums over the samples of this epoch */
    int64_t started, epoch_started, drawn;
} normd_progress;

void normd_progress_begin(
    normd_progress *progress, FILE *out, bool quiet, bool ascii, size_t epochs, size_t batches);
/* A batch of `samples` is done. */
void normd_progress_batch(
    normd_progress *progress, size_t samples, const normd_client_score *score);
/* Takes the redrawn line away, so that something else can be written. */
void normd_progress_clear(const normd_progress *progress);

/* "0.84 s", "12 s", "3 min 20 s". Returns `text`. */
enum { NORMD_PROGRESS_TIME_BYTES = 32 };
const char *normd_progress_time(double seconds, char text[static NORMD_PROGRESS_TIME_BYTES]);

#endif
