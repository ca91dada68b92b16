// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands/commands.h"

const normd_cli_command *const normd_cli_commands[] = {
#define NORMD_COMMAND_ROW(name) &normd_command_##name,
    NORMD_COMMAND_MAP(NORMD_COMMAND_ROW)
#undef NORMD_COMMAND_ROW
        NULL};
