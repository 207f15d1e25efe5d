/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake_vm.c: spawns the backend and plays QEMU and daemon.
 */
#include <err.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fake_vm.h"
#include "pvperf_limits.h"

#define FAKE_CONTROL_FD 10
#define FAKE_PATIENCE_NS 2000000000ULL

static uint64_t
fakeVmNow(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}


static struct sockaddr_un
fakeVmAddress(const fakeVm *vm)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/control", vm->path);
    return address;
}


static pid_t
fakeVmForkQemu(void)
{
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid < 0)
        err(99, "fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (getppid() == parent)
            pause();
        _exit(0);
    }
    return pid;
}


/* As the daemon does. The address space of a sanitized program is larger than any machine's. */
static void
fakeVmLimit(uint32_t nr_vcpus)
{
    const struct rlimit memory = { pvperfLimitsMemory(nr_vcpus), pvperfLimitsMemory(nr_vcpus) };
    uint64_t wanted = pvperfLimitsFds(nr_vcpus, PVPERF_MAX_IDS);
    struct rlimit fds;

    getrlimit(RLIMIT_NOFILE, &fds);
    if (wanted < fds.rlim_max)
        fds.rlim_max = wanted;
    fds.rlim_cur = fds.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &fds) < 0 ||
        (!getenv("PVPERF_SANITIZED") && setrlimit(RLIMIT_AS, &memory) < 0))
        err(99, "setrlimit");
}


static pid_t
fakeVmForkBackend(const char *backend,
                  uint32_t nr_vcpus,
                  int listen_fd)
{
    pid_t pid = fork();

    if (pid < 0)
        err(99, "fork");
    if (pid == 0) {
        const char *seccomp = getenv("PVPERF_SECCOMP");
        char number[16];

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        fakeVmLimit(nr_vcpus);
        snprintf(number, sizeof(number), "%d", FAKE_CONTROL_FD);
        dup2(listen_fd, FAKE_CONTROL_FD);
        execl(backend, backend, "--control-fd", number,
              "--seccomp", seccomp ? seccomp : "action=kill", NULL);
        err(99, "%s", backend);
    }
    return pid;
}


void
fakeVmSpawn(fakeVm *vm,
            const char *backend,
            uint32_t nr_vcpus)
{
    struct sockaddr_un address;
    char path[] = "/tmp/pvperf-test-XXXXXX";
    int listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    memset(vm, 0, sizeof(*vm));
    vm->control = -1;
    vm->tid = gettid();
    if (!mkdtemp(path))
        err(99, "%s", path);
    vm->path = strdup(path);
    address = fakeVmAddress(vm);
    if (listen_fd < 0 || bind(listen_fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(listen_fd, 4) < 0)
        err(99, "%s", address.sun_path);

    fakeGuestInit(&vm->guest, nr_vcpus);
    vm->qemu = fakeVmForkQemu();
    vm->qemu_fd = syscall(SYS_pidfd_open, vm->qemu, 0);
    if (vm->qemu_fd < 0)
        err(99, "pidfd_open");
    vm->backend = fakeVmForkBackend(backend, nr_vcpus, listen_fd);
    close(listen_fd);

    pvperfPolicyInitDefault(&vm->policy, nr_vcpus);
    fakeVmConnect(vm);
}


void
fakeVmStart(fakeVm *vm,
            const char *backend,
            uint32_t nr_vcpus)
{
    fakeVmSpawn(vm, backend, nr_vcpus);
    fakeVmSetup(vm);
    fakeVmSendPolicy(vm);
    fakeVmSendSession(vm, 0x5e55101);
}


int
fakeVmWaitBackend(fakeVm *vm)
{
    uint64_t until = fakeVmNow() + FAKE_PATIENCE_NS;
    int status = -1;

    while (waitpid(vm->backend, &status, WNOHANG) == 0) {
        if (fakeVmNow() > until) {
            kill(vm->backend, SIGKILL);
            waitpid(vm->backend, &status, 0);
            status = -1;
            break;
        }
        usleep(1000);
    }
    vm->backend = -1;
    return status;
}


int
fakeVmStop(fakeVm *vm)
{
    struct sockaddr_un address = fakeVmAddress(vm);
    int status = 0;

    if (vm->qemu > 0) {
        kill(vm->qemu, SIGKILL);
        waitpid(vm->qemu, NULL, 0);
    }
    if (vm->backend > 0)
        status = fakeVmWaitBackend(vm);
    fakeVmDisconnect(vm);
    close(vm->qemu_fd);
    fakeGuestFree(&vm->guest);
    unlink(address.sun_path);
    rmdir(vm->path);
    free(vm->path);
    return status;
}


void
fakeVmConnect(fakeVm *vm)
{
    struct sockaddr_un address = fakeVmAddress(vm);
    uint8_t packet[PVPERF_CONTROL_MAX];
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        err(99, "%s", address.sun_path);
    fakeVmDisconnect(vm);
    vm->control = fd;
    if (!fakeVmServe(vm, FAKE_PATIENCE_NS / 1000000, packet) ||
        ((pvperfControlHeader *)packet)->type != PVPERF_CONTROL_HELLO)
        errx(99, "the backend does not say HELLO first");
    memcpy(&vm->hello, packet, sizeof(vm->hello));
}


void
fakeVmDisconnect(fakeVm *vm)
{
    if (vm->control >= 0)
        close(vm->control);
    vm->control = -1;
}


void
fakeVmSend(fakeVm *vm,
           pvperfControlHeader *message,
           uint32_t size,
           const int *fds,
           uint32_t nfds)
{
    char control[CMSG_SPACE(PVPERF_CONTROL_FDS_MAX * sizeof(int))] = { 0 };
    struct iovec iov = { .iov_base = message, .iov_len = size };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct cmsghdr *cmsg;

    if (message->size == 0)
        message->size = size;
    if (message->version == 0)
        message->version = PVPERF_CONTROL_VERSION;
    if (nfds) {
        msg.msg_control = control;
        msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
        cmsg = CMSG_FIRSTHDR(&msg);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(nfds * sizeof(int));
        memcpy(CMSG_DATA(cmsg), fds, nfds * sizeof(int));
    }
    if (sendmsg(vm->control, &msg, MSG_NOSIGNAL) < 0 && errno != EPIPE)
        err(99, "control socket");
}


void
fakeVmSetup(fakeVm *vm)
{
    pvperfControlSetup setup = {
        .h.type = PVPERF_CONTROL_SETUP,
        .window_size = vm->guest.size,
        .nr_vcpus = vm->guest.nr_vcpus,
        .classes_available = 1U << PVPERF_CLASS_VCPU,
    };
    int fds[] = { vm->guest.window_fd, vm->guest.doorbell_fd, vm->qemu_fd };

    fakeVmSend(vm, &setup.h, sizeof(setup), fds, 3);
}


void
fakeVmSendPolicy(fakeVm *vm)
{
    pvperfControlPolicy message = {
        .h.type = PVPERF_CONTROL_POLICY,
        .policy = vm->policy,
    };

    fakeVmSend(vm, &message.h, sizeof(message), NULL, 0);
}


void
fakeVmSendSession(fakeVm *vm,
                  uint64_t session)
{
    pvperfControlSession message = {
        .h.type = PVPERF_CONTROL_SESSION,
        .session = session,
    };
    uint64_t until = fakeVmNow() + FAKE_PATIENCE_NS;

    fakeVmSend(vm, &message.h, sizeof(message), NULL, 0);
    while (__atomic_load_n(&fakeGuestHeader(&vm->guest)->session.session,
                           __ATOMIC_ACQUIRE) != session) {
        if (fakeVmNow() > until)
            errx(99, "the backend does not take the session");
    }
    vm->guest.session = session;
}


/* ---- The broker ------------------------------------------------------------ */

static pid_t
fakeVmThread(const fakeVm *vm,
             uint32_t vcpu)
{
    return vm->tids ? vm->tids[vcpu] : vm->tid;
}


static int
fakeVmPerfOpen(pid_t tid,
               const pvperfControlEvent *wanted,
               bool leads,
               int group_fd)
{
    const pvperfEventInfo *info = pvperfEventGet(wanted->event);
    struct perf_event_attr attr = {
        .type = info->host_type,
        .size = sizeof(attr),
        .config = info->host_config,
        .disabled = leads,
        .read_format = PERF_FORMAT_GROUP | PERF_FORMAT_TOTAL_TIME_ENABLED |
            PERF_FORMAT_TOTAL_TIME_RUNNING,
        .sample_period = wanted->sample_period,
        .freq = wanted->freq,
    };

    if (wanted->sample_period) {
        attr.disabled = 1;
        attr.wakeup_events = 1;
        attr.sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_PERIOD |
            (info->clock ? PERF_SAMPLE_READ : 0);
    }

    return syscall(SYS_perf_event_open, &attr, tid, -1, group_fd, PERF_FLAG_FD_CLOEXEC);
}


static void
fakeVmAnswerOpen(fakeVm *vm,
                 const pvperfControlOpen *request)
{
    pvperfControlOpened answer = {
        .h.type = PVPERF_CONTROL_OPENED,
        .h.cookie = request->h.cookie,
        .count = request->count,
    };
    struct perf_event_attr ring = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof(ring),
        .config = PERF_COUNT_SW_DUMMY,
        .disabled = 1,
    };
    const pid_t tid = fakeVmThread(vm, request->vcpu);
    int fds[PVPERF_MAX_GROUP + 1];
    uint32_t nfds = 0;

    vm->requests++;
    if (vm->broker == FAKE_BROKER_SILENT)
        return;
    if (vm->broker == FAKE_BROKER_REFUSES) {
        answer.ret = -EACCES;
        answer.reason = PVPERF_REASON_HOST_RIGHTS;
    }
    while (answer.ret == 0 && nfds < request->count) {
        fds[nfds] = fakeVmPerfOpen(tid, &request->events[nfds], nfds == 0,
                                   nfds ? fds[0] : -1);
        if (fds[nfds] < 0) {
            answer.ret = -errno;
            answer.reason = PVPERF_REASON_HOST;
            answer.failed = nfds;
        } else {
            nfds++;
        }
    }
    if (answer.ret == 0 && request->ring) {
        fds[nfds++] = syscall(SYS_perf_event_open, &ring, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
        answer.count++;
    }
    if (answer.ret < 0)
        answer.count = 0;
    fakeVmSend(vm, &answer.h, sizeof(answer), fds, answer.count);
    while (nfds)
        close(fds[--nfds]);
}


bool
fakeVmServe(fakeVm *vm,
            int timeout_ms,
            void *packet)
{
    struct pollfd pfd = { .fd = vm->control, .events = POLLIN };
    pvperfControlOpen request;
    union {
        pvperfControlHeader h;
        uint8_t bytes[PVPERF_CONTROL_MAX];
    } received;
    ssize_t got;

    if (vm->control < 0 || (timeout_ms && poll(&pfd, 1, timeout_ms) <= 0))
        return false;
    got = recv(vm->control, &received, sizeof(received), MSG_DONTWAIT);
    if (got < (ssize_t)sizeof(received.h))
        return false;
    if (received.h.size != got || received.h.version != PVPERF_CONTROL_VERSION)
        errx(99, "a packet of %zd bytes, type %u, says %u bytes", got,
             received.h.type, received.h.size);
    if (received.h.type != PVPERF_CONTROL_OPEN) {
        if (packet)
            memcpy(packet, &received, got);
        return true;
    }
    memcpy(&request, &received, sizeof(request));
    fakeVmAnswerOpen(vm, &request);
    return false;
}


bool
fakeVmExpect(fakeVm *vm,
             pvperfControlType type,
             void *packet)
{
    uint64_t until = fakeVmNow() + FAKE_PATIENCE_NS;

    while (fakeVmNow() < until) {
        if (fakeVmServe(vm, 10, packet) && ((pvperfControlHeader *)packet)->type == type)
            return true;
    }
    return false;
}


bool
fakeVmStats(fakeVm *vm,
            pvperfControlStats *stats)
{
    pvperfControlHeader request = { .type = PVPERF_CONTROL_GET_STATS, .cookie = 77 };
    uint8_t packet[PVPERF_CONTROL_MAX];

    fakeVmSend(vm, &request, sizeof(request), NULL, 0);
    if (!fakeVmExpect(vm, PVPERF_CONTROL_STATS, packet))
        return false;
    memcpy(stats, packet, sizeof(*stats));
    return stats->h.cookie == 77;
}


/* ---- The guest -------------------------------------------------------------- */

struct pvperf_result
fakeVmWait(fakeVm *vm,
           uint32_t area,
           uint32_t n)
{
    uint64_t until = fakeVmNow() + FAKE_PATIENCE_NS;

    while (!fakeGuestDone(&vm->guest, area, n)) {
        fakeVmServe(vm, 0, NULL);
        if (fakeVmNow() > until)
            return (struct pvperf_result) { .ret = -ETIMEDOUT };
    }
    return fakeGuestResult(&vm->guest, area, n);
}


struct pvperf_result
fakeVmCall(fakeVm *vm,
           uint32_t area,
           uint32_t op,
           uint64_t id)
{
    uint32_t n = fakeGuestPut(&vm->guest, area, fakeFrame(op, id));

    fakeGuestPublish(&vm->guest, area);
    return fakeVmWait(vm, area, n);
}


struct pvperf_result
fakeVmOpen(fakeVm *vm,
           const fakeOpen *open)
{
    uint32_t area = fakeGuestControl(&vm->guest);
    uint32_t n = fakeGuestPut(&vm->guest, area, fakeFrameOpen(&vm->guest, open));

    fakeGuestPublish(&vm->guest, area);
    return fakeVmWait(vm, area, n);
}
