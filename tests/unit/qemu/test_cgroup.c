/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_cgroup.c: trees of files as the kernel shows them, and the machine's own
 * hierarchies where they have the controller cpu and may be written.
 */
#include "../../../src/qemu/pvperf_cgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gio/gio.h>
#include <glib/gstdio.h>

#include "test_util.h"

#define QEMU 4242
#define V1(point, controllers) "31 30 0:28 / @/" point " rw,relatime shared:9 - cgroup cgroup rw," controllers "\n"
#define V2(root, point) "40 30 0:37 " root " @/" point " rw - cgroup2 cgroup2 rw,nsdelegate\n"
#define VM "/machine/qemu-1-guest.libvirt-qemu"
#define SCOPE "/machine.slice/machine-qemu\\x2d1\\x2dguest.scope"

/* PROC/4242/cgroup, PROC/self/mountinfo (@: the tree), a directory that there
 * is, and where the backend's group will be, or what the error says. */
static const struct {
    const char *name;
    const char *groups;
    const char *mounts;
    const char *dir;
    const char *own;            /* NULL: none */
    const char *error;
} findCases[] = {
    { "v1", "2:memory:" VM "\n1:cpu:" VM "/emulator\n0::/\n", V1("cpu", "cpu"), "cpu" VM, "cpu" VM "/pvperf", NULL },
    { "v1, two controllers in one", "1:cpu,cpuacct:" VM "/emulator\n", V1("both", "cpu,cpuacct"), "both" VM,
      "both" VM "/pvperf", NULL },
    { "v1, a vCPU's thread", "1:cpu:" VM "/vcpu12\n", V1("cpu", "cpu"), "cpu" VM, "cpu" VM "/pvperf", NULL },
    { "v1, no group of threads", "1:cpu:" VM "\n", V1("cpu", "cpu"), "cpu" VM, "cpu" VM "/pvperf", NULL },
    { "v1, cpuset is another controller", "1:cpuset:" VM "\n", V1("cpuset", "cpuset"), "cpuset" VM, NULL,
      "no control group with the controller cpu" },
    { "systemd", "1:cpu:" SCOPE "/libvirt/emulator\n", V1("cpu", "cpu"), "cpu" SCOPE "/libvirt",
      "cpu" SCOPE "/libvirt/pvperf", NULL },
    { "systemd, older libvirt", "1:cpu:" SCOPE "/emulator\n", V1("cpu", "cpu"), "cpu" SCOPE,
      "cpu" SCOPE "/pvperf", NULL },
    { "another partition", "1:cpu:/gold.partition/qemu-7-a.b.libvirt-qemu/emulator\n", V1("cpu", "cpu"),
      "cpu/gold.partition/qemu-7-a.b.libvirt-qemu", "cpu/gold.partition/qemu-7-a.b.libvirt-qemu/pvperf", NULL },
    { "v2", "0::" SCOPE "/libvirt/emulator\n", V2("/", "unified"), "unified" SCOPE "/libvirt",
      "unified" SCOPE "/libvirt/pvperf", NULL },
    { "a mount of a part", "0::/box" VM "/emulator\n", V2("/box", "unified"), "unified" VM,
      "unified" VM "/pvperf", NULL },
    { "a mount of a part with a blank", "0::/a box" VM "\n", V2("/a\\040box", "unified"), "unified" VM,
      "unified" VM "/pvperf", NULL },
    { "a mount of another part", "0::/boxes" VM "\n", V2("/box", "unified"), "unified" VM, NULL, "not mounted here" },
    { "the last mount counts", "0::" VM "\n", V2("/", "old") V2("/", "new"), "new" VM, "new" VM "/pvperf", NULL },
    { "a mount that is covered", "0::" VM "\n", V2("/", "old") V2("/", "new"), "old" VM, "old" VM "/pvperf", NULL },
    { "nothing mounted", "0::" VM "\n", "", "x", NULL, "not mounted here" },
    { "QEMU in the root group", "1:cpu:/\n0::/\n", V1("cpu", "cpu"), "cpu", NULL, "not one that libvirt makes" },
    { "QEMU in a service", "1:cpu:/system.slice/libvirtd.service\n", V1("cpu", "cpu"),
      "cpu/system.slice/libvirtd.service", NULL, "not one that libvirt makes" },
    { "only the last part counts", "0::" VM "/more\n", V2("/", "u"), "u" VM "/more", NULL,
      "not one that libvirt makes" },
    { "libvirt's inner group of no VM", "0::/user.slice/libvirt/emulator\n", V2("/", "u"), "u/user.slice/libvirt", NULL,
      "not one that libvirt makes" },
    { "a machine of another kind", "0::/machine.slice/machine-lxc\\x2d1\\x2da.scope\n", V2("/", "u"),
      "u/machine.slice", NULL, "not one that libvirt makes" },
    { "outside of our namespace", "0::/../x" VM "\n", V2("/", "u"), "x" VM, NULL, "not one that libvirt makes" },
    { "removed", "0::" VM " (deleted)\n", V2("/", "u"), "u" VM, NULL, "not one that libvirt makes" },
    { "nonsense", "cpu\n\n::\n", "- -\n - \nx - y\n", "u", NULL, "no control group" },
    { "no such process", NULL, "", "u", NULL, "4242" },
};


/* A tree with PROC in it. */
static char *
testTree(const char *groups,
         const char *mounts)
{
    char *dir = testDirNew();
    g_auto(GStrv) parts = g_strsplit(mounts, "@", -1);
    g_autofree char *text = g_strjoinv(dir, parts);

    testFile(dir, "proc/self/mountinfo", text);
    if (groups)
        testFile(dir, "proc/4242/cgroup", groups);
    return dir;
}


static pvperfCgroup *
testFindIn(const char *dir,
           GError **error)
{
    g_autofree char *proc = g_build_filename(dir, "proc", NULL);

    return pvperfCgroupFind(proc, QEMU, error);
}


static void
testFind(gconstpointer opaque)
{
    const typeof(findCases[0]) *c = opaque;
    char *dir = testTree(c->groups, c->mounts);
    g_autofree char *controllers = g_build_filename(c->dir, "cgroup.controllers", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(pvperfCgroup) group = NULL;

    testFile(dir, controllers, "cpuset cpu io\n");
    group = testFindIn(dir, &error);
    if (c->own) {
        g_autofree char *own = g_build_filename(dir, c->own, NULL);

        g_assert_no_error(error);
        g_assert_cmpstr(pvperfCgroupPath(group), ==, own);
        /* looked at, not made */
        g_assert_false(g_file_test(own, G_FILE_TEST_EXISTS));
    } else {
        g_assert_null(group);
        g_assert_nonnull(error);
        g_assert_nonnull(strstr(error->message, c->error));
    }
    testDirRemove(dir);
}


static void
testFindWithoutController(void)
{
    char *dir = testTree("0::" VM "\n", V2("/", "u"));
    g_autoptr(GError) error = NULL;

    testFile(dir, "u" VM "/cgroup.controllers", "cpuset memory\n");
    g_assert_null(testFindIn(dir, &error));
    g_assert_nonnull(strstr(error->message, "does not have the controller cpu"));
    testDirRemove(dir);
}


static void
testSays(const char *dir,
         const char *file,
         const char *wanted)
{
    g_autofree char *path = g_build_filename(dir, file, NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(g_strchomp(text), ==, wanted);
}


/* What is there already is not written again. */
static void
testUntouched(const pvperfCgroup *group,
              const char *file,
              uint64_t period,
              uint64_t quota)
{
    g_autofree char *path = g_build_filename(pvperfCgroupPath(group), file, NULL);
    const struct timespec long_ago[2] = { { 1, 0 }, { 1, 0 } };
    struct stat st;

    g_assert_cmpint(utimensat(AT_FDCWD, path, long_ago, 0), ==, 0);
    g_assert_true(pvperfCgroupLimit(group, period, quota, NULL));
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_mtime, ==, 1);
}


static void
testV2(void)
{
    char *dir = testTree("0::" SCOPE "/libvirt/emulator\n", V2("/", "u"));
    g_autofree char *own = g_build_filename(dir, "u" SCOPE "/libvirt/pvperf", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(pvperfCgroup) group = NULL;

    testFile(dir, "u" SCOPE "/libvirt/cgroup.controllers", "cpuset cpu memory\n");
    testFile(dir, "u" SCOPE "/libvirt/cgroup.subtree_control", "cpuset\n");
    testFile(own, "cgroup.type", "domain invalid\n");
    testFile(own, "cgroup.procs", "");
    testFile(own, "cpu.max", "max 100000\n");
    group = testFindIn(dir, &error);
    g_assert_no_error(error);
    g_assert_true(pvperfCgroupJoin(group, 77, &error));
    testSays(own, "cgroup.type", "threaded");
    testSays(own, "../cgroup.subtree_control", "+cpu");
    testSays(own, "cgroup.procs", "77");

    g_assert_true(pvperfCgroupLimit(group, 5000, 1250, &error));
    testSays(own, "cpu.max", "1250 5000");
    testUntouched(group, "cpu.max", 5000, 1250);
    g_assert_true(pvperfCgroupLimit(group, 5000, 0, &error));
    testSays(own, "cpu.max", "max 5000");
    g_assert_true(pvperfCgroupLimit(group, 0, 0, &error));
    testSays(own, "cpu.max", "max");
    testDirRemove(dir);
}


/* A tree in which nothing can be written is said, with the file. */
static void
testCannot(void)
{
    char *dir = testTree("1:cpu:" VM "/emulator\n", V1("cpu", "cpu"));
    g_autoptr(GError) error = NULL;
    g_autoptr(pvperfCgroup) group = NULL;

    testFile(dir, "cpu" VM "/x", "");
    group = testFindIn(dir, NULL);
    g_assert_nonnull(group);
    g_assert_false(pvperfCgroupJoin(group, 77, &error));
    g_assert_nonnull(strstr(error->message, "/pvperf/cgroup.procs"));
    g_clear_error(&error);
    g_assert_false(pvperfCgroupLimit(group, 5000, 1250, &error));
    g_assert_nonnull(strstr(error->message, "/pvperf/cpu.cfs_"));
    pvperfCgroupRemove(group, false);
    g_assert_false(g_file_test(pvperfCgroupPath(group), G_FILE_TEST_EXISTS));
    testDirRemove(dir);
}


/* libvirt's removal stopped half way: everything of this VM goes, and nothing
 * that is not empty or not its. */
static void
testRemove(void)
{
    static const char *const groups[] = { "emulator", "vcpu0", "vcpu11", "iothread1", "pvperf" };
    char *dir = testTree("1:cpu:" SCOPE "/libvirt/emulator\n", V1("cpu", "cpu"));
    g_autofree char *scope = g_build_filename(dir, "cpu" SCOPE, NULL);
    g_autofree char *slice = g_path_get_dirname(scope);
    g_autofree char *vm = g_build_filename(scope, "libvirt", NULL);
    g_autofree char *foreign = g_build_filename(vm, "foreign", NULL);
    g_autoptr(pvperfCgroup) group = NULL;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(groups); i++) {
        g_autofree char *path = g_build_filename(vm, groups[i], NULL);

        g_assert_cmpint(g_mkdir_with_parents(path, 0755), ==, 0);
    }
    g_assert_cmpint(g_mkdir(foreign, 0755), ==, 0);
    group = testFindIn(dir, NULL);

    pvperfCgroupRemove(group, false);
    g_assert_false(g_file_test(pvperfCgroupPath(group), G_FILE_TEST_EXISTS));
    testFile(vm, "emulator/busy", "");
    pvperfCgroupRemove(group, true);
    testSays(vm, "emulator/busy", "");
    g_assert_true(g_file_test(foreign, G_FILE_TEST_EXISTS));

    g_assert_cmpint(g_rmdir(foreign), ==, 0);
    {
        g_autofree char *busy = g_build_filename(vm, "emulator/busy", NULL);

        g_assert_cmpint(g_remove(busy), ==, 0);
    }
    pvperfCgroupRemove(group, true);
    g_assert_false(g_file_test(scope, G_FILE_TEST_EXISTS));
    g_assert_true(g_file_test(slice, G_FILE_TEST_EXISTS));
    testDirRemove(dir);
}


/* ---- the kernel's own ---- */

/* The hierarchies that a machine may have, and where. */
static const struct {
    const char *name;
    const char *points[2];
    const char *file;           /* says "cpu" where version 2 hands the controller down */
} kernelCases[] = {
    { "v1", { "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct" }, NULL },
    { "v2", { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" }, "cgroup.subtree_control" },
};


static const char *
testHierarchy(const typeof(kernelCases[0]) *c)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(c->points); i++) {
        g_autofree char *procs = g_build_filename(c->points[i], "cgroup.procs", NULL);
        g_autofree char *file = g_build_filename(c->points[i], c->file, NULL);
        g_autofree char *text = NULL;

        if (access(procs, W_OK) == 0 &&
            (!c->file || (g_file_get_contents(file, &text, NULL, NULL) && strstr(text, "cpu"))))
            return c->points[i];
    }
    return NULL;
}


static void
testPut(const char *dir,
        const char *file,
        pid_t pid)
{
    g_autofree char *number = g_strdup_printf("%d", pid);

    testFile(dir, file, number);
}


/* QEMU where libvirt would have it. */
static void
testLikeLibvirt(const char *vm,
                bool unified,
                pid_t qemu)
{
    g_autofree char *emulator = g_build_filename(vm, "emulator", NULL);

    testPut(vm, "cgroup.procs", qemu);
    g_assert_cmpint(g_mkdir(emulator, 0755), ==, 0);
    if (unified)
        testFile(emulator, "cgroup.type", "threaded");
    testPut(emulator, unified ? "cgroup.threads" : "tasks", qemu);
}


static void
testIsIn(const pvperfCgroup *group,
         pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/cgroup", pid);
    g_autofree char *name = g_path_get_dirname(pvperfCgroupPath(group));
    g_autofree char *wanted = g_strconcat(strrchr(name, '/'), "/pvperf\n", NULL);
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_nonnull(strstr(text, wanted));
}


static void
testKernelQuotaV1(const pvperfCgroup *group,
                  const char *vm)
{
    const char *own = pvperfCgroupPath(group);
    g_autoptr(GError) error = NULL;

    g_assert_true(pvperfCgroupLimit(group, 5000, 1250, &error));
    g_assert_no_error(error);
    testSays(own, "cpu.cfs_period_us", "5000");
    testSays(own, "cpu.cfs_quota_us", "1250");
    /* either order of two plain writes would be refused for one of these */
    g_assert_true(pvperfCgroupLimit(group, 1000000, 200000, &error));
    g_assert_true(pvperfCgroupLimit(group, 1000, 1000, &error));
    testSays(own, "cpu.cfs_period_us", "1000");
    g_assert_true(pvperfCgroupLimit(group, 1000, 17592186044415, &error));
    g_assert_no_error(error);
    g_assert_true(pvperfCgroupLimit(group, 5000, 0, &error));
    testSays(own, "cpu.cfs_quota_us", "-1");

    testFile(vm, "cpu.cfs_quota_us", "50000");
    g_assert_false(pvperfCgroupLimit(group, 5000, 4000, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
    testSays(own, "cpu.cfs_quota_us", "-1");
    g_clear_error(&error);
    g_assert_true(pvperfCgroupLimit(group, 5000, 2000, &error));
    testSays(own, "cpu.cfs_quota_us", "2000");
}


static void
testKernelQuotaV2(const pvperfCgroup *group,
                  const char *vm)
{
    const char *own = pvperfCgroupPath(group);
    g_autoptr(GError) error = NULL;

    g_assert_true(pvperfCgroupLimit(group, 5000, 1250, &error));
    g_assert_no_error(error);
    testSays(own, "cpu.max", "1250 5000");
    g_assert_true(pvperfCgroupLimit(group, 1000, 17592186044415, &error));
    g_assert_no_error(error);
    testFile(vm, "cpu.max", "50000 100000");
    g_assert_true(pvperfCgroupLimit(group, 5000, 4000, &error));
    testSays(own, "cpu.max", "4000 5000");
    g_assert_true(pvperfCgroupLimit(group, 5000, 0, &error));
    testSays(own, "cpu.max", "max 5000");
    g_assert_true(pvperfCgroupLimit(group, 5000, 2000, &error));
    g_assert_true(pvperfCgroupLimit(group, 0, 0, &error));
    g_assert_no_error(error);
    testSays(own, "cpu.max", "max 5000");
}


static void
testEnd(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}


static void
testKernel(gconstpointer opaque)
{
    const typeof(kernelCases[0]) *c = opaque;
    const char *root = testHierarchy(c);
    g_autofree char *name = g_strdup_printf("pvperf-test-%d.libvirt-qemu", getpid());
    g_autofree char *vm = root ? g_build_filename(root, name, NULL) : NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(pvperfCgroup) group = NULL;
    pid_t qemu, backend;

    if (!root || g_mkdir(vm, 0755) < 0) {
        g_test_skip("no hierarchy of this version with the controller cpu that may be written");
        return;
    }
    qemu = testSleeper();
    backend = testSleeper();
    testLikeLibvirt(vm, c->file, qemu);

    group = pvperfCgroupFind("/proc", qemu, &error);
    g_assert_no_error(error);
    g_assert_true(pvperfCgroupJoin(group, backend, &error));
    g_assert_no_error(error);
    testIsIn(group, backend);
    /* a daemon that adopts does it again */
    g_assert_true(pvperfCgroupJoin(group, backend, &error));
    (c->file ? testKernelQuotaV2 : testKernelQuotaV1)(group, vm);

    pvperfCgroupRemove(group, true);
    g_assert_true(g_file_test(pvperfCgroupPath(group), G_FILE_TEST_EXISTS));
    testEnd(backend);
    pvperfCgroupRemove(group, true);
    g_assert_false(g_file_test(pvperfCgroupPath(group), G_FILE_TEST_EXISTS));
    g_assert_true(g_file_test(vm, G_FILE_TEST_EXISTS));
    testEnd(qemu);
    pvperfCgroupRemove(group, true);
    g_assert_false(g_file_test(vm, G_FILE_TEST_EXISTS));
}


int
main(int argc,
     char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(findCases); i++) {
        g_autofree char *path = g_strdup_printf("/cgroup/find/%s", findCases[i].name);

        g_test_add_data_func(path, &findCases[i], testFind);
    }
    g_test_add_func("/cgroup/find/without the controller", testFindWithoutController);
    g_test_add_func("/cgroup/v2", testV2);
    g_test_add_func("/cgroup/cannot", testCannot);
    g_test_add_func("/cgroup/remove", testRemove);
    for (i = 0; i < G_N_ELEMENTS(kernelCases); i++) {
        g_autofree char *path = g_strdup_printf("/cgroup/kernel/%s", kernelCases[i].name);

        g_test_add_data_func(path, &kernelCases[i], testKernel);
    }
    return g_test_run();
}
