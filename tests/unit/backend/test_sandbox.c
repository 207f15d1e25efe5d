/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_sandbox.c: what a backend that was taken over can reach.
 *
 * A child goes through the stages of pvperf_backend.c and then tries one thing.
 * With seccomp the try kills it; without, the walls behind have to hold. The
 * real backend is looked at from outside. Some walls need privilege to build:
 * what cannot be had here is skipped, with the reason.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pvperf_isolate.h"
#include "pvperf_ring.h"

#define TEST_UID 65533
#define TEST_RINGS 40           /* more than a user has beside RLIMIT_MEMLOCK */

static pid_t parent;

/* ---- tries: 0, or the errno ---- */

static int
tried(long ret)
{
    return ret < 0 ? errno : 0;
}


static int
openFile(void)
{
    return tried(open("/etc/passwd", O_RDONLY));
}


static int
openProc(void)
{
    return tried(open("/proc/self/maps", O_RDONLY));
}


static int
makeFile(void)
{
    return tried(open("/file", O_CREAT | O_WRONLY, 0600));
}


static int
makeSocket(void)
{
    return tried(socket(AF_INET, SOCK_DGRAM, 0));
}


/* The parent listens there; names of this kind belong to a network namespace. */
static struct sockaddr_un
abstractAddress(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "pvperf-test-%d", parent);
    return address;
}


static int
connectAbstract(void)
{
    struct sockaddr_un address = abstractAddress();
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    return fd < 0 ? errno : tried(connect(fd, (struct sockaddr *)&address, sizeof(address)));
}


static int
openPerf(void)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof(attr),
        .config = PERF_COUNT_SW_TASK_CLOCK,
    };

    return tried(syscall(SYS_perf_event_open, &attr, parent, -1, -1, 0));
}


static int
execute(void)
{
    char *argv[] = { (char *)"/bin/true", NULL };

    return tried(execv(argv[0], argv));
}


static int
makeProcess(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return tried(pid);
}


static int
killParent(void)
{
    return tried(kill(parent, 0));
}


static int
killParentsThread(void)
{
    return tried(syscall(SYS_tgkill, parent, parent, 0));
}


static int
traceParent(void)
{
    return tried(ptrace(PTRACE_ATTACH, parent, NULL, NULL));
}


static int
readParentsMemory(void)
{
    char byte;
    struct iovec here = { .iov_base = &byte, .iov_len = 1 };
    struct iovec there = { .iov_base = (void *)&parent, .iov_len = 1 };

    return tried(syscall(SYS_process_vm_readv, parent, &here, 1UL, &there, 1UL, 0UL));
}


static int
mapCode(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
}


static int
makeCode(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return tried(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}


static int
becomeRoot(void)
{
    return tried(setresuid(0, 0, 0));
}


static int
mountSomething(void)
{
    return tried(mount("none", "/", "tmpfs", 0, NULL));
}


static int
makeNamespace(void)
{
    return tried(unshare(CLONE_NEWNET));
}


static int
raiseLimit(void)
{
    const struct rlimit core = { RLIM_INFINITY, RLIM_INFINITY };

    return tried(setrlimit(RLIMIT_CORE, &core));
}


static int
askTerminal(void)
{
    char size[64];

    return tried(ioctl(0, TIOCGWINSZ, size));
}


/* An ioctl of perf that is not on the list: a filter of the tracing kind, or a program of BPF's. */
static int
setFilter(void)
{
    return tried(ioctl(0, PERF_EVENT_IOC_SET_FILTER, ""));
}


static int
setFlags(void)
{
    return tried(fcntl(0, F_SETFL, 0));
}


static int
makeMemfd(void)
{
    return tried(memfd_create("x", 0));
}


static int
loadProgram(void)
{
    return tried(syscall(SYS_bpf, 0, NULL, 0));
}


static int
makeRing(void)
{
    return tried(syscall(SYS_io_uring_setup, 1, NULL));
}


static int
takeFd(void)
{
    return tried(syscall(SYS_pidfd_getfd, 0, 0, 0));
}


/* A mistake found by the C library: it has to be told from a call not allowed. */
static int
endAsBroken(void)
{
    abort();
}


typedef struct _testTry testTry;
struct _testTry {
    const char *name;
    int (*function)(void);
    int error;                  /* without seccomp; 0: not tried, nothing else stands in the way */
    bool other_user;            /* ... if the user is another one */
};

static const testTry tries[] = {
    { "open a file", openFile, ENOENT, false },
    { "open of proc", openProc, ENOENT, false },
    { "make a file", makeFile, EROFS, false },
    { "socket", makeSocket, 0, false },
    { "connect abstract", connectAbstract, ECONNREFUSED, false },
    { "perf_event_open", openPerf, EACCES, true },
    { "execve", execute, ENOENT, false },
    { "fork", makeProcess, EAGAIN, true },
    { "kill", killParent, EPERM, true },
    { "tgkill", killParentsThread, EPERM, true },
    { "ptrace", traceParent, EPERM, true },
    { "process_vm_readv", readParentsMemory, EPERM, true },
    { "mmap as code", mapCode, 0, false },
    { "mprotect as code", makeCode, 0, false },
    { "setresuid", becomeRoot, EPERM, true },
    { "mount", mountSomething, EPERM, false },
    { "unshare", makeNamespace, EPERM, false },
    { "setrlimit", raiseLimit, EPERM, false },
    { "ioctl of a terminal", askTerminal, 0, false },
    { "ioctl of perf's filters", setFilter, 0, false },
    { "fcntl F_SETFL", setFlags, 0, false },
    { "memfd_create", makeMemfd, 0, false },
    { "bpf", loadProgram, 0, false },
    { "io_uring_setup", makeRing, 0, false },
    { "pidfd_getfd", takeFd, 0, false },
};

/* ---- children ---- */

static bool
isolate(pvperfSeccompAction action)
{
    bool root = getuid() == 0;

    return pvperfIsolateNamespaces(-1, !root) &&
           pvperfIsolateFds(STDERR_FILENO + 1) &&
           pvperfIsolateLimits(0) &&
           pvperfIsolateUser(root ? TEST_UID : PVPERF_KEEP_USER, TEST_UID) &&
           pvperfIsolateMemory() &&
           pvperfIsolateSystemCalls(action);
}


/* wait status of a child that tries it in the sandbox */
static int
inSandbox(int (*function)(void),
          pvperfSeccompAction action)
{
    int status = 0;
    pid_t pid = fork();

    g_assert_cmpint(pid, >=, 0);
    if (pid == 0)
        _exit(isolate(action) ? function() : 255);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    return status;
}


static bool
canUnshare(void)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        _exit(unshare(CLONE_NEWNS | (getuid() ? CLONE_NEWUSER : 0)) < 0);
    waitpid(pid, &status, 0);
    return status == 0;
}


static void
testKilled(gconstpointer opaque)
{
    const testTry *try = opaque;
    int status = inSandbox(try->function, PVPERF_SECCOMP_KILL);

    g_assert_true(WIFSIGNALED(status));
    g_assert_cmpint(WTERMSIG(status), ==, SIGSYS);
}


static void
testBehind(gconstpointer opaque)
{
    const testTry *try = opaque;
    int status;

    if (!canUnshare() || (try->other_user && getuid() != 0)) {
        g_test_skip("this user may not make namespaces or change the user here");
        return;
    }
    status = inSandbox(try->function, PVPERF_SECCOMP_NONE);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, try->error);
}


static void
testLogged(void)
{
    int status = inSandbox(makeMemfd, PVPERF_SECCOMP_LOG);

    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 0);
}


static void
testBroken(void)
{
    int status;

#ifdef __SANITIZE_ADDRESS__
    g_test_skip("the sanitizer's abort() is another one");
    return;
#endif
    status = inSandbox(endAsBroken, PVPERF_SECCOMP_KILL);
    g_assert_true(WIFSIGNALED(status));
    g_assert_cmpint(WTERMSIG(status), ==, SIGABRT);
}


/* ---- rings of another user's ---- */

static int
openDummy(void)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof(attr),
        .config = PERF_COUNT_SW_DUMMY,
        .disabled = 1,
    };

    return syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}


/* The fds were opened by somebody else, and so are enabled, read and mapped. */
static int
useRings(const int *fds)
{
    uint64_t count;
    int i;

    for (i = 0; i < TEST_RINGS; i++) {
        if (ioctl(fds[i], PERF_EVENT_IOC_ENABLE, 0) < 0 || read(fds[i], &count, sizeof(count)) < 0 ||
            mmap(NULL, PVPERF_RING_MAPPED, PROT_READ | PROT_WRITE, MAP_SHARED, fds[i], 0) == MAP_FAILED)
            return errno;
    }
    return 0;
}


/* It says how it went and lives on with its rings, until the pipe closes. */
static pid_t
forkWithRings(const int *fds,
              int tell,
              int stay)
{
    pid_t pid = fork();
    char result;

    if (pid == 0) {
        result = pvperfIsolateLimits(TEST_RINGS * PVPERF_RING_MAPPED) &&
            pvperfIsolateUser(TEST_UID, TEST_UID) ? useRings(fds) : -1;
        if (write(tell, &result, 1) != 1 || read(stay, &result, 1) != 0)
            _exit(1);
        _exit(0);
    }
    return pid;
}


/* A user has kernel.perf_event_mlock_kb for each CPU, all its processes together;
 * what is beyond is each process's own. */
static void
testRings(void)
{
    int fds[2 * TEST_RINGS];
    int tell[2];
    int stay[2];
    pid_t pids[2];
    char result;
    int status;
    int i;

    if (getuid() != 0) {
        g_test_skip("only root can change the user");
        return;
    }
    for (i = 0; i < 2 * TEST_RINGS; i++) {
        fds[i] = openDummy();
        g_assert_cmpint(fds[i], >=, 0);
    }
    g_assert_cmpint(pipe2(tell, O_CLOEXEC), ==, 0);
    g_assert_cmpint(pipe2(stay, O_CLOEXEC), ==, 0);
    for (i = 0; i < 2; i++) {
        pids[i] = forkWithRings(fds + i * TEST_RINGS, tell[1], stay[0]);
        g_assert_cmpint(pids[i], >, 0);
    }
    close(stay[0]);
    for (i = 0; i < 2; i++) {
        g_assert_cmpint(read(tell[0], &result, 1), ==, 1);
        g_assert_cmpint(result, ==, 0);
    }
    for (i = 0; i < 2; i++)
        kill(pids[i], SIGKILL);
    close(stay[1]);
    for (i = 0; i < 2; i++)
        g_assert_cmpint(waitpid(pids[i], &status, 0), ==, pids[i]);
    close(tell[0]);
    close(tell[1]);
    for (i = 0; i < 2 * TEST_RINGS; i++)
        close(fds[i]);
}


static void
addTries(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(tries); i++) {
        g_autofree char *killed = g_strdup_printf("/sandbox/killed/%s", tries[i].name);
        g_autofree char *behind = g_strdup_printf("/sandbox/behind/%s", tries[i].name);

        g_test_add_data_func(killed, &tries[i], testKilled);
        if (tries[i].error)
            g_test_add_data_func(behind, &tries[i], testBehind);
    }
}


int
main(int argc,
     char **argv)
{
    struct sockaddr_un address;
    int listener;

    g_test_init(&argc, &argv, NULL);
    parent = getpid();
    address = abstractAddress();
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, 1) < 0)
        return 99;

    addTries();
    g_test_add_func("/sandbox/logged", testLogged);
    g_test_add_func("/sandbox/broken", testBroken);
    g_test_add_func("/sandbox/rings", testRings);
    return g_test_run();
}
