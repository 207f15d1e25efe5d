/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_cmd_complete.c: "complete", the words that may stand at the end of a
 * command line, one per line, for the shell's completion.
 *
 * The tables of commands and options are all it knows. It is asked at every
 * press of a key, so it never says why there is nothing to offer.
 */
#include <string.h>

#include "conf/pvperf_events.h"
#include "pvperf_shell.h"

typedef struct _pvperfCompletion pvperfCompletion;
struct _pvperfCompletion {
    pvperfShell *shell;
    const char *prefix;             /* what stands before the cursor */
    const char *last;               /* the word before it */
    const pvperfCommand *command;   /* NULL: not there yet */
    bool unknown;                   /* what stands there is no command */
    unsigned int nargs;             /* its arguments before the cursor */
};

static void
pvperfCompleteOffer(const pvperfCompletion *self,
                    const char *word)
{
    if (g_str_has_prefix(word, self->prefix) && !strchr(word, '\n'))
        fprintf(self->shell->out, "%s\n", word);
}

static void
pvperfCompleteOptions(const pvperfCompletion *self,
                      const pvperfOption *options)
{
    for (; options && options->name; options++) {
        g_autofree char *word = g_strconcat("--", options->name, NULL);

        pvperfCompleteOffer(self, word);
    }
}

/* The option of @options that @word is, if it wants a value. */
static const pvperfOption *
pvperfCompleteWantsValue(const pvperfOption *options,
                         const char *word)
{
    for (; options && options->name; options++) {
        const char letter[] = { '-', options->letter, 0 };

        if (options->value &&
            ((g_str_has_prefix(word, "--") && g_str_equal(word + 2, options->name)) ||
             (options->letter && g_str_equal(word, letter))))
            return options;
    }
    return NULL;
}

static void
pvperfCompleteCommands(const pvperfCompletion *self)
{
    size_t i;

    for (i = 0; pvperfCommands[i]; i++) {
        if (!pvperfCommands[i]->hidden)
            pvperfCompleteOffer(self, pvperfCommands[i]->name);
    }
}

static void
pvperfCompleteDomains(const pvperfCompletion *self)
{
    virConnectPtr conn = pvperfShellConnect(self->shell, NULL);
    virDomainPtr *domains = NULL;
    int count;
    int i;

    if (!conn)
        return;
    count = virConnectListAllDomains(conn, &domains, 0);
    for (i = 0; i < count; i++) {
        pvperfCompleteOffer(self, virDomainGetName(domains[i]));
        virDomainFree(domains[i]);
    }
    free(domains);
}

static void
pvperfCompleteEvents(const pvperfCompletion *self)
{
    int event;

    for (event = 0; event < pvperfEventCount(); event++)
        pvperfCompleteOffer(self, pvperfEventGet(event)->name);
}

static void
pvperfCompleteArgument(const pvperfCompletion *self)
{
    switch (self->command->complete) {
    case PVPERF_COMPLETE_COMMAND:
        pvperfCompleteCommands(self);
        break;
    case PVPERF_COMPLETE_DOMAIN:
        if (self->nargs == 0)
            pvperfCompleteDomains(self);
        break;
    case PVPERF_COMPLETE_DOMAINS:
        pvperfCompleteDomains(self);
        break;
    case PVPERF_COMPLETE_DOMAIN_EVENT:
        if (self->nargs == 0)
            pvperfCompleteDomains(self);
        else if (self->nargs == 1)
            pvperfCompleteEvents(self);
        break;
    case PVPERF_COMPLETE_FILE:      /* the shell itself knows files */
    case PVPERF_COMPLETE_NONE:
        break;
    }
}

/* Finds command, arguments and URI in the words before the cursor. */
static void
pvperfCompleteScan(pvperfCompletion *self,
                   char **words,
                   unsigned int count)
{
    unsigned int i;

    for (i = 0; i < count; i++) {
        const pvperfOption *options = self->command ? self->command->options : pvperfGlobalOptions;
        const pvperfOption *option = pvperfCompleteWantsValue(options, words[i]);

        self->last = words[i];
        if (option && i + 1 < count) {
            i++;
            self->last = "";
            if (!self->command && g_str_equal(option->name, "connect")) {
                g_free(self->shell->uri);
                self->shell->uri = g_strdup(words[i]);
            }
        } else if (*words[i] != '-' && !self->command) {
            self->command = pvperfCommandFind(words[i]);
            self->unknown = !self->command;
        } else if (*words[i] != '-') {
            self->nargs++;
        }
    }
}

static int
pvperfCompleteLine(pvperfShell *shell,
                   GError **error)
{
    pvperfCompletion self = { .shell = shell, .prefix = shell->args[shell->nargs - 1], .last = "" };
    const pvperfOption *option;
    size_t i;

    pvperfCompleteScan(&self, shell->args, shell->nargs - 1);
    option = pvperfCompleteWantsValue(self.command ? self.command->options : pvperfGlobalOptions, self.last);
    if (option) {
        for (i = 0; option->choices && option->choices[i]; i++)
            pvperfCompleteOffer(&self, option->choices[i]);
    } else if (*self.prefix == '-') {
        pvperfCompleteOptions(&self, self.command ? self.command->options : pvperfGlobalOptions);
    } else if (self.command) {
        pvperfCompleteArgument(&self);
    } else if (!self.unknown) {
        pvperfCompleteCommands(&self);
    }
    return 0;
}

const pvperfCommand pvperfCommandComplete = {
    .name = "complete",
    .args = "WORD...",
    .min_args = 1,
    .max_args = G_MAXUINT,
    .summary = "offer the next word of a command line",
    .handler = pvperfCompleteLine,
    .hidden = true,
};
