/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_check.c: the rules of "check" on machines that are only data.
 *
 * Each file check/NAME.conf describes facts (group "facts": members of
 * pvperfCheckFacts by name; GVariant text for what the daemon says; config and
 * live name domain XMLs in data/). What check prints is compared with
 * golden/check-NAME.txt. PVPERF_REGENERATE=1 writes these anew.
 */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "pvperf_check.h"

static const char *sourceDir;

typedef struct _testField testField;
struct _testField {
    const char *name;
    enum { FIELD_STRING, FIELD_BOOL, FIELD_INT, FIELD_VERSION, FIELD_TRISTATE, FIELD_DICT, FIELD_FILE } kind;
    size_t offset;
};

#define FIELD(name_, kind_) { #name_, kind_, G_STRUCT_OFFSET(pvperfCheckFacts, name_) }

static const testField fields[] = {
    FIELD(session, FIELD_BOOL),
    FIELD(libvirt_error, FIELD_STRING),
    FIELD(libvirt_uri, FIELD_STRING),
    FIELD(libvirt_version, FIELD_VERSION),
    FIELD(driver, FIELD_STRING),
    FIELD(emulator, FIELD_STRING),
    FIELD(ivshmem, FIELD_TRISTATE),
    FIELD(ivshmem_error, FIELD_STRING),
    FIELD(security, FIELD_STRING),
    FIELD(apparmor_asks, FIELD_BOOL),
    FIELD(apparmor_rule, FIELD_BOOL),
    FIELD(socket, FIELD_STRING),
    FIELD(socket_exists, FIELD_BOOL),
    FIELD(socket_listens, FIELD_BOOL),
    FIELD(daemon_error, FIELD_STRING),
    FIELD(daemon_version, FIELD_STRING),
    FIELD(daemon_libvirt, FIELD_BOOL),
    FIELD(daemon_ivshmem, FIELD_BOOL),
    FIELD(capabilities, FIELD_DICT),
    FIELD(paranoid, FIELD_INT),
    FIELD(has_pmu, FIELD_BOOL),
    FIELD(mediated, FIELD_BOOL),
    FIELD(domain, FIELD_STRING),
    FIELD(config_text, FIELD_FILE),
    FIELD(live_text, FIELD_FILE),
    FIELD(row, FIELD_DICT),
    FIELD(stats, FIELD_DICT),
    FIELD(policy, FIELD_DICT),
    FIELD(event, FIELD_STRING),
};

static void
testSetField(pvperfCheckFacts *facts,
             const char *key,
             const char *value)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;
    const testField *field = NULL;
    void *member;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(fields) && !field; i++) {
        if (g_str_equal(fields[i].name, key))
            field = &fields[i];
    }
    if (!field)
        g_error("no fact '%s'", key);
    member = G_STRUCT_MEMBER_P(facts, field->offset);
    switch (field->kind) {
    case FIELD_STRING:
        g_free(*(char **) member);
        *(char **) member = *value ? g_strdup(value) : NULL;
        break;
    case FIELD_BOOL:
        *(bool *) member = g_str_equal(value, "true");
        break;
    case FIELD_INT:
        *(int *) member = (int) g_ascii_strtoll(value, NULL, 10);
        break;
    case FIELD_VERSION:
        *(unsigned long *) member = strtoul(value, NULL, 10);
        break;
    case FIELD_TRISTATE:
        *(pvperfTristate *) member = g_str_equal(value, "yes") ? PVPERF_TRISTATE_YES :
            g_str_equal(value, "no") ? PVPERF_TRISTATE_NO : PVPERF_TRISTATE_ABSENT;
        break;
    case FIELD_DICT:
        g_clear_pointer((GVariant **) member, g_variant_unref);
        if (*value)
            *(GVariant **) member = g_variant_ref_sink(g_variant_parse(G_VARIANT_TYPE("a{sv}"), value,
                                                                       NULL, NULL, &error));
        g_assert_no_error(error);
        break;
    case FIELD_FILE:
        path = g_build_filename(sourceDir, "data", value, NULL);
        g_free(*(char **) member);
        g_file_get_contents(path, (char **) member, NULL, &error);
        g_assert_no_error(error);
        break;
    }
}

static void
testLoad(pvperfCheckFacts *facts,
         GKeyFile *file,
         const char *group)
{
    g_auto(GStrv) keys = g_key_file_get_keys(file, group, NULL, NULL);
    g_autoptr(GError) error = NULL;
    size_t i;

    for (i = 0; keys && keys[i]; i++) {
        g_autofree char *value = g_key_file_get_string(file, group, keys[i], &error);

        g_assert_no_error(error);
        testSetField(facts, keys[i], value);
    }
}

/* Every group of the file but the first is one case: the facts of the first,
 * the good machine, with the group's own on top. */
static void
testCase(FILE *out,
         GKeyFile *file,
         const char *base,
         const char *group)
{
    g_auto(pvperfCheckFacts) facts = { 0 };
    g_autoptr(GPtrArray) findings = NULL;
    g_autoptr(GError) error = NULL;

    testLoad(&facts, file, base);
    if (group)
        testLoad(&facts, file, group);
    facts.persistent = facts.config_text != NULL;
    facts.active = facts.live_text != NULL;
    pvperfCheckParseDomain(&facts, &error);
    g_assert_no_error(error);
    findings = pvperfCheckAll(&facts);
    fprintf(out, "=== %s\n", group ? group : base);
    /* The good machine is shown whole, another one where it differs. */
    pvperfCheckPrint(findings, group != NULL, out);
    fprintf(out, "--- exit %d\n", pvperfCheckFailed(findings));
    if (!group)
        pvperfCheckPrintJson(findings, out);
}

static void
testFile(gconstpointer opaque)
{
    const char *name = opaque;
    g_autofree char *source = g_strdup_printf("%s/check/%s.conf", sourceDir, name);
    g_autofree char *golden = g_strdup_printf("%s/golden/check-%s.txt", sourceDir, name);
    g_autofree char *expected = NULL;
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) groups = NULL;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    size_t i;

    g_key_file_load_from_file(file, source, G_KEY_FILE_NONE, &error);
    g_assert_no_error(error);
    groups = g_key_file_get_groups(file, NULL);
    testCase(out, file, groups[0], NULL);
    for (i = 1; groups[i]; i++)
        testCase(out, file, groups[0], groups[i]);
    fclose(out);

    if (g_getenv("PVPERF_REGENERATE")) {
        g_assert_true(g_file_set_contents(golden, text, -1, NULL));
    } else {
        g_file_get_contents(golden, &expected, NULL, NULL);
        if (g_strcmp0(expected, text) != 0) {
            g_test_message("expected:\n%s\nactual:\n%s", expected, text);
            g_test_fail();
        }
    }
    free(text);
}

int
main(int argc,
     char **argv)
{
    setlocale(LC_ALL, "C.UTF-8");
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(argc, ==, 2);
    sourceDir = argv[1];
    g_test_add_data_func("/check/host", "host", testFile);
    g_test_add_data_func("/check/domain", "domain", testFile);
    g_test_add_data_func("/check/event", "event", testFile);
    return g_test_run();
}
