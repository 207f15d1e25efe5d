/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_shell.c: the command line of virsh-pvperf.
 *
 * Global options are read up to the first word that is none, the command; the
 * rest is the command's. Parsing is GLib's, the tables of options are ours,
 * so that help and completion read the same tables. The libvirt side of the
 * shell is in pvperf_shell_libvirt.c.
 */
#include "pvperf_shell.h"

#include <string.h>

#include "pvperf_text.h"

G_DEFINE_QUARK(pvperf-shell-error-quark, pvperf_shell_error)

const char *const pvperfFormatChoices[] = { "text", "json", NULL };

const pvperfOption pvperfGlobalOptions[] = {
    { "connect", "URI", "libvirt's URI, as in virsh", NULL, 'c' },
    { "quiet", NULL, "no notes, no table headers", NULL, 'q' },
    { "help", NULL, "this help", NULL, 'h' },
    { "version", NULL, "the version", NULL, 'v' },
    { NULL, NULL, NULL, NULL, 0 },
};

/* What every command takes besides its own options. */
static const pvperfOption pvperfHelpOption = { "help", NULL, "help on this command", NULL, 'h' };
static const pvperfOption pvperfDomainOption = { "domain", "DOMAIN", "the domain, as an option", NULL, 0 };

const pvperfCommand *const pvperfCommands[] = {
    &pvperfCommandEnable,
    &pvperfCommandDisable,
    &pvperfCommandEdit,
    &pvperfCommandTune,
    &pvperfCommandList,
    &pvperfCommandEvents,
    &pvperfCommandStats,
    &pvperfCommandCapabilities,
    &pvperfCommandCheck,
    &pvperfCommandValidate,
    &pvperfCommandHelp,
    &pvperfCommandComplete,
    NULL
};

const pvperfCommand *
pvperfCommandFind(const char *name)
{
    size_t i;

    for (i = 0; pvperfCommands[i]; i++) {
        if (g_str_equal(pvperfCommands[i]->name, name))
            return pvperfCommands[i];
    }
    return NULL;
}

bool
pvperfShellHas(pvperfShell *shell,
               const char *option)
{
    return g_hash_table_contains(shell->options, option);
}

const char *
pvperfShellOption(pvperfShell *shell,
                  const char *option)
{
    return g_hash_table_lookup(shell->options, option);
}

bool
pvperfShellIsJson(pvperfShell *shell)
{
    return g_strcmp0(pvperfShellOption(shell, "format"), "json") == 0;
}

static void
pvperfShellSay(pvperfShell *shell,
               const char *prefix,
               const char *message)
{
    g_autofree char *safe = pvperfTextEscape(message, true);

    fprintf(shell->err, "%s%s\n", prefix, safe);
}

void
pvperfShellComplain(pvperfShell *shell,
                    const GError *error)
{
    pvperfShellSay(shell, "error: ", error->message);
}

void
pvperfShellNote(pvperfShell *shell,
                const char *format,
                ...)
{
    g_autofree char *message = NULL;
    va_list ap;

    if (shell->quiet)
        return;
    va_start(ap, format);
    message = g_strdup_vprintf(format, ap);
    va_end(ap);
    pvperfShellSay(shell, "", message);
}

void
pvperfShellWarn(pvperfShell *shell,
                const char *format,
                ...)
{
    g_autofree char *message = NULL;
    va_list ap;

    va_start(ap, format);
    message = g_strdup_vprintf(format, ap);
    va_end(ap);
    pvperfShellSay(shell, "warning: ", message);
}

static bool
pvperfShellCheckChoice(const pvperfOption *option,
                       const char *value,
                       GError **error)
{
    g_autofree char *allowed = NULL;

    if (!option->choices || g_strv_contains(option->choices, value))
        return true;
    allowed = g_strjoinv("' or '", (char **) option->choices);
    g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_USAGE,
                "--%s '%s' is not known: it is '%s'", option->name, value, allowed);
    return false;
}

/* Takes @options out of @argv (argv[0] is a name) and puts them into @values. */
static bool
pvperfShellParse(const GPtrArray *options,
                 bool up_to_command,
                 GStrv *argv,
                 GHashTable *values,
                 GError **error)
{
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autofree GOptionEntry *entries = g_new0(GOptionEntry, options->len + 1);
    g_autofree gboolean *flags = g_new0(gboolean, options->len);
    g_autofree char **strings = g_new0(char *, options->len);
    bool ok;
    unsigned int i;

    for (i = 0; i < options->len; i++) {
        const pvperfOption *option = g_ptr_array_index(options, i);

        entries[i].long_name = option->name;
        entries[i].short_name = option->letter;
        entries[i].arg = option->value ? G_OPTION_ARG_STRING : G_OPTION_ARG_NONE;
        entries[i].arg_data = option->value ? (void *) &strings[i] : (void *) &flags[i];
    }
    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_set_strict_posix(context, up_to_command);
    g_option_context_add_main_entries(context, entries, NULL);
    ok = g_option_context_parse_strv(context, argv, error);

    for (i = 0; i < options->len; i++) {
        const pvperfOption *option = g_ptr_array_index(options, i);

        if (strings[i]) {
            ok = ok && pvperfShellCheckChoice(option, strings[i], error);
            g_hash_table_insert(values, g_strdup(option->name), strings[i]);
        } else if (flags[i]) {
            g_hash_table_insert(values, g_strdup(option->name), g_strdup(""));
        }
    }
    return ok;
}

static GPtrArray *
pvperfShellOptionList(const pvperfOption *options)
{
    GPtrArray *list = g_ptr_array_new();

    for (; options && options->name; options++)
        g_ptr_array_add(list, (void *) options);
    return list;
}

static bool
pvperfCommandTakesDomain(const pvperfCommand *command)
{
    return command->complete == PVPERF_COMPLETE_DOMAIN ||
           command->complete == PVPERF_COMPLETE_DOMAINS ||
           command->complete == PVPERF_COMPLETE_DOMAIN_EVENT;
}

/* Moves argv[1..], and the domain of --domain before it, into shell->args. */
static void
pvperfShellTakeArgs(pvperfShell *shell,
                    GStrv argv)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    const char *domain = pvperfShellOption(shell, "domain");
    bool options_ended = false;
    size_t i;

    if (domain)
        g_strv_builder_add(builder, domain);
    for (i = 1; argv[i]; i++) {
        if (!options_ended && g_str_equal(argv[i], "--"))
            options_ended = true;
        else
            g_strv_builder_add(builder, argv[i]);
    }
    shell->args = g_strv_builder_end(builder);
    shell->nargs = g_strv_length(shell->args);
}

static bool
pvperfShellCheckArgs(const pvperfShell *shell,
                     GError **error)
{
    const pvperfCommand *command = shell->command;

    if (shell->nargs >= command->min_args && shell->nargs <= command->max_args)
        return true;
    if (shell->nargs < command->min_args)
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_USAGE,
                    "command '%s' needs %s", command->name, command->args);
    else
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_USAGE,
                    "command '%s' does not take the argument '%s'",
                    command->name, shell->args[command->max_args]);
    return false;
}

/* argv[0] is the command's name. */
static int
pvperfShellRunCommand(pvperfShell *shell,
                      GStrv *argv,
                      GError **error)
{
    const pvperfCommand *command = pvperfCommandFind((*argv)[0]);
    g_autoptr(GPtrArray) options = NULL;

    if (!command) {
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_USAGE,
                    "unknown command '%s'; 'virsh-pvperf help' lists them", (*argv)[0]);
        return -1;
    }
    shell->command = command;
    options = pvperfShellOptionList(command->options);
    g_ptr_array_add(options, (void *) &pvperfHelpOption);
    if (pvperfCommandTakesDomain(command))
        g_ptr_array_add(options, (void *) &pvperfDomainOption);
    /* "complete" is given other commands' options. */
    if (!command->hidden &&
        !pvperfShellParse(options, false, argv, shell->options, error)) {
        g_prefix_error(error, "command '%s': ", command->name);
        return -1;
    }
    pvperfShellTakeArgs(shell, *argv);
    if (pvperfShellHas(shell, "help")) {
        g_strfreev(shell->args);
        shell->args = g_strdupv((char *[]) { (char *) command->name, NULL });
        shell->nargs = 1;
        return pvperfCommandHelp.handler(shell, error);
    }
    if (!pvperfShellCheckArgs(shell, error))
        return -1;
    return command->handler(shell, error);
}

static int
pvperfShellRunLine(pvperfShell *shell,
                   char **argv,
                   GError **error)
{
    g_autoptr(GPtrArray) options = pvperfShellOptionList(pvperfGlobalOptions);
    g_autoptr(GHashTable) values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_auto(GStrv) line = g_strdupv(argv);
    g_auto(GStrv) rest = NULL;
    const char *uri;

    if (!pvperfShellParse(options, true, &line, values, error))
        return -1;
    rest = g_strdupv(line[0] ? line + 1 : line);

    shell->quiet = g_hash_table_contains(values, "quiet");
    uri = g_hash_table_lookup(values, "connect");
    if (!uri)
        uri = g_getenv("VIRSH_DEFAULT_CONNECT_URI");
    if (!uri || !*uri)
        uri = g_getenv("LIBVIRT_DEFAULT_URI");
    if (uri && *uri)
        shell->uri = g_strdup(uri);

    if (g_hash_table_contains(values, "version")) {
        fprintf(shell->out, "%s\n", PVPERF_VERSION);
        return 0;
    }
    if (g_hash_table_contains(values, "help")) {
        shell->args = g_new0(char *, 1);
        return pvperfCommandHelp.handler(shell, error);
    }
    if (!rest[0]) {
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_USAGE,
                    "no command given; 'virsh-pvperf help' lists them");
        return -1;
    }
    return pvperfShellRunCommand(shell, &rest, error);
}

int
pvperfShellRun(char **argv,
               FILE *out,
               FILE *err)
{
    pvperfShell shell = { .out = out, .err = err };
    g_autoptr(GError) error = NULL;
    int status;

    shell.options = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    status = pvperfShellRunLine(&shell, argv, &error);
    if (status < 0) {
        pvperfShellComplain(&shell, error);
        status = 1;
    }
    if (fflush(out) != 0 && status == 0)
        status = 1;

    if (shell.conn)
        virConnectClose(shell.conn);
    g_clear_object(&shell.bus);
    g_hash_table_unref(shell.options);
    g_strfreev(shell.args);
    g_free(shell.uri);
    return status;
}
