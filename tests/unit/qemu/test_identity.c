/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_identity.c: pid files, status XML and /proc as fixtures.
 */
#include "../../../src/qemu/pvperf_identity.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "test_util.h"

#define UUID "c7a5fdbd-cdaf-9455-926a-d65c16db1809"
#define STATUS(pid) \
    "<domstatus state='running' reason='booted' pid='" pid "'>\n" \
    "  <taint flag='custom-device'/>\n" \
    "  <domain type='kvm' id='1'><name>vm</name><uuid>" UUID "</uuid></domain>\n" \
    "</domstatus>\n"

/* A directory with vm.pid and vm.xml, and what is found for process 4242. */
static const struct {
    const char *name;
    const char *pid;            /* NULL: no such file */
    const char *xml;
    mode_t mode;
    bool found;
} domainCases[] = {
    { "both files name it", "4242\n", STATUS("4242"), 0600, true },
    { "upper case uuid is told in lower case", "4242",
      "<domstatus pid='4242'><domain><uuid>C7A5FDBD-CDAF-9455-926A-D65C16DB1809</uuid></domain></domstatus>",
      0600, true },
    { "no pid file", NULL, STATUS("4242"), 0600, false },
    { "no status", "4242\n", NULL, 0600, false },
    { "pid file of another process", "4243\n", STATUS("4242"), 0600, false },
    { "status of another process", "4242\n", STATUS("4243"), 0600, false },
    { "pid with something behind it", "4242x\n", STATUS("4242"), 0600, false },
    { "negative pid", "-4242\n", STATUS("4242"), 0600, false },
    { "empty pid file", "", STATUS("4242"), 0600, false },
    { "not a status", "4242\n", "<domain><uuid>" UUID "</uuid></domain>", 0600, false },
    { "not XML", "4242\n", "<domstatus pid='4242'>", 0600, false },
    { "no uuid", "4242\n", "<domstatus pid='4242'><domain/></domstatus>", 0600, false },
    { "no domain", "4242\n", "<domstatus pid='4242'/>", 0600, false },
    { "a uuid that is none", "4242\n",
      "<domstatus pid='4242'><domain><uuid>../../etc</uuid></domain></domstatus>", 0600, false },
    { "others may write the files", "4242\n", STATUS("4242"), 0666, false },
};


static void
testDomain(gconstpointer opaque)
{
    const typeof(domainCases[0]) *c = opaque;
    char *dir = testDirNew();
    g_autofree char *pidfile = g_build_filename(dir, "vm.pid", NULL);
    g_autofree char *status = g_build_filename(dir, "vm.xml", NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *uuid = NULL;

    if (c->pid) {
        testFile(dir, "vm.pid", c->pid);
        g_assert_cmpint(chmod(pidfile, c->mode), ==, 0);
    }
    if (c->xml) {
        testFile(dir, "vm.xml", c->xml);
        g_assert_cmpint(chmod(status, c->mode), ==, 0);
    }
    uuid = pvperfIdentityFindDomain(dir, geteuid(), 4242, &error);
    if (c->found) {
        g_assert_no_error(error);
        g_assert_cmpstr(uuid, ==, UUID);
    } else {
        g_assert_null(uuid);
        g_assert_nonnull(error);
    }
    testDirRemove(dir);
}


static void
testDomainOwner(void)
{
    char *dir = testDirNew();
    g_autofree char *uuid = NULL;

    testFile(dir, "vm.pid", "4242\n");
    testFile(dir, "vm.xml", STATUS("4242"));
    uuid = pvperfIdentityFindDomain(dir, geteuid() + 1, 4242, NULL);
    g_assert_null(uuid);
    testDirRemove(dir);
}


static void
testDomainSymlink(void)
{
    char *dir = testDirNew();
    g_autofree char *link = g_build_filename(dir, "vm.pid", NULL);
    g_autofree char *uuid = NULL;

    testFile(dir, "elsewhere", "4242\n");
    testFile(dir, "vm.xml", STATUS("4242"));
    g_assert_cmpint(symlink("elsewhere", link), ==, 0);
    uuid = pvperfIdentityFindDomain(dir, geteuid(), 4242, NULL);
    g_assert_null(uuid);
    testDirRemove(dir);
}


static void
testDomainMany(void)
{
    char *dir = testDirNew();
    g_autoptr(GError) error = NULL;
    g_autofree char *uuid = NULL;
    g_autofree char *none = NULL;

    testFile(dir, "a.pid", "1\n");
    testFile(dir, "a.xml", "<domstatus pid='1'/>");
    testFile(dir, "with space.pid", "4242\n");
    testFile(dir, "with space.xml", STATUS("4242"));
    testFile(dir, "driver.pid", "77\n");
    uuid = pvperfIdentityFindDomain(dir, geteuid(), 4242, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(uuid, ==, UUID);
    none = pvperfIdentityFindDomain(dir, geteuid(), 77, &error);
    g_assert_null(none);
    g_assert_nonnull(strstr(error->message, "process 77 is no domain of libvirt"));
    testDirRemove(dir);
}


/* Two QEMUs, each with a window of its own: neither passes for the other, nor does
 * a process that has none, whatever it calls itself. */
static void
testWindow(void)
{
    int mine = memfd_create("pvperf", MFD_CLOEXEC);
    int other;
    pid_t qemu = testSleeper();
    char *proc = testDirNew();

    other = memfd_create("pvperf", MFD_CLOEXEC);
    g_assert_true(pvperfIdentityHolds("/proc", qemu, mine));
    g_assert_false(pvperfIdentityHolds("/proc", qemu, other));
    g_assert_true(pvperfIdentityHolds("/proc", getpid(), other));
    g_assert_false(pvperfIdentityHolds("/proc", qemu, -1));
    g_assert_false(pvperfIdentityHolds(proc, qemu, mine));

    testFile(proc, "7/fdinfo/3", "pos:\t0\nflags:\t02\n");
    testFile(proc, "7/fdinfo/4", "");
    g_assert_false(pvperfIdentityHolds(proc, 7, mine));
    kill(qemu, SIGKILL);
    waitpid(qemu, NULL, 0);
    g_assert_false(pvperfIdentityHolds("/proc", qemu, mine));
    close(mine);
    close(other);
    testDirRemove(proc);
}


static const struct {
    const char *comm;
    int vcpu;
} commCases[] = {
    { "CPU 0/KVM", 0 },
    { "CPU 0/TCG", 0 },
    { "CPU 255/KVM", 255 },
    { "CPU 1023/TCG", 1023 },
    { "ALL CPUs/TCG", -1 },
    { "CPU /KVM", -1 },
    { "CPU x/KVM", -1 },
    { "CPU -1/KVM", -1 },
    { "CPU +1/KVM", -1 },
    { "CPU  1/KVM", -1 },
    { "CPU 0", -1 },
    { "CPU 0/", -1 },
    { "CPU 0/KVMX", -1 },
    { "CPU 0/HVF", -1 },
    { "CPU 99999999999/K", -1 },
    { "qemu-system-x86", -1 },
    { "IO mon_iothread", -1 },
    { "", -1 },
};


static void
testComm(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(commCases); i++) {
        g_test_message("comm '%s'", commCases[i].comm);
        g_assert_cmpint(pvperfIdentityParseComm(commCases[i].comm), ==, commCases[i].vcpu);
    }
}


static void
testThreads(void)
{
    char *proc = testDirNew();

    testFile(proc, "100/task/100/comm", "qemu-system-x86\n");
    testFile(proc, "100/task/101/comm", "CPU 0/KVM\n");
    testFile(proc, "100/task/103/comm", "CPU 1/KVM\n");
    testFile(proc, "100/task/junk/comm", "CPU 2/KVM\n");
    g_assert_cmpint(pvperfIdentityFindVcpu(proc, 100, 0), ==, 101);
    g_assert_cmpint(pvperfIdentityFindVcpu(proc, 100, 1), ==, 103);
    g_assert_cmpint(pvperfIdentityFindVcpu(proc, 100, 2), ==, 0);
    g_assert_cmpint(pvperfIdentityFindVcpu(proc, 101, 0), ==, 0);
    g_assert_true(pvperfIdentityIsVcpu(proc, 100, 103, 1));
    g_assert_false(pvperfIdentityIsVcpu(proc, 100, 103, 0));
    g_assert_false(pvperfIdentityIsVcpu(proc, 100, 104, 1));
    testDirRemove(proc);
}


static void
testStartTime(void)
{
    char *proc = testDirNew();

    testFile(proc, "7/stat", "7 (a) b ) R) S 1 7 7 0 -1 4194560 100 0 0 0 1 2 3 4 20 0 1 0 987654 1 2\n");
    testFile(proc, "8/stat", "8 (short) S 1\n");
    testFile(proc, "9/stat", "");
    g_assert_cmpuint(pvperfIdentityStartTime(proc, 7), ==, 987654);
    g_assert_cmpuint(pvperfIdentityStartTime(proc, 8), ==, 0);
    g_assert_cmpuint(pvperfIdentityStartTime(proc, 9), ==, 0);
    g_assert_cmpuint(pvperfIdentityStartTime(proc, 10), ==, 0);
    g_assert_cmpuint(pvperfIdentityStartTime("/proc", getpid()), !=, 0);
    testDirRemove(proc);
}


static void
testAlive(void)
{
    pid_t pid = testSleeper();
    int pidfd = syscall(SYS_pidfd_open, pid, 0);

    g_assert_cmpint(pidfd, >=, 0);
    g_assert_true(pvperfIdentityAlive(pidfd));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    g_assert_false(pvperfIdentityAlive(pidfd));
    close(pidfd);
}


int
main(int argc,
     char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(domainCases); i++) {
        g_autofree char *path = g_strconcat("/identity/domain/", domainCases[i].name, NULL);

        g_test_add_data_func(path, &domainCases[i], testDomain);
    }
    g_test_add_func("/identity/domain/files of another user", testDomainOwner);
    g_test_add_func("/identity/domain/symbolic link", testDomainSymlink);
    g_test_add_func("/identity/domain/many", testDomainMany);
    g_test_add_func("/identity/comm", testComm);
    g_test_add_func("/identity/window", testWindow);
    g_test_add_func("/identity/threads", testThreads);
    g_test_add_func("/identity/start time", testStartTime);
    g_test_add_func("/identity/alive", testAlive);
    return g_test_run();
}
