/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_shell.h: what every subcommand of virsh-pvperf stands on.
 *
 * Owns the table of commands, the command line (global options, then one
 * command with its options and arguments), the libvirt connection (opened
 * when a command first asks for it) and how an error is told. A command is
 * one file pvperf_cmd_NAME.c that exports one pvperfCommand.
 *
 * Invariants: a command writes to shell->out only; what is not the answer
 * (errors, warnings, notes) goes to shell->err; nothing keeps state outside
 * the pvperfShell, so that one process may run many commands.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <gio/gio.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomain, virDomainFree)

#define PVPERF_SHELL_ERROR (pvperf_shell_error_quark())
GQuark pvperf_shell_error_quark(void);

typedef enum {
    PVPERF_SHELL_ERROR_USAGE,       /* the command line is wrong */
    PVPERF_SHELL_ERROR_LIBVIRT,     /* libvirt says no */
    PVPERF_SHELL_ERROR_NO_DOMAIN,   /* nobody knows this domain */
    PVPERF_SHELL_ERROR_NO_DAEMON,   /* virtpvperfd is not on its bus */
    PVPERF_SHELL_ERROR_DAEMON,      /* virtpvperfd says no, or not in time */
    PVPERF_SHELL_ERROR_FAILED,
} pvperfShellError;

/* What the arguments of a command are, for completion. */
typedef enum {
    PVPERF_COMPLETE_NONE,
    PVPERF_COMPLETE_FILE,
    PVPERF_COMPLETE_DOMAIN,         /* one domain */
    PVPERF_COMPLETE_DOMAINS,        /* any number of domains */
    PVPERF_COMPLETE_DOMAIN_EVENT,   /* a domain, then an event */
    PVPERF_COMPLETE_COMMAND,
} pvperfComplete;

typedef struct _pvperfOption pvperfOption;
struct _pvperfOption {
    const char *name;               /* long name; NULL ends an array */
    const char *value;              /* name of its value, NULL: a flag */
    const char *text;
    const char *const *choices;     /* the values that are allowed, NULL: any */
    char letter;                    /* short name, 0: none */
};

typedef struct _pvperfShell pvperfShell;

/* Returns the exit status, or -1 with @error set. */
typedef int (*pvperfHandler)(pvperfShell *shell,
                             GError **error);

typedef struct _pvperfCommand pvperfCommand;
struct _pvperfCommand {
    const char *name;
    const char *args;               /* as the synopsis shows them, "" if none */
    unsigned int min_args;
    unsigned int max_args;          /* G_MAXUINT: any number */
    const char *summary;            /* one line */
    const pvperfOption *options;
    pvperfHandler handler;
    pvperfComplete complete;
    bool hidden;                    /* not in help */
};

extern const pvperfCommand pvperfCommandCapabilities;
extern const pvperfCommand pvperfCommandCheck;
extern const pvperfCommand pvperfCommandComplete;
extern const pvperfCommand pvperfCommandDisable;
extern const pvperfCommand pvperfCommandEdit;
extern const pvperfCommand pvperfCommandEnable;
extern const pvperfCommand pvperfCommandEvents;
extern const pvperfCommand pvperfCommandHelp;
extern const pvperfCommand pvperfCommandList;
extern const pvperfCommand pvperfCommandStats;
extern const pvperfCommand pvperfCommandTune;
extern const pvperfCommand pvperfCommandValidate;

/* All commands, in the order of help and man page; ends in NULL. */
extern const pvperfCommand *const pvperfCommands[];

/* Options before the command. */
extern const pvperfOption pvperfGlobalOptions[];

/* --format text|json, for the commands that know both. */
extern const char *const pvperfFormatChoices[];
#define PVPERF_OPTION_FORMAT \
    { "format", "FORMAT", "text (the default) or json", pvperfFormatChoices, 0 }

struct _pvperfShell {
    FILE *out;
    FILE *err;
    char *uri;                      /* -c or environment; NULL: libvirt's own default */
    bool quiet;
    const pvperfCommand *command;
    GHashTable *options;            /* name -> value, "" for a flag */
    GStrv args;
    unsigned int nargs;
    virConnectPtr conn;
    GDBusConnection *bus;
};

/* main() without the process: returns the exit status. */
int pvperfShellRun(char **argv,
                   FILE *out,
                   FILE *err);

const pvperfCommand *pvperfCommandFind(const char *name);

bool pvperfShellHas(pvperfShell *shell,
                    const char *option);

/* The value of an option that has one, or NULL. */
const char *pvperfShellOption(pvperfShell *shell,
                              const char *option);

bool pvperfShellIsJson(pvperfShell *shell);

/* "error: " and what happened, for a command that goes on; one that ends
 * returns its error instead. */
void pvperfShellComplain(pvperfShell *shell,
                         const GError *error);

/* A note or warning for people; --quiet silences notes. Terminal-safe. */
void pvperfShellNote(pvperfShell *shell,
                     const char *format,
                     ...) G_GNUC_PRINTF(2, 3);
void pvperfShellWarn(pvperfShell *shell,
                     const char *format,
                     ...) G_GNUC_PRINTF(2, 3);

/* The libvirt connection, opened at the first call; it belongs to the shell. */
virConnectPtr pvperfShellConnect(pvperfShell *shell,
                                 GError **error);

/* What the URI says: a session instance or the system's, here or on another
 * host. False with @error set if it is no URI. */
bool pvperfShellWhere(pvperfShell *shell,
                      bool *session,
                      bool *remote,
                      GError **error);

/* The domain of this id, uuid or name, tried in this order as virsh does. */
virDomainPtr pvperfShellDomain(pvperfShell *shell,
                               const char *domain,
                               GError **error);

/* @error becomes "WHAT: libvirt's last message". */
void pvperfShellLibvirtError(GError **error,
                             const char *format,
                             ...) G_GNUC_PRINTF(2, 3);
