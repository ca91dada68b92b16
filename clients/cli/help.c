// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/help.h"

void normd_help_all(FILE *out, const normd_argument *globals, size_t rows)
{
    fputs("normctl talks to normd, the training service for batch normalization.\n\n"
          "usage: normctl [OPTIONS] COMMAND ...\n\n"
          "commands:\n",
        out);
    for (const normd_cli_command *const *command = normd_cli_commands; *command != NULL;
         command++) {
        fprintf(out, "  %-13s%s\n", (*command)->name, (*command)->summary);
    }
    fputs("  help         what a command takes, with examples: normctl help train\n\n"
          "options, anywhere:\n",
        out);
    normd_arguments_help(out, globals, rows);
    fputs("\nexit status: 0 done; 1 the daemon refused; 2 wrong usage or input file;\n"
          "3 no connection, or it was lost or timed out\n\n"
          "example:\n"
          "  normctl create digits --input 64 --layers \"linear 128, batch_norm, relu, linear 10\" "
          "\\\n"
          "      --loss cross_entropy --optimizer \"adam lr=0.001\"\n"
          "  normctl train digits digits.csv.gz --epochs 10 --batch 64 --scale 16 --shuffle\n"
          "  normctl stats digits\n",
        out);
}

void normd_help_command(FILE *out, const normd_cli_command *command)
{
    fprintf(out, "%s\n\nusage: normctl [OPTIONS] %s%s%s%s\n", command->summary, command->name,
        command->words[0] != '\0' ? " " : "", command->words,
        command->option_count > 0 ? " [--OPTION VALUE ...]" : "");
    if (command->details != NULL) {
        fprintf(out, "\n%s\n", command->details);
    }
    if (command->option_count > 0) {
        fputs("\noptions:\n", out);
        normd_arguments_help(out, command->options, command->option_count);
    }
    fprintf(out, "\nexamples:\n%s\n", command->examples);
}
