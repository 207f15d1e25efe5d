/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench.c: what carries frames, requests and answers from one part to the next.
 *
 * The backend's requests are answered by the daemon's broker in the same
 * process; the vCPU's thread is one of this process, too.
 */
#include <err.h>
#include <linux/perf_event.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "pvperf_broker.h"
#include "qemu/pvperf_broker.h"

hwBench hw;

static uint64_t
hwBenchNow(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ULL + now.tv_nsec;
}


static int
hwBenchAsk(void *opaque,
           const pvperfControlOpen *request)
{
    (void)opaque;
    hw.asked = *request;
    hw.asks = true;
    return 0;
}


static bool
hwBenchTell(void *opaque,
            const pvperfControlRefused *refused)
{
    (void)opaque;
    (void)refused;
    return true;
}


void
hwBenchInit(void)
{
    const char *why = NULL;
    pvperfWindow *window;
    uint32_t n;

    fakeGuestInit(&hw.guest, 1);
    window = pvperfWindowMap(hw.guest.window_fd, hw.guest.size, 1, &why);
    if (!window)
        err(99, "window: %s", why);
    if (pvperfServeInit(&hw.backend, window, &pvperfHostperfReal, (1U << PVPERF_NR_CLASSES) - 1, &hw.stats) < 0)
        errx(99, "backend");
    hw.backend.ask = hwBenchAsk;
    hw.backend.tell = hwBenchTell;
    hw.irq_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) + 1;
    hw.pidfd = syscall(SYS_pidfd_open, getpid(), 0);
    if (hw.irq_fd == 0 || hw.pidfd < 0)
        err(99, "eventfd, pidfd");
    hw.backend.table.sampling.irq_fds = &hw.irq_fd;

    pvperfPolicyInitDefault(&hw.policy, 1);
    hw.policy.classes = (1U << PVPERF_NR_CLASSES) - 1 - (1U << PVPERF_CLASS_RAW);
    hw.policy.requests_sec = 0;
    hw.policy.min_period = 1000;
    hw.policy.total_samples_sec = 0;
    hw.policy.total_samples_sec_max = 0;
    hwBenchPolicy();
    hw.guest.session = 0xfee1;
    pvperfServeSession(&hw.backend, hw.guest.session);

    n = fakeGuestPut(&hw.guest, 1, (struct pvperf_frame) {
        .nr = PVPERF_HELLO,
        .a0 = PVPERF_VERSION_MAJOR << 16 | PVPERF_VERSION_MINOR,
        .a1 = 1U << PVPERF_F_SAMPLING,
    });
    fakeGuestPublish(&hw.guest, 1);
    hwBenchServe();
    if (!fakeGuestDone(&hw.guest, 1, n) || fakeGuestResult(&hw.guest, 1, n).ret != 0)
        errx(99, "HELLO failed");
}


void
hwBenchFree(void)
{
    pvperfWindow *window = hw.backend.window;

    pvperfServeSession(&hw.backend, 0);
    while (pvperfTableReap(&hw.backend.table))
        ;
    pvperfServeFree(&hw.backend);
    pvperfWindowUnmap(window);
    fakeGuestFree(&hw.guest);
    close(hw.irq_fd - 1);
    close(hw.pidfd);
}


void
hwBenchPolicy(void)
{
    if (!pvperfServePolicy(&hw.backend, &hw.policy))
        errx(99, "policy");
}


static void
hwBenchBroker(void)
{
    static pid_t tid;           /* where the vCPU was found */
    const pvperfBrokerTarget target = {
        .proc = "/proc",
        .pid = getpid(),
        .pidfd = hw.pidfd,
        .nr_vcpus = 1,
        .tids = &tid,
        .policy = &hw.policy,
        .open = pvperfBrokerPerfEventOpen,
    };
    pvperfControlOpened answer = {
        .h = {
            .size = sizeof(answer),
            .version = PVPERF_CONTROL_VERSION,
            .type = PVPERF_CONTROL_OPENED,
            .cookie = hw.asked.h.cookie,
        },
    };
    int fds[PVPERF_BROKER_FDS];

    pvperfBrokerOpen(&target, &hw.asked, &answer, fds);
    pvperfBrokerAnswer(&hw.backend, &answer, fds, answer.count);
}


void
hwBenchServe(void)
{
    do {
        if (hw.asks) {
            hw.asks = false;
            hwBenchBroker();
        }
    } while (pvperfServePass(&hw.backend, hwBenchNow()) || hw.asks);
}


static struct pvperf_result
hwBenchFrame(uint32_t area,
             struct pvperf_frame frame)
{
    uint32_t n = fakeGuestPut(&hw.guest, area, frame);

    fakeGuestPublish(&hw.guest, area);
    hwBenchServe();
    if (!fakeGuestDone(&hw.guest, area, n))
        errx(99, "a frame is not answered");
    return fakeGuestResult(&hw.guest, area, n);
}


struct pvperf_result
hwBenchOpen(int32_t id,
            int32_t leader,
            const struct guest_perf_attr *attr)
{
    const fakeOpen open = {
        .id = id,
        .row = id,
        .sibling = leader >= 0,
        .leader = leader,
        .attr = *attr,
    };

    return hwBenchFrame(fakeGuestControl(&hw.guest), fakeFrameOpen(&hw.guest, &open));
}


void
hwBenchOpenEvent(int32_t id,
                 int32_t leader,
                 uint64_t config,
                 uint64_t flags,
                 uint64_t period)
{
    const struct guest_perf_attr attr = {
        .type = PERF_TYPE_HARDWARE,
        .config = config,
        .flags = flags,
        .sample_period = period,
    };
    struct pvperf_result result = hwBenchOpen(id, leader, &attr);

    if (result.ret != 0)
        errx(99, "event %d, config %llu, cannot be opened: %d, %s", id, (unsigned long long)config,
             result.ret, pvperfReasonText(result.reason));
}


void
hwBenchCall(uint32_t op,
            int32_t id)
{
    uint32_t area = op == CLOSE ? fakeGuestControl(&hw.guest) : 0;
    struct pvperf_result result = hwBenchFrame(area, fakeFrame(op, id));

    if (result.ret != 0)
        errx(99, "op %u of event %d: %d, %s", op, id, result.ret, pvperfReasonText(result.reason));
}


int
hwBenchFd(int32_t id)
{
    const pvperfEvent *event = pvperfTableFind(&hw.backend.table, id);
    const pvperfCell *cell = event ? pvperfTableCell(&hw.backend.table, event, 0) : NULL;

    return cell ? cell->fd - 1 : -1;
}
