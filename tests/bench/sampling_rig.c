/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sampling_rig.c: vCPU, handler, broker, and the bare run's thread.
 *
 * Between runs the vCPU rests, so that nothing overflows and the handler waits:
 * the caller sets up and looks at what belongs to them then. What the handler
 * was not told by a vector until then it is never told.
 *
 * The vCPU reads its own event, which takes no interrupt and is short enough to
 * tell which count belongs to which time. Its CPU clock would not do: that leaves
 * out stolen time, the event does not.
 */
#include <err.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "pvperf_ring.h"
#include "pvperf_sched.h"
#include "bench_util.h"
#include "sampling_rig.h"

#define RIG_NOTE_NS 1000000ULL
#define RIG_NOTE_WIDTH_NS 2000ULL       /* one that took longer says too little */
#define RIG_NOTE_TRIES 16
#define RIG_SETTLE_US 300000            /* an NMI that is taken for lost comes again before */
#define RIG_PAGE 4096
#define RIG_EVENT 1                     /* id and row */

samplingRig rig;

static int eventFd = -1;                /* what counts the vCPU now */
static pvperfRing ring;                 /* where its records are, as far as the handler read them */
static int irq;

static uint64_t
rigClock(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * RIG_NS_PER_SEC + ts.tv_nsec;
}


static void
rigStartThread(pthread_t *thread,
               void *(*body)(void *))
{
    if (pthread_create(thread, NULL, body, NULL) != 0)
        errx(99, "pthread_create");
}


/* ---- The vCPU ------------------------------------------------------------------- */

static bool burning;
static sem_t vcpuStarts;
static sem_t vcpuRests;

static uint64_t
rigReadEvent(void)
{
    uint64_t values[8];                 /* number of members, two times, count */

    if (read(eventFd, values, sizeof(values)) < 0)
        err(99, "event");
    return values[3];
}


static void
rigTakeNote(void)
{
    uint32_t tries;

    for (tries = 0; tries < RIG_NOTE_TRIES && rig.nnotes < RIG_NOTES; tries++) {
        uint64_t before = benchNow();
        uint64_t count = rigReadEvent();
        uint64_t after = benchNow();

        if (after - before > RIG_NOTE_WIDTH_NS)
            continue;
        rig.notes[rig.nnotes++] = (rigNote) { .at = (before + after) / 2, .count = count };
        return;
    }
}


static void *
rigVcpuThread(void *opaque)
{
    benchPin(0, rig.guest_cpu);
    __atomic_store_n(&rig.vm.tid, gettid(), __ATOMIC_RELEASE);
    while (sem_wait(&vcpuStarts) == 0) {
        while (__atomic_load_n(&burning, __ATOMIC_RELAXED)) {
            uint64_t since = benchNow();

            rigTakeNote();
            while (benchNow() - since < RIG_NOTE_NS)
                __builtin_ia32_pause();
        }
        sem_post(&vcpuRests);
    }
    return opaque;
}


/* ---- The handler ------------------------------------------------------------------ */

static bool bare;
static bool pinging;                    /* the handler has not seen the last write */
static uint64_t pingAt;
static uint32_t slotSeen;               /* the slot's overflows, up to where they were seen */

/* The next n overflows, as far as they were taken out of the ring. */
static void
rigTakeRecords(uint64_t n,
               uint64_t at)
{
    const struct perf_event_mmap_page *page = ring.memory;
    uint64_t tail = __atomic_load_n(&page->data_tail, __ATOMIC_ACQUIRE);
    pvperfRecord record;

    while (n && pvperfRingNext(&ring, tail, &record)) {
        if (record.kind == PVPERF_RECORD_OTHER)
            rig.unwritten++;
        if (record.kind != PVPERF_RECORD_OVERFLOW)
            continue;
        if (rig.noverflows < RIG_OVERFLOWS)
            rig.overflows[rig.noverflows++] = (rigOverflow) { .seen = at, .count = record.count[0] };
        rig.host++;
        n--;
    }
    if (pvperfRingHead(&ring) - ring.tail > PVPERF_RING_BYTES)
        errx(99, "the handler is a whole ring behind: CPU %d is too busy to measure anything", rig.host_cpu);
}


static void
rigClaim(void)
{
    struct pvperf_area *area = fakeGuestArea(&rig.vm.guest, 0);
    uint32_t sent = __atomic_load_n(&area->complete.nmi_sent, __ATOMIC_ACQUIRE);
    uint32_t before = slotSeen;

    if (sent == area->submit.nmi_handled)
        return;
    __atomic_store_n(&area->submit.nmi_handled, sent, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    slotSeen = fakeGuestSlot(&rig.vm.guest, RIG_EVENT, 0).overflows;
    rigTakeRecords(slotSeen - before, benchNow());
    __atomic_store_n(&rig.handler, rig.handler + slotSeen - before, __ATOMIC_RELEASE);
}


static void
rigTakePing(void)
{
    uint64_t at = benchNow();
    uint64_t before = rig.host;

    if (rig.npings < RIG_OVERFLOWS)
        rig.pings[rig.npings++] = at - pingAt;
    __atomic_store_n(&pinging, false, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    rigTakeRecords(UINT64_MAX, at);
    __atomic_store_n(&rig.handler, rig.handler + rig.host - before, __ATOMIC_RELEASE);
}


static void *
rigHandlerThread(void *opaque)
{
    struct sched_param param = { .sched_priority = 1 };
    uint64_t value;

    benchPin(0, rig.host_cpu);
    rig.in_front = pthread_setschedparam(pthread_self(), SCHED_FIFO, &param) == 0;
    while (read(irq, &value, sizeof(value)) > 0) {
        if (bare)
            rigTakePing();
        else
            rigClaim();
    }
    return opaque;
}


/* ---- A backend that does nothing ------------------------------------------------ */

static int wakerEnds;                   /* eventfd */

static void *
rigWakerThread(void *opaque)
{
    pvperfRing own = ring;
    struct pollfd fds[] = {
        { .fd = eventFd, .events = POLLIN },
        { .fd = wakerEnds, .events = POLLIN },
    };
    const uint64_t one = 1;

    benchPin(0, rig.host_cpu);
    pvperfSchedShortSlices();
    /* No timeout: who wakes more often than the backend is warmer. */
    while (poll(fds, 2, -1) > 0 && !fds[1].revents) {
        if (own.tail == pvperfRingHead(&own))
            continue;
        own.tail = pvperfRingHead(&own);
        pvperfRingRelease(&own);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        /* One at a time, as NMIs are. */
        if (__atomic_load_n(&pinging, __ATOMIC_ACQUIRE))
            continue;
        pinging = true;
        pingAt = benchNow();
        if (write(irq, &one, sizeof(one)) < 0)
            err(99, "eventfd");
    }
    return opaque;
}


/* ---- The broker ------------------------------------------------------------------- */

static int ringFd = -1;                 /* of the backend's ring */
static void *ringMemory;

static int
rigOpenEvent(uint64_t config,
             uint64_t period)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof(attr),
        .config = config,
        .disabled = 1,
        .sample_period = period,
        .read_format = PERF_FORMAT_GROUP | PERF_FORMAT_TOTAL_TIME_ENABLED |
            PERF_FORMAT_TOTAL_TIME_RUNNING,
    };
    int fd;

    if (period) {
        attr.wakeup_events = 1;
        attr.sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_PERIOD |
            PERF_SAMPLE_READ;
    }
    fd = syscall(SYS_perf_event_open, &attr, rig.vm.tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0)
        err(99, "perf_event_open");
    return fd;
}


static void *
rigMapRing(int fd)
{
    void *memory = mmap(NULL, RIG_PAGE + PVPERF_RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (memory == MAP_FAILED)
        err(99, "ring");
    return memory;
}


/* Answers the backend's request as the daemon does, and keeps what it opened. */
static void
rigServeOpen(void)
{
    pvperfControlOpen request;
    pvperfControlOpened answer = { .h.type = PVPERF_CONTROL_OPENED };
    ssize_t got = recv(rig.vm.control, &request, sizeof(request), MSG_DONTWAIT);

    if (got < 0)
        return;
    if (got != sizeof(request) || request.h.type != PVPERF_CONTROL_OPEN || request.count != 1)
        errx(99, "a packet of %zd bytes that is no OPEN of one event", got);
    if (request.ring && ringMemory)
        errx(99, "the backend asks for its ring again");
    eventFd = rigOpenEvent(PERF_COUNT_SW_TASK_CLOCK, request.events[0].sample_period);
    if (request.ring)
        ringFd = rigOpenEvent(PERF_COUNT_SW_DUMMY, 0);
    answer.h.cookie = request.h.cookie;
    answer.count = 1 + request.ring;
    fakeVmSend(&rig.vm, &answer.h, sizeof(answer), (int []) { eventFd, ringFd }, answer.count);
}


static void
rigCheck(const char *what,
         struct pvperf_result result)
{
    if (result.ret < 0)
        errx(99, "%s: %s, reason %u", what, strerror(-result.ret), result.reason);
}


static void
rigCallControl(const char *what,
               struct pvperf_frame frame)
{
    uint32_t control = fakeGuestControl(&rig.vm.guest);
    uint32_t n = fakeGuestPut(&rig.vm.guest, control, frame);
    uint64_t since = benchNow();

    fakeGuestPublish(&rig.vm.guest, control);
    while (!fakeGuestDone(&rig.vm.guest, control, n)) {
        rigServeOpen();
        if (benchNow() - since > RIG_NS_PER_SEC)
            errx(99, "%s: no answer", what);
    }
    rigCheck(what, fakeGuestResult(&rig.vm.guest, control, n));
}


void
rigStart(const char *backend,
         int guest_cpu,
         int host_cpu)
{
    pvperfControlIrqs irqs = { .h.type = PVPERF_CONTROL_IRQS, .count = 1 };
    pthread_t thread;

    /* Nothing is to fault for the first time while it is timed. */
    memset(&rig, 1, sizeof(rig));
    rig.guest_cpu = guest_cpu;
    rig.host_cpu = host_cpu;
    sem_init(&vcpuStarts, 0, 0);
    sem_init(&vcpuRests, 0, 0);
    irq = eventfd(0, EFD_CLOEXEC);

    fakeVmStart(&rig.vm, backend, 2);
    rig.vm.policy.total_samples_sec = 0;
    rig.vm.policy.requests_sec = 0;
    fakeVmSendPolicy(&rig.vm);
    fakeVmSend(&rig.vm, &irqs.h, sizeof(irqs), &irq, 1);
    benchPin(rig.vm.backend, host_cpu);
    /* A vCPU that overflows all the time must not keep the caller from ending it. */
    benchPin(0, host_cpu);

    rig.vm.tid = 0;
    rigStartThread(&thread, rigVcpuThread);
    rigStartThread(&thread, rigHandlerThread);
    while (!__atomic_load_n(&rig.vm.tid, __ATOMIC_ACQUIRE))
        usleep(100);
    rigCallControl("HELLO", (struct pvperf_frame) {
        .nr = PVPERF_HELLO,
        .a0 = PVPERF_VERSION_MAJOR << 16 | PVPERF_VERSION_MINOR,
        .a1 = 1U << KVM_FEATURE_PV_PERF | 1U << PVPERF_F_SAMPLING,
    });
}


/* ---- Runs --------------------------------------------------------------------------- */

static void
rigBegin(uint64_t tail)
{
    ring.tail = tail;
    rig.host = 0;
    rig.unwritten = 0;
    rig.handler = 0;
    rig.nnotes = 0;
    rig.noverflows = 0;
    rig.npings = 0;
}


/* The vCPU runs for a while. Then it rests, and the handler sees what it did not
 * see so far, or never does. */
static void
rigRunVcpu(uint64_t ns,
           clockid_t clock)
{
    struct timespec ts = { .tv_sec = ns / RIG_NS_PER_SEC, .tv_nsec = ns % RIG_NS_PER_SEC };
    uint64_t since = benchNow();
    uint64_t cpu = rigClock(clock);
    uint64_t before;

    __atomic_store_n(&burning, true, __ATOMIC_RELAXED);
    sem_post(&vcpuStarts);
    nanosleep(&ts, NULL);
    __atomic_store_n(&burning, false, __ATOMIC_RELAXED);
    sem_wait(&vcpuRests);
    rig.ns = benchNow() - since;
    rig.cpu_ns = rigClock(clock) - cpu;
    do {
        before = __atomic_load_n(&rig.handler, __ATOMIC_ACQUIRE);
        usleep(RIG_SETTLE_US);
    } while (__atomic_load_n(&rig.handler, __ATOMIC_ACQUIRE) != before);
}


void
rigRunBare(uint64_t period,
           uint64_t ns)
{
    const uint64_t one = 1;
    pthread_t waker;
    clockid_t clock;

    bare = true;
    eventFd = rigOpenEvent(PERF_COUNT_SW_TASK_CLOCK, period);
    ring = (pvperfRing) { .memory = rigMapRing(eventFd) };
    rigBegin(0);
    wakerEnds = eventfd(0, EFD_CLOEXEC);
    rigStartThread(&waker, rigWakerThread);
    if (pthread_getcpuclockid(waker, &clock) != 0)
        errx(99, "a thread's CPU clock");
    ioctl(eventFd, PERF_EVENT_IOC_ENABLE, 0);
    rigRunVcpu(ns, clock);
    if (write(wakerEnds, &one, sizeof(one)) < 0)
        err(99, "eventfd");
    pthread_join(waker, NULL);
    close(wakerEnds);
    rig.count = rigReadEvent();
    munmap(ring.memory, RIG_PAGE + PVPERF_RING_BYTES);
    close(eventFd);
    bare = false;
}


/* Overflows that the kernel recorded and the handler was not told of. */
static uint64_t
rigUntold(void)
{
    pvperfRing rest = ring;
    pvperfRecord record;
    uint64_t n = 0;

    while (pvperfRingNext(&rest, pvperfRingHead(&rest), &record))
        n += record.kind == PVPERF_RECORD_OVERFLOW;
    return n;
}


void
rigRunBackend(uint64_t period,
              uint64_t ns)
{
    fakeOpen open = { .id = RIG_EVENT, .row = RIG_EVENT, .attr = fakeAttrVcpu(PVPERF_VCPU_CLOCK) };
    const struct pvperf_area *area = fakeGuestArea(&rig.vm.guest, 0);
    struct guest_perf_event before = fakeGuestSlot(&rig.vm.guest, RIG_EVENT, 0);
    struct guest_perf_event after;
    uint32_t sent = area->complete.nmi_sent;
    clockid_t clock;

    if (clock_getcpuclockid(rig.vm.backend, &clock) != 0)
        errx(99, "the backend's CPU clock");
    open.attr.sample_period = period;
    rigCallControl("OPEN", fakeFrameOpen(&rig.vm.guest, &open));
    /* The backend has mapped it first: how it is used is the backend's choice. */
    if (!ringMemory)
        ringMemory = rigMapRing(ringFd);
    ring = (pvperfRing) { .memory = ringMemory };
    rigBegin(pvperfRingHead(&ring));
    slotSeen = before.overflows;
    rigCheck("ENABLE", fakeVmCall(&rig.vm, 0, KVM_PERF_OP_ENABLE, RIG_EVENT));
    rigRunVcpu(ns, clock);

    after = fakeGuestSlot(&rig.vm.guest, RIG_EVENT, 0);
    rig.slot = after.overflows - before.overflows;
    rig.period_sum = after.period_sum - before.period_sum;
    rig.nmis = area->complete.nmi_sent - sent;
    rig.host += rigUntold();
    rigCheck("DISABLE", fakeVmCall(&rig.vm, 0, KVM_PERF_OP_DISABLE, RIG_EVENT));
    rig.count = fakeGuestSlot(&rig.vm.guest, RIG_EVENT, 0).count - before.count;
    rigCallControl("CLOSE", fakeFrame(KVM_PERF_OP_CLOSE, RIG_EVENT));
    close(eventFd);
}
