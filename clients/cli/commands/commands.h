// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_CLI_COMMANDS_COMMANDS_H
#define NORMD_CLIENTS_CLI_COMMANDS_COMMANDS_H

#include "clients/cli/cli.h"

/* The commands, once, in the order of the help. Each has a file of its name here. */
#define NORMD_COMMAND_MAP(X)                                                                       \
    X(ping)                                                                                        \
    X(info)                                                                                        \
    X(create)                                                                                      \
    X(list)                                                                                        \
    X(describe)                                                                                    \
    X(train)                                                                                       \
    X(evaluate)                                                                                    \
    X(infer)                                                                                       \
    X(stats)                                                                                       \
    X(drift)                                                                                       \
    X(recalibrate)                                                                                 \
    X(reset)                                                                                       \
    X(freeze)                                                                                      \
    X(thaw)                                                                                        \
    X(set)                                                                                         \
    X(copy)                                                                                        \
    X(export)                                                                                      \
    X(import)                                                                                      \
    X(convert)                                                                                     \
    X(delete)                                                                                      \
    X(save)                                                                                        \
    X(check)

#define NORMD_COMMAND_DECLARE(name) extern const normd_cli_command normd_command_##name;
NORMD_COMMAND_MAP(NORMD_COMMAND_DECLARE)
#undef NORMD_COMMAND_DECLARE

#endif
