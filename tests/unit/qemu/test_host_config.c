/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_host_config.c: virtpvperfd.conf, policies and groups, read and read again.
 */
#include "../../../src/qemu/pvperf_host_config.h"

#include <string.h>
#include <unistd.h>

#include "test_util.h"

/* Texts that are wrong, and what is said of them behind the path. */
static const struct {
    const char *text;
    const char *error;
} wrong[] = {
    { "manage_device = \"auto\"\n", "the key 'manage_device' is not known; allowed: manage_devices, " },
    { "manage_devices = auto\n", "manage_devices = auto: allowed: \"manual\" and \"auto\"" },
    { "manage_devices = \"never\"\n", "manage_devices = \"never\": allowed: \"manual\" and \"auto\"" },
    { "backend_seccomp = \"trap\"\n", "backend_seccomp = \"trap\": allowed: \"kill\", \"log\" and \"none\"" },
    { "backend_user = nobody\n", "backend_user = nobody: allowed: a name in quotes" },
    { "read_access = 1\n", "read_access = 1: allowed: \"bus\" and \"polkit\"" },
    { "default_policy = \"\"\n", "default_policy = \"\": allowed: a name in quotes" },
    { "default_policy = \"gold\"\n", "default_policy = \"gold\": there is no such policy; allowed: none" },
    { "default_classes = \"ipc\"\n", "default_classes = \"ipc\": allowed: a list such as " },
    { "default_classes = [ \"icp\" ]\n", "default_classes = [ \"icp\" ]: allowed: a list such as " },
    { "default_classes = [ \"raw\" ]\n", "default_classes = [ \"raw\" ]: allowed: a list such as " },
    { "default_per_vcpu = 0\n", "default_per_vcpu = 0: allowed: 1 to 128" },
    { "default_per_vcpu = 129\n", "default_per_vcpu = 129: allowed: 1 to 128" },
    { "default_per_vcpu = \"4\"\n", "default_per_vcpu = \"4\": allowed: 1 to 128" },
    { "default_per_vcpu = -1\n", "default_per_vcpu = -1: allowed: 1 to 128" },
    { "default_cpu_period = 999\n", "default_cpu_period = 999: allowed: 1000 to 1000000" },
    { "ceiling_max = 20000\n", "ceiling_max = 20000: allowed: 1 to 16384" },
    { "ceiling_requests_sec = 99999999999999999999\n",
      "ceiling_requests_sec = 99999999999999999999: allowed: 0 (no limit), or 1 to 1000000000" },
    { "ceiling_memory = 63\n", "ceiling_memory = 63: allowed: 0 (no limit), or 64 to 4294967296" },
    { "[limits]\nmax = 1\n", "the section [limits] is not known; allowed: lines KEY = VALUE without sections" },
    { "max 5\n", "Key file contains line “max 5” which is not a key-value pair, group, or comment" },
};


static pvperfHostConfig *
testLoad(const char *dir,
         const pvperfHostConfig *old,
         GError **error)
{
    g_autofree char *path = g_build_filename(dir, "virtpvperfd.conf", NULL);

    return pvperfHostConfigLoad(path, false, old, error);
}


static void
testWrong(void)
{
    char *dir = testDirNew();

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *expected = g_strdup_printf("%s/virtpvperfd.conf: %s", dir, wrong[i].error);

        testFile(dir, "virtpvperfd.conf", wrong[i].text);
        g_assert_null(testLoad(dir, NULL, &error));
        if (!g_str_has_prefix(error->message, expected))
            g_error("'%s', expected '%s...'", error->message, expected);
    }
    testDirRemove(dir);
}


static void
testAbsent(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(pvperfHostConfig) config = pvperfHostConfigLoad("/nowhere/x.conf", false, NULL, &error);

    g_assert_no_error(error);
    g_assert_true(config->manage_devices);
    g_assert_cmpint(config->read_access, ==, PVPERF_ACCESS_BUS);
    g_assert_null(pvperfHostConfigLoad("/nowhere/x.conf", true, NULL, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
}


/* The file that is installed says what holds without it, but for the policy,
 * of which there is none. */
static void
testExample(void)
{
    g_autofree char *text = NULL;
    g_autoptr(GRegex) commented = g_regex_new("^#([a-z_]+ = )", G_REGEX_MULTILINE, 0, NULL);
    g_autofree char *active = NULL;
    char *user;
    g_autoptr(GError) error = NULL;
    g_autoptr(pvperfHostConfig) config = NULL;
    g_autoptr(pvperfHostPolicy) builtin = pvperfHostPolicyNew();
    char *dir = testDirNew();

    g_assert_true(g_file_get_contents(g_getenv("PVPERF_EXAMPLE"), &text, NULL, NULL));
    active = g_regex_replace(commented, text, -1, 0, "\\1", 0, NULL);
    g_assert_nonnull(strstr(active, "\nceiling_memory = 0\n"));
    /* this host need not have it */
    user = strstr(active, "\nbackend_user = \"pvperf\"\n");
    g_assert_nonnull(user);
    memcpy(strchr(user, '"') + 1, "nobody", strlen("nobody"));
    testFile(dir, "virtpvperfd.conf", active);
    testFile(dir, "pvperf/policies/gold.xml", "<pvperf/>");
    config = testLoad(dir, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(&config->policy->defaults, sizeof(builtin->defaults),
                    &builtin->defaults, sizeof(builtin->defaults));
    g_assert_cmpmem(&config->policy->ceiling, sizeof(builtin->ceiling),
                    &builtin->ceiling, sizeof(builtin->ceiling));
    g_assert_true(config->manage_devices);
    g_assert_cmpint(config->read_access, ==, PVPERF_ACCESS_BUS);
    g_assert_cmpuint(config->ceiling_memory, ==, 0);
    g_assert_cmpint(config->backend_seccomp, ==, PVPERF_BACKEND_SECCOMP_KILL);
    g_assert_cmpstr(config->policy->default_policy, ==, "gold");
    testDirRemove(dir);
}


static void
testValues(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(pvperfHostConfig) config = NULL;
    char *dir = testDirNew();

    testFile(dir, "virtpvperfd.conf",
             "manage_devices = \"manual\"\nread_access=\"polkit\"\n"
             "default_classes = [ \"vcpu\", \"ipc\" ]   \ndefault_per_vcpu = 3\ndefault_samples_sec = 0\n"
             "ceiling_max = 7\nceiling_total_samples_sec = 9\nceiling_memory = 64\n"
             "backend_seccomp = \"none\"\nbackend_user = \"nobody\"\n");
    config = testLoad(dir, NULL, &error);
    g_assert_no_error(error);
    g_assert_false(config->manage_devices);
    g_assert_cmpint(config->read_access, ==, PVPERF_ACCESS_POLKIT);
    g_assert_cmpuint(config->policy->defaults.classes, ==, 1U << PVPERF_CLASS_VCPU | 1U << PVPERF_CLASS_IPC);
    g_assert_cmpuint(config->policy->defaults.per_vcpu, ==, 3);
    g_assert_cmpuint(config->policy->defaults.samples_sec, ==, 0);
    g_assert_cmpuint(config->policy->ceiling.max, ==, 7);
    g_assert_cmpuint(config->policy->ceiling.total_samples_sec, ==, 9);
    g_assert_cmpuint(config->ceiling_memory, ==, 64);
    g_assert_cmpint(config->backend_seccomp, ==, PVPERF_BACKEND_SECCOMP_NONE);
    g_assert_cmpstr(config->backend_user, ==, "nobody");
    testDirRemove(dir);
}


/* Another user is root's to choose; a session's backends stay with theirs. */
static void
testUser(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(pvperfHostConfig) config = NULL;
    char *dir = testDirNew();

    testFile(dir, "virtpvperfd.conf", "backend_user = \"no such user\"\n");
    config = testLoad(dir, NULL, &error);
    if (geteuid() == 0) {
        g_assert_null(config);
        g_assert_nonnull(strstr(error->message, "virtpvperfd.conf: backend_user = \"no such user\": allowed: the name "
                                "of a user of this host"));
    } else {
        g_assert_false(config->user.change);
    }
    g_clear_error(&error);
    g_clear_pointer(&config, pvperfHostConfigFree);

    testFile(dir, "virtpvperfd.conf", "");
    config = testLoad(dir, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(config->user.change, ==, geteuid() == 0);
    if (config->user.change)
        g_assert_cmpstr(config->user.name, ==, config->user.shared ? "nobody" : "pvperf");
    testDirRemove(dir);
}


/* A policy that was right and is wrong now stays as it was; one that was never
 * right is not there, and a group likewise. */
static void
testAgain(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(pvperfHostConfig) first = NULL;
    g_autoptr(pvperfHostConfig) second = NULL;
    const pvperfDomainDef *gold;
    char *dir = testDirNew();

    testFile(dir, "pvperf/policies/gold.xml", "<pvperf><events max='5'/></pvperf>");
    testFile(dir, "pvperf/policies/.hidden.xml", "<pvperf/>");
    testFile(dir, "pvperf/policies/README", "no policy");
    testFile(dir, "pvperf/groups/tenant.xml", "<pvperf><events max='6'/></pvperf>");
    first = testLoad(dir, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(g_hash_table_size(first->policy->named[PVPERF_HOST_POLICY]), ==, 1);
    g_assert_cmpuint(g_hash_table_size(first->policy->named[PVPERF_HOST_GROUP]), ==, 1);

    testFile(dir, "pvperf/policies/gold.xml", "<pvperf><events max='0'/></pvperf>");
    testFile(dir, "pvperf/policies/tin.xml", "<pvperf");
    testFile(dir, "pvperf/groups/tenant.xml", "<pvperf><events max='8'/></pvperf>");
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "policy '*");
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "policy '*");
    second = testLoad(dir, first, &error);
    g_test_assert_expected_messages();
    g_assert_no_error(error);
    gold = g_hash_table_lookup(second->policy->named[PVPERF_HOST_POLICY], "gold");
    g_assert_cmpuint(gold->max.value, ==, 5);
    g_assert_true(g_str_has_prefix(g_hash_table_lookup(second->policy->broken[PVPERF_HOST_POLICY], "gold"),
                                   "line 1: <events>: max='0' is refused"));
    g_assert_null(g_hash_table_lookup(second->policy->named[PVPERF_HOST_POLICY], "tin"));
    g_assert_nonnull(g_hash_table_lookup(second->policy->broken[PVPERF_HOST_POLICY], "tin"));
    gold = g_hash_table_lookup(second->policy->named[PVPERF_HOST_GROUP], "tenant");
    g_assert_cmpuint(gold->max.value, ==, 8);
    testDirRemove(dir);
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/host-config/wrong", testWrong);
    g_test_add_func("/host-config/absent", testAbsent);
    g_test_add_func("/host-config/example", testExample);
    g_test_add_func("/host-config/values", testValues);
    g_test_add_func("/host-config/user", testUser);
    g_test_add_func("/host-config/again", testAgain);
    return g_test_run();
}
