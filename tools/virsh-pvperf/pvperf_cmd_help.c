/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_cmd_help.c: "help", from the table of commands.
 */
#include "pvperf_shell.h"

#include <string.h>

static void
pvperfHelpOptions(const pvperfOption *options,
                  FILE *out)
{
    for (; options && options->name; options++) {
        g_autofree char *left = NULL;
        g_autofree char *letter = options->letter ? g_strdup_printf("-%c | ", options->letter) : g_strdup("");

        left = g_strdup_printf("%s--%s%s%s", letter, options->name,
                               options->value ? " " : "", options->value ? options->value : "");
        fprintf(out, "    %-20s %s\n", left, options->text);
    }
}

static void
pvperfHelpCommand(const pvperfCommand *command,
                  FILE *out)
{
    fprintf(out, "  NAME\n    %s - %s\n\n", command->name, command->summary);
    fprintf(out, "  SYNOPSIS\n    virsh-pvperf %s%s%s%s\n", command->name,
            command->options ? " [OPTIONS]" : "", *command->args ? " " : "", command->args);
    if (command->options) {
        fputs("\n  OPTIONS\n", out);
        pvperfHelpOptions(command->options, out);
    }
}

static void
pvperfHelpAll(FILE *out)
{
    size_t i;

    fputs("virsh-pvperf [-c URI] [-q] COMMAND [OPTIONS] [ARGUMENTS]\n\n"
          "  OPTIONS\n", out);
    pvperfHelpOptions(pvperfGlobalOptions, out);
    fputs("\n  COMMANDS\n", out);
    for (i = 0; pvperfCommands[i]; i++) {
        if (!pvperfCommands[i]->hidden)
            fprintf(out, "    %-20s %s\n", pvperfCommands[i]->name, pvperfCommands[i]->summary);
    }
    fputs("\n'virsh-pvperf help COMMAND' says more; the manual is virsh-pvperf(1).\n", out);
}

static int
pvperfHelp(pvperfShell *shell,
           GError **error)
{
    const pvperfCommand *command;

    if (shell->nargs == 0) {
        pvperfHelpAll(shell->out);
        return 0;
    }
    command = pvperfCommandFind(shell->args[0]);
    if (!command) {
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_USAGE,
                    "unknown command '%s'; 'virsh-pvperf help' lists them", shell->args[0]);
        return -1;
    }
    pvperfHelpCommand(command, shell->out);
    return 0;
}

const pvperfCommand pvperfCommandHelp = {
    .name = "help",
    .args = "[COMMAND]",
    .max_args = 1,
    .summary = "list the commands, or explain one",
    .handler = pvperfHelp,
    .complete = PVPERF_COMPLETE_COMMAND,
};
