/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_cmd_check.c: "check", why something does not count.
 *
 * Prints findings as virt-host-validate does, each that is not PASS with its
 * fix. The exit status is 1 if one is FAIL.
 */
#include "pvperf_check.h"
#include "pvperf_json.h"
#include "pvperf_text.h"

static const char *const checkResults[] = {
    [PVPERF_CHECK_PASS] = "PASS",
    [PVPERF_CHECK_WARN] = "WARN",
    [PVPERF_CHECK_FAIL] = "FAIL",
};

void
pvperfCheckPrintJson(GPtrArray *findings,
                     FILE *out)
{
    g_autoptr(pvperfJson) array = json_object_new_array();
    unsigned int i;

    for (i = 0; i < findings->len; i++) {
        const pvperfFinding *finding = findings->pdata[i];
        pvperfJson *row = json_object_new_object();

        pvperfJsonAddString(row, "scope", finding->scope);
        pvperfJsonAddString(row, "check", finding->what);
        pvperfJsonAddString(row, "result", checkResults[finding->result]);
        pvperfJsonAddString(row, "detail", finding->detail);
        pvperfJsonAddString(row, "fix", finding->fix);
        json_object_array_add(array, row);
    }
    pvperfJsonPrint(array, out);
}

void
pvperfCheckPrint(GPtrArray *findings,
                 bool quiet,
                 FILE *out)
{
    unsigned int i;

    for (i = 0; i < findings->len; i++) {
        const pvperfFinding *finding = findings->pdata[i];
        g_autofree char *detail = pvperfTextEscape(finding->detail ? finding->detail : "", false);
        g_autofree char *fix = pvperfTextEscape(finding->fix ? finding->fix : "", false);

        if (quiet && finding->result == PVPERF_CHECK_PASS)
            continue;
        fprintf(out, "%6s: %-66s: %s%s%s%s\n", finding->scope, finding->what, checkResults[finding->result],
                *detail ? " (" : "", detail, *detail ? ")" : "");
        if (*fix)
            fprintf(out, "%8s-> %s\n", "", fix);
    }
}

bool
pvperfCheckFailed(GPtrArray *findings)
{
    unsigned int i;

    for (i = 0; i < findings->len; i++) {
        const pvperfFinding *finding = findings->pdata[i];

        if (finding->result == PVPERF_CHECK_FAIL)
            return true;
    }
    return false;
}

static int
pvperfCheck(pvperfShell *shell,
            GError **error)
{
    g_auto(pvperfCheckFacts) facts = { 0 };
    g_autoptr(GPtrArray) findings = NULL;
    const char *domain = shell->nargs > 0 ? shell->args[0] : NULL;
    const char *event = shell->nargs > 1 ? shell->args[1] : NULL;

    if (!pvperfCheckGather(shell, domain, event, &facts, error))
        return -1;
    findings = pvperfCheckAll(&facts);
    if (pvperfShellIsJson(shell))
        pvperfCheckPrintJson(findings, shell->out);
    else
        pvperfCheckPrint(findings, shell->quiet, shell->out);
    return pvperfCheckFailed(findings);
}

static const pvperfOption checkOptions[] = {
    PVPERF_OPTION_FORMAT,
    { NULL, NULL, NULL, NULL, 0 },
};

const pvperfCommand pvperfCommandCheck = {
    .name = "check",
    .args = "[DOMAIN [EVENT]]",
    .max_args = 2,
    .summary = "say why a guest does not count, and what to do about it",
    .options = checkOptions,
    .handler = pvperfCheck,
    .complete = PVPERF_COMPLETE_DOMAIN_EVENT,
};
