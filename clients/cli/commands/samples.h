// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_CLI_COMMANDS_SAMPLES_H
#define NORMD_CLIENTS_CLI_COMMANDS_SAMPLES_H

#include "clients/cli/cli.h"
#include "clients/cli/data/dataset.h"

/* What train, evaluate and infer share: where samples come from, and how they go over. The rows
   stand first in the option tables of the three; infer, which has no targets, leaves out y
   and the weights. */
enum {
    NORMD_SAMPLES_X,
    NORMD_SAMPLES_Y,
    NORMD_SAMPLES_WEIGHT,
    NORMD_SAMPLES_TARGET,
    NORMD_SAMPLES_SKIP_HEADER,
    NORMD_SAMPLES_SCALE,
    NORMD_SAMPLES_ROWS,
    NORMD_SAMPLES_BATCH,
    NORMD_SAMPLES_PIPELINE,
    NORMD_SAMPLES_OPTIONS,
};

#define NORMD_SAMPLES_TABLE(target_help, batch_help)                                               \
    [NORMD_SAMPLES_X] = {"x", "FILE", "samples as .npy, instead of a table"},                      \
    [NORMD_SAMPLES_TARGET] = {"target", "COLUMN", target_help},                                    \
    [NORMD_SAMPLES_SKIP_HEADER] = {"skip-header", "WHEN",                                          \
        "auto (default: when the first line is no numbers), yes or no"},                           \
    [NORMD_SAMPLES_SCALE] = {"scale", "S", "divide the features by S"},                            \
    [NORMD_SAMPLES_ROWS] = {"rows", "A:B", "only rows A up to, not with, B; counted from 0"},      \
    [NORMD_SAMPLES_BATCH] = {"batch", "N", batch_help},                                            \
    [NORMD_SAMPLES_PIPELINE] = {"pipeline", "N", "requests in flight (4)"}

#define NORMD_SAMPLES_TARGETS                                                                      \
    [NORMD_SAMPLES_Y] = {"y", "FILE", "their targets as .npy"},                                    \
    [NORMD_SAMPLES_WEIGHT] = {                                                                     \
        "sample-weight", "FILE", "a weight of each sample in the loss as .npy"}

/* What the session's description says about its samples. */
typedef struct normd_samples_session {
    normd_dtype dtype;
    bool labels;     /* the loss takes class numbers */
    uint64_t inputs; /* numbers in a sample of one axis; 0 when it has more or is not fixed */
} normd_samples_session;

/* Asks the daemon, or reports why it cannot. */
normd_cli_exit normd_samples_describe(
    normd_client *client, const char *session, normd_samples_session *about);

/* Reads the samples that the command line names (rest[1] is the table), or reports what is wrong.
   `wants_target`: a table's last column is the target unless --target says otherwise. */
normd_cli_exit normd_samples_read(const normd_argument *table, const normd_arguments *arguments,
    const normd_samples_session *about, bool wants_target, normd_dataset *dataset);

#endif
