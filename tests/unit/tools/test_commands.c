/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_commands.c: every command, as a user sees it.
 *
 * Each group of cases.conf is one case: command lines that run in this
 * process against libvirt's test driver and, on a private bus, a daemon that
 * answers from a file. What they print and their exit status is compared with
 * golden/NAME.txt. PVPERF_REGENERATE=1 writes the golden files anew, for
 * review.
 *
 * Keys of a case: run (command lines separated by ;), daemon (a file in
 * mock/; "absent": the bus is there, nobody on it; "no-bus"), uri ("default":
 * the test driver's one domain, in memory for the length of the case; "file":
 * data/domains.xml; else the URI itself), environment (NAME=value ...).
 *
 * SRCDIR in a line or in the environment is this directory. A line "elements
 * DOMAIN" prints what of ours is in the domain; "virsh ..." is somebody else
 * (testVirsh).
 */
#include <locale.h>
#include <string.h>

#include <glib/gstdio.h>

#include "conf/pvperf_domain_xml.h"
#include "mock_daemon.h"
#include "pvperf_shell.h"

static const char *sourceDir;
static GTestDBus *busWithMock;
static GTestDBus *busAlone;
static mockDaemon *mock;

typedef struct _testCase testCase;
struct _testCase {
    char *name;
    char *daemon;
    char *uri;
    GStrv run;
    GStrv environment;
};

static void
testElements(FILE *out,
             const char *domain)
{
    virConnectPtr conn = virConnectOpen("test:///default");
    g_autoptr(virDomain) dom = virDomainLookupByName(conn, domain);
    unsigned int flags;

    for (flags = 0; flags <= VIR_DOMAIN_XML_INACTIVE; flags += VIR_DOMAIN_XML_INACTIVE) {
        g_autofree char *xml = virDomainGetXMLDesc(dom, flags);
        g_autoptr(pvperfDomainXML) parsed = pvperfDomainXMLParse(xml, NULL);
        g_autofree char *element = parsed->def ? pvperfDomainDefFormat(parsed->def, true) : g_strdup("none\n");

        fprintf(out, "%s: %s", flags ? "persistent" : "live", element);
        fprintf(out, "  devices %u, socket %s, vectors %u, alias %d\n", parsed->device.count,
                parsed->device.socket, parsed->device.vectors, parsed->device.has_alias);
    }
    virConnectClose(conn);
}

/* SRCDIR is this directory. */
static char *
testExpand(const char *text)
{
    g_autoptr(GString) string = g_string_new(text);

    g_string_replace(string, "SRCDIR", sourceDir, 0);
    return g_string_free(g_steal_pointer(&string), FALSE);
}

/* "virsh destroy DOMAIN", "virsh metadata FILE" (of the definition) and "virsh
 * metadata-live FILE": what somebody else does. */
static void
testVirsh(const char *words)
{
    virConnectPtr conn = virConnectOpen("test:///default");
    g_auto(GStrv) argv = g_strsplit(words, " ", 2);
    g_autoptr(virDomain) dom = virDomainLookupByName(conn, "test");
    g_autofree char *file = testExpand(argv[1]);
    g_autofree char *element = NULL;

    if (g_str_equal(argv[0], "destroy")) {
        g_assert_cmpint(virDomainDestroy(dom), ==, 0);
    } else {
        const bool live = g_str_equal(argv[0], "metadata-live");

        g_assert_true(g_file_get_contents(file, &element, NULL, NULL));
        g_assert_cmpint(virDomainSetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, element, "pvperf", PVPERF_XMLNS,
                                             live ? VIR_DOMAIN_AFFECT_LIVE : VIR_DOMAIN_AFFECT_CONFIG), ==, 0);
    }
    virConnectClose(conn);
}

static void
testRunLine(const char *line,
            const char *uri,
            FILE *out)
{
    g_auto(GStrv) words = NULL;
    g_auto(GStrv) argv = NULL;
    g_autofree char *expanded = NULL;
    g_autofree char *full = NULL;
    g_autoptr(GError) error = NULL;
    char *text = NULL;
    char *complaint = NULL;
    size_t size;
    FILE *std_out = open_memstream(&text, &size);
    FILE *std_err = open_memstream(&complaint, &size);
    int status;

    fprintf(out, "$ %s\n", line);
    if (g_str_has_prefix(line, "elements ")) {
        testElements(std_out, line + strlen("elements "));
        status = 0;
    } else if (g_str_has_prefix(line, "virsh ")) {
        testVirsh(line + strlen("virsh "));
        status = 0;
    } else {
        expanded = testExpand(line);
        full = g_strdup_printf("virsh-pvperf %s", expanded);
        g_shell_parse_argv(full, NULL, &argv, &error);
        g_assert_no_error(error);
        if (uri)
            setenv("LIBVIRT_DEFAULT_URI", uri, 1);
        else
            unsetenv("LIBVIRT_DEFAULT_URI");
        status = pvperfShellRun(argv, std_out, std_err);
    }
    fclose(std_out);
    fclose(std_err);
    fprintf(out, "%s%s%s", text, *complaint ? "--- stderr\n" : "", complaint);
    fprintf(out, "--- exit %d\n", status);
    free(text);
    free(complaint);
}

/* What differs between builds and machines. */
static char *
testNormalise(const char *text)
{
    g_autoptr(GString) string = g_string_new(text);

    g_string_replace(string, sourceDir, "SRCDIR", 0);
    return g_string_free(g_steal_pointer(&string), FALSE);
}

static void
testCompare(const char *name,
            const char *actual)
{
    g_autofree char *file = g_strdup_printf("%s.txt", name);
    g_autofree char *path = g_build_filename(sourceDir, "golden", file, NULL);
    g_autofree char *expected = NULL;

    if (g_getenv("PVPERF_REGENERATE")) {
        g_assert_true(g_file_set_contents(path, actual, -1, NULL));
        return;
    }
    if (!g_file_get_contents(path, &expected, NULL, NULL))
        expected = g_strdup("");
    if (!g_str_equal(expected, actual)) {
        g_test_message("expected:\n%s\nactual:\n%s", expected, actual);
        g_test_fail();
    }
}

static void
testPrepareBus(const testCase *self)
{
    const char *address = g_test_dbus_get_bus_address(busWithMock);
    g_autofree char *answers = NULL;

    if (g_str_equal(self->daemon, "no-bus")) {
        address = "unix:path=/nonexistent/bus";
    } else if (g_str_equal(self->daemon, "absent")) {
        address = g_test_dbus_get_bus_address(busAlone);
    } else {
        answers = g_strdup_printf("%s/mock/%s.conf", sourceDir, self->daemon);
        mockDaemonSetAnswers(mock, answers);
    }
    setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1);
    setenv("DBUS_SESSION_BUS_ADDRESS", address, 1);
}

static void
testRun(gconstpointer opaque)
{
    const testCase *self = opaque;
    const char *const *env;
    g_autofree char *uri = NULL;
    g_autofree char *normal = NULL;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    virConnectPtr hold = NULL;
    size_t i;

    testPrepareBus(self);
    if (g_str_equal(self->uri, "default"))
        uri = g_strdup("test:///default");
    else if (g_str_equal(self->uri, "file"))
        uri = g_strdup_printf("test://%s/data/domains.xml", sourceDir);
    else if (*self->uri)
        uri = g_strdup(self->uri);
    /* The default test connection lives as long as somebody holds it. */
    if (g_str_equal(self->uri, "default"))
        hold = virConnectOpen(uri);

    for (env = (const char *const *) self->environment; env && *env; env++) {
        g_autofree char *expanded = testExpand(*env);
        g_auto(GStrv) pair = g_strsplit(expanded, "=", 2);

        setenv(pair[0], pair[1], 1);
    }
    for (i = 0; self->run[i]; i++)
        testRunLine(g_strstrip(self->run[i]), uri, out);
    for (env = (const char *const *) self->environment; env && *env; env++) {
        g_auto(GStrv) pair = g_strsplit(*env, "=", 2);

        unsetenv(pair[0]);
    }

    if (hold)
        virConnectClose(hold);
    fclose(out);
    normal = testNormalise(text);
    free(text);
    testCompare(self->name, normal);
}

/* Every command has a section of the manual page that names its options. */
static void
testManual(gconstpointer opaque)
{
    g_autofree char *page = NULL;
    g_autoptr(GError) error = NULL;
    size_t i;

    g_file_get_contents(opaque, &page, NULL, &error);
    g_assert_no_error(error);
    for (i = 0; pvperfCommands[i]; i++) {
        const pvperfCommand *command = pvperfCommands[i];
        const pvperfOption *option;
        g_autofree char *rule = g_strnfill(strlen(command->name), '-');
        g_autofree char *heading = g_strdup_printf("\n%s\n%s\n", command->name, rule);
        const char *section = strstr(page, heading);
        g_autofree char *text = NULL;
        const char *end;

        g_test_message("%s", command->name);
        g_assert_true(!section == command->hidden);
        if (!section)
            continue;
        end = strstr(section + strlen(heading), "\n---");
        text = end ? g_strndup(section, (gsize) (end - section)) : g_strdup(section);
        for (option = command->options; option && option->name; option++) {
            g_autofree char *bold = g_strdup_printf("**--%s**", option->name);

            g_test_message("%s", bold);
            g_assert_nonnull(strstr(text, bold));
        }
    }
}

static char *
testKey(GKeyFile *file,
        const char *group,
        const char *key,
        const char *fallback)
{
    char *value = g_key_file_get_string(file, group, key, NULL);

    return value ? value : g_strdup(fallback);
}

static void
testCaseFree(gpointer opaque)
{
    testCase *self = opaque;

    g_free(self->name);
    g_free(self->daemon);
    g_free(self->uri);
    g_strfreev(self->run);
    g_strfreev(self->environment);
    g_free(self);
}

int
main(int argc,
     char **argv)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) groups = NULL;
    int status;
    size_t i;

    setlocale(LC_ALL, "C.UTF-8");
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(argc, ==, 5);
    sourceDir = argv[1];
    unsetenv("VIRSH_DEFAULT_CONNECT_URI");

    busAlone = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(busAlone);
    busWithMock = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(busWithMock);
    mock = mockDaemonStart(g_test_dbus_get_bus_address(busWithMock), argv[3]);

    g_key_file_load_from_file(file, argv[2], G_KEY_FILE_NONE, &error);
    g_assert_no_error(error);
    groups = g_key_file_get_groups(file, NULL);
    for (i = 0; groups[i]; i++) {
        g_autofree char *path = g_strdup_printf("/tools/%s", groups[i]);
        g_autofree char *run = testKey(file, groups[i], "run", "");
        g_autofree char *environment = testKey(file, groups[i], "environment", NULL);
        testCase *self = g_new0(testCase, 1);

        self->name = g_strdup(groups[i]);
        self->daemon = testKey(file, groups[i], "daemon", "absent");
        self->uri = testKey(file, groups[i], "uri", "file");
        self->run = g_strsplit(run, ";", -1);
        self->environment = environment ? g_strsplit(environment, " ", -1) : NULL;
        g_test_add_data_func_full(path, self, testRun, testCaseFree);
    }
    g_test_add_data_func("/tools/manual", argv[4], testManual);
    status = g_test_run();
    mockDaemonStop(mock);
    g_test_dbus_stop(busWithMock);
    g_test_dbus_stop(busAlone);
    g_object_unref(busWithMock);
    g_object_unref(busAlone);
    return status;
}
