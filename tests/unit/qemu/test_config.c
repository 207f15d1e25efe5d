/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_config.c: command lines and what becomes of them.
 */
#include "../../../src/qemu/pvperf_config.h"

#include <sys/stat.h>

#include "test_util.h"

#define RUNTIME "/tmp/runtime"
#define DATA "/tmp/data"

static const struct {
    const char *args;           /* separated by spaces */
    const char *uri;
    bool session;
    const char *run_dir;
    const char *state_dir;
    const char *qemu_run_dir;
    bool manual;
} cases[] = {
    { "", "qemu:///system", false, "/run/libvirt/pvperf", "/var/lib/libvirt/pvperf",
      "/run/libvirt/qemu", false },
    { "--uri qemu:///session", "qemu:///session", true, RUNTIME "/libvirt/pvperf",
      DATA "/libvirt/pvperf", RUNTIME "/libvirt/qemu/run", false },
    { "--uri qemu+unix:///session?socket=/x", "qemu+unix:///session?socket=/x", true,
      RUNTIME "/libvirt/pvperf", DATA "/libvirt/pvperf", RUNTIME "/libvirt/qemu/run", false },
    { "--uri test:///default", "test:///default", false, "/run/libvirt/pvperf",
      "/var/lib/libvirt/pvperf", "/run/libvirt/qemu", false },
    { "--uri test:///sessions", "test:///sessions", false, "/run/libvirt/pvperf",
      "/var/lib/libvirt/pvperf", "/run/libvirt/qemu", false },
    { "--run-dir /r", "qemu:///system", false, "/r", "/r/state", "/run/libvirt/qemu", false },
    { "--run-dir /r --state-dir /s --qemu-run-dir /q", "qemu:///system", false, "/r", "/s", "/q", false },
    { "--manage-devices manual", "qemu:///system", false, "/run/libvirt/pvperf",
      "/var/lib/libvirt/pvperf", "/run/libvirt/qemu", true },
    { "--manage-devices=auto", "qemu:///system", false, "/run/libvirt/pvperf",
      "/var/lib/libvirt/pvperf", "/run/libvirt/qemu", false },
};

static const struct {
    const char *args;
    const char *error;
} wrong[] = {
    { "extra", "unexpected argument 'extra': there are only options" },
    { "--manage-devices=never", "--manage-devices is 'never', allowed are 'auto' and 'manual'" },
    { "--frob", "Unknown option --frob" },
    { "--uri", "Missing argument for --uri" },
};


static pvperfConfig *
testParse(const char *args,
          GError **error)
{
    g_autofree char *line = g_strconcat("virtpvperfd ", args, NULL);
    g_auto(GStrv) words = g_strsplit(g_strchomp(line), " ", -1);
    /* GOption takes words out of the array: free a copy's */
    g_autofree char **argv = g_memdup2(words, (g_strv_length(words) + 1) * sizeof(char *));

    return pvperfConfigNew(g_strv_length(words), argv, error);
}


static void
testCases(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(pvperfConfig) config = testParse(cases[i].args, &error);
        g_autofree char *ivshmem = g_strconcat(cases[i].run_dir, "/ivshmem.sock", NULL);
        g_autofree char *keeper = g_strconcat(cases[i].run_dir, "/keeper.sock", NULL);
        g_autofree char *backend = g_strconcat(cases[i].run_dir, "/backend", NULL);

        g_test_message("'%s'", cases[i].args);
        g_assert_no_error(error);
        g_assert_cmpstr(config->uri, ==, cases[i].uri);
        g_assert_cmpint(config->session, ==, cases[i].session);
        g_assert_cmpstr(config->run_dir, ==, cases[i].run_dir);
        g_assert_cmpstr(config->state_dir, ==, cases[i].state_dir);
        g_assert_cmpstr(config->qemu_run_dir, ==, cases[i].qemu_run_dir);
        g_assert_cmpint(config->manual, ==, cases[i].manual);
        g_assert_cmpstr(config->ivshmem_socket, ==, ivshmem);
        g_assert_cmpstr(config->keeper_socket, ==, keeper);
        g_assert_cmpstr(config->backend_dir, ==, backend);
    }
}


static void
testWrong(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(pvperfConfig) config = testParse(wrong[i].args, &error);

        g_assert_null(config);
        g_assert_cmpstr(error->message, ==, wrong[i].error);
    }
}


static void
testDirs(void)
{
    char *dir = testDirNew();
    g_autofree char *args = g_strdup_printf("--run-dir %s/run", dir);
    g_autoptr(GError) error = NULL;
    g_autoptr(pvperfConfig) config = testParse(args, &error);
    struct stat st;

    g_assert_no_error(error);
    g_assert_true(pvperfConfigPrepareDirs(config, &error));
    g_assert_true(pvperfConfigPrepareDirs(config, &error));
    g_assert_cmpint(stat(config->backend_dir, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 0777, ==, 0700);
    g_assert_cmpint(stat(config->state_dir, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 0777, ==, 0700);
    testDirRemove(dir);
}


static void
testDirsImpossible(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(pvperfConfig) config = testParse("--run-dir /dev/null/x", &error);

    g_assert_false(pvperfConfigPrepareDirs(config, &error));
    g_assert_cmpstr(error->message, ==,
                    "cannot make the directory /dev/null/x: Not a directory");
}


int
main(int argc,
     char **argv)
{
    g_setenv("XDG_RUNTIME_DIR", RUNTIME, TRUE);
    g_setenv("XDG_DATA_HOME", DATA, TRUE);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/config/good", testCases);
    g_test_add_func("/config/wrong", testWrong);
    g_test_add_func("/config/dirs", testDirs);
    g_test_add_func("/config/dirs impossible", testDirsImpossible);
    return g_test_run();
}
