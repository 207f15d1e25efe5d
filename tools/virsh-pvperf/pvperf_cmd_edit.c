/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_cmd_edit.c: "edit", virsh edit that checks <pvperf> before it saves.
 *
 * libvirt takes anything inside <metadata>, so a typo would show only when the
 * guest's perf fails. The text goes through the user's editor until it is
 * right or given up; as in virsh, what is wrong may be forced. A definition
 * that somebody else changed meanwhile is not overwritten unasked. Without a
 * terminal to ask on, what is wrong ends the command.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "pvperf_domain.h"
#include "pvperf_file.h"

typedef struct _pvperfEdit pvperfEdit;
struct _pvperfEdit {
    virDomainPtr dom;
    char *before;               /* as libvirt gave it */
    char *after;                /* as the editor left it */
    char *path;                 /* temporary file, readable by its owner alone */
    bool ignore_schema;         /* answer 'i' */
    bool force;                 /* answer 'f' */
};

static void
pvperfEditClear(pvperfEdit *edit)
{
    if (edit->path)
        g_unlink(edit->path);
    g_free(edit->path);
    g_free(edit->before);
    g_free(edit->after);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(pvperfEdit, pvperfEditClear)

static bool
pvperfEditWriteFile(pvperfEdit *edit,
                    GError **error)
{
    const size_t size = strlen(edit->before);
    int fd;
    bool ok;

    edit->path = g_build_filename(g_get_tmp_dir(), "virsh-pvperf-XXXXXX.xml", NULL);
    fd = g_mkstemp_full(edit->path, O_RDWR | O_CLOEXEC, 0600);
    ok = fd >= 0 && TEMP_FAILURE_RETRY(write(fd, edit->before, size)) == (ssize_t) size;
    if (!ok)
        g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_FAILED,
                    "cannot write '%s': %s", edit->path, g_strerror(errno));
    if (fd < 0)
        g_clear_pointer(&edit->path, g_free);
    else
        close(fd);
    return ok;
}

/* The editor may be a command with options, so a shell takes it apart. */
static bool
pvperfEditRunEditor(pvperfEdit *edit,
                    GError **error)
{
    const char *editor = g_getenv("VISUAL");
    g_autofree char *script = NULL;
    int status;

    if (!editor || !*editor)
        editor = g_getenv("EDITOR");
    if (!editor || !*editor)
        editor = "vi";
    script = g_strdup_printf("%s \"$1\"", editor);
    if (!g_spawn_sync(NULL, (char *[]) { (char *) "/bin/sh", (char *) "-c", script, (char *) "sh",
                                         edit->path, NULL },
                      NULL, G_SPAWN_CHILD_INHERITS_STDIN, NULL, NULL, NULL, NULL, &status, error) ||
        !g_spawn_check_wait_status(status, error)) {
        g_prefix_error(error, "editor '%s': ", editor);
        return false;
    }
    g_free(edit->after);
    edit->after = pvperfFileRead(edit->path, error);
    return edit->after != NULL;
}

static bool
pvperfEditCheck(const pvperfEdit *edit,
                GError **error)
{
    g_autoptr(pvperfDomainXML) xml = pvperfDomainXMLParse(edit->after, error);

    return xml && pvperfDomainCheck(xml, error);
}

/* Checks and defines what the editor left. */
static bool
pvperfEditSave(pvperfEdit *edit,
               GError **error)
{
    const unsigned int flags = edit->ignore_schema || edit->force ? 0 : VIR_DOMAIN_DEFINE_VALIDATE;
    char *now;

    if (!edit->force && !pvperfEditCheck(edit, error))
        return false;
    switch (pvperfDomainWrite(edit->dom, edit->before, edit->after, flags, error)) {
    case PVPERF_DOMAIN_WRITTEN:
        return true;
    case PVPERF_DOMAIN_REFUSED:
        return false;
    case PVPERF_DOMAIN_RACED:
        break;
    }
    g_set_error(error, PVPERF_SHELL_ERROR, PVPERF_SHELL_ERROR_FAILED,
                "somebody else changed the definition of domain '%s' meanwhile: nothing was written",
                virDomainGetName(edit->dom));
    /* What 'f' then overwrites is what the user was told about. */
    now = pvperfDomainRead(edit->dom, PVPERF_DOMAIN_CONFIG, NULL);
    if (now) {
        g_free(edit->before);
        edit->before = now;
    }
    return false;
}

/* One key from the terminal, without waiting for Enter. */
static int
pvperfEditKey(void)
{
    struct termios old;
    struct termios raw;
    char key = 'n';

    if (tcgetattr(STDIN_FILENO, &old) < 0)
        return 'n';
    raw = old;
    raw.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
    if (TEMP_FAILURE_RETRY(read(STDIN_FILENO, &key, 1)) != 1)
        key = 'n';
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
    return key;
}

/* What to do about @problem: 'y', 'n', 'i' or 'f'. */
static int
pvperfEditAsk(pvperfShell *shell,
              const GError *problem)
{
    int key;

    pvperfShellComplain(shell, problem);
    if (!isatty(STDIN_FILENO))
        return 'n';
    while (true) {
        fputs("Try again? [y,n,i,f,?]: ", shell->err);
        fflush(shell->err);
        key = pvperfEditKey();
        fprintf(shell->err, "%c\n", g_ascii_isprint(key) ? key : ' ');
        if (strchr("ynif", key))
            return key;
        fputs("y - yes, start editor again\n"
              "n - no, throw away my changes\n"
              "i - save without libvirt's schema check\n"
              "f - force: save without any check, over other people's changes\n"
              "? - print this help\n", shell->err);
    }
}

/* The editor, then saving, until it succeeds or the user gives up. */
static int
pvperfEditLoop(pvperfShell *shell,
               pvperfEdit *edit,
               GError **error)
{
    const char *name = virDomainGetName(edit->dom);
    bool open_editor = true;

    while (true) {
        g_autoptr(GError) problem = NULL;

        if (open_editor && !pvperfEditRunEditor(edit, error))
            return -1;
        if (g_str_equal(edit->before, edit->after)) {
            pvperfShellNote(shell, "Domain '%s' XML configuration not changed.", name);
            return 0;
        }
        if (pvperfEditSave(edit, &problem)) {
            pvperfShellNote(shell, "Domain '%s' XML configuration edited.", name);
            return 0;
        }
        edit->ignore_schema = false;
        edit->force = false;
        switch (pvperfEditAsk(shell, problem)) {
        case 'y':
            open_editor = true;
            break;
        case 'i':
            open_editor = false;
            edit->ignore_schema = true;
            break;
        case 'f':
            open_editor = false;
            edit->force = true;
            break;
        default:
            pvperfShellNote(shell, "Domain '%s' XML configuration not changed.", name);
            return 1;
        }
    }
}

static int
pvperfEditDomain(pvperfShell *shell,
                 GError **error)
{
    g_autoptr(virDomain) dom = pvperfShellDomain(shell, shell->args[0], error);
    g_auto(pvperfEdit) edit = { .dom = dom };

    if (!dom)
        return -1;
    edit.before = pvperfDomainRead(dom, PVPERF_DOMAIN_CONFIG, error);
    if (!edit.before || !pvperfEditWriteFile(&edit, error))
        return -1;
    return pvperfEditLoop(shell, &edit, error);
}

const pvperfCommand pvperfCommandEdit = {
    .name = "edit",
    .args = "DOMAIN",
    .min_args = 1,
    .max_args = 1,
    .summary = "edit a domain's XML, and check <pvperf> before it is saved",
    .handler = pvperfEditDomain,
    .complete = PVPERF_COMPLETE_DOMAIN,
};
