/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake_host.c: fake perf events with the kernel's rules for groups.
 *
 * A member counts while it and its leader are on; a leader that is closed
 * leaves its siblings as groups of their own, on or off as they were.
 */
#include <err.h>
#include <errno.h>
#include <string.h>

#include "fake_host.h"

fakeBench bench;

static fakePerf *
fakePerfGet(int fd)
{
    fakePerf *perf = &bench.perf[fd - FAKE_FD_FIRST];

    if (fd < FAKE_FD_FIRST || fd >= FAKE_FD_FIRST + FAKE_FDS || !perf->open)
        errx(99, "fd %d is no open event", fd);
    return perf;
}


static int
fakePerfEnable(int fd)
{
    bench.calls++;
    if (bench.broken)
        return bench.broken;
    fakePerfGet(fd)->on = true;
    return 0;
}


static int
fakePerfDisable(int fd)
{
    bench.calls++;
    fakePerfGet(fd)->on = false;
    return 0;
}


static int
fakePerfRead(int fd,
             uint32_t members,
             pvperfHostRead *values)
{
    fakePerf *leader = fakePerfGet(fd);
    int index = leader - bench.perf;
    int i;

    bench.calls++;
    if (leader->leader != index)
        errx(99, "fd %d is read, but does not lead", fd);
    values->nr = 1;
    values->enabled = leader->enabled;
    values->running = leader->running;
    values->count[0] = leader->count;
    for (i = 0; i < FAKE_FDS; i++) {
        if (bench.perf[i].open && bench.perf[i].leader == index && i != index)
            values->count[values->nr++] = bench.perf[i].count;
    }
    return values->nr == members ? 0 : -EIO;
}


static void
fakePerfClose(int fd)
{
    fakePerf *perf = fakePerfGet(fd);
    int index = perf - bench.perf;
    int i;

    perf->open = false;
    for (i = 0; i < FAKE_FDS; i++) {
        if (bench.perf[i].open && bench.perf[i].leader == index)
            bench.perf[i].leader = i;
    }
}


static const pvperfHostperf fakeHostperf = {
    .enable = fakePerfEnable,
    .disable = fakePerfDisable,
    .read = fakePerfRead,
    .close = fakePerfClose,
};


void
fakeBenchAnswer(int ret,
                enum pvperf_reason reason)
{
    pvperfControlOpened answer = {
        .h = { .cookie = bench.asked.h.cookie, .type = PVPERF_CONTROL_OPENED },
        .ret = ret,
        .reason = reason,
        .count = ret < 0 ? 0 : bench.asked.count,
    };
    int fds[PVPERF_MAX_GROUP];
    uint32_t n = 0;
    int i;

    /* Ascending, so that reading in order is the order of attachment; a gap
     * below is left alone by starting behind the last one that is open. */
    for (i = FAKE_FDS; i > 0 && !bench.perf[i - 1].open; i--)
        ;
    if (i + PVPERF_MAX_GROUP > FAKE_FDS)
        errx(99, "out of fake events");
    while (n < answer.count) {
        fds[n] = FAKE_FD_FIRST + i + n;
        bench.perf[i + n] = (fakePerf) {
            .open = true,
            .leader = i,
            .vcpu = bench.asked.vcpu,
            .event = bench.asked.events[n].event,
        };
        n++;
    }
    pvperfBrokerAnswer(&bench.backend, &answer, fds, n);
}


static int
fakeBenchAsk(void *opaque,
             const pvperfControlOpen *request)
{
    if (bench.ask_fails)
        return bench.ask_fails;
    bench.asked = *request;
    bench.requests++;
    return 0;
}


void
fakeBenchInit(uint32_t nr_vcpus)
{
    pvperfPolicy policy;
    const char *why = NULL;
    pvperfWindow *window;

    memset(&bench, 0, sizeof(bench));
    bench.now = 1000000000;
    bench.answers = true;
    fakeGuestInit(&bench.guest, nr_vcpus);
    window = pvperfWindowMap(bench.guest.window_fd, bench.guest.size, nr_vcpus, &why);
    if (!window)
        err(99, "window: %s", why);
    if (pvperfServeInit(&bench.backend, window, &fakeHostperf,
                        (1U << PVPERF_NR_CLASSES) - 1 - (1U << PVPERF_CLASS_BRANCH)) < 0)
        errx(99, "backend");
    bench.backend.ask = fakeBenchAsk;

    pvperfPolicyInitDefault(&policy, nr_vcpus);
    policy.requests_sec = 0;
    policy.min_period = 1000;
    policy.classes |= 1U << PVPERF_CLASS_RAW;
    policy.classes &= ~(1U << PVPERF_CLASS_CACHE);
    policy.nraw = 1;
    policy.raw[0] = (pvperfPolicyRaw) { .config = 0x01c2, .mask = 0xffff };
    if (!pvperfServePolicy(&bench.backend, &policy))
        errx(99, "policy");
    bench.guest.session = 0xfee1;
    pvperfServeSession(&bench.backend, bench.guest.session);
}


void
fakeBenchFree(void)
{
    pvperfWindow *window = bench.backend.window;
    int i;

    pvperfServeSession(&bench.backend, 0);
    while (pvperfTableReap(&bench.backend.table))
        ;
    for (i = 0; i < FAKE_FDS; i++) {
        if (bench.perf[i].open)
            errx(99, "fd %d is still open", FAKE_FD_FIRST + i);
    }
    pvperfServeFree(&bench.backend);
    pvperfWindowUnmap(window);
    fakeGuestFree(&bench.guest);
}


void
fakeBenchRun(uint32_t vcpu,
             uint64_t enabled,
             uint64_t running,
             uint64_t count)
{
    int i;

    bench.now += enabled;
    for (i = 0; i < FAKE_FDS; i++) {
        fakePerf *perf = &bench.perf[i];

        if (!perf->open || perf->vcpu != vcpu || !perf->on || !bench.perf[perf->leader].on)
            continue;
        perf->enabled += enabled;
        perf->running += running;
        perf->count += count;
    }
}


void
fakeBenchServe(void)
{
    uint32_t answered = bench.requests;

    while (pvperfServePass(&bench.backend, bench.now) ||
           pvperfTableReap(&bench.backend.table)) {
        if (bench.answers && bench.requests != answered)
            fakeBenchAnswer(0, PVPERF_REASON_NONE);
        answered = bench.requests;
    }
}


struct pvperf_result
fakeBenchFrame(uint32_t area,
               struct pvperf_frame frame)
{
    uint32_t n = fakeGuestPut(&bench.guest, area, frame);

    fakeGuestPublish(&bench.guest, area);
    fakeBenchServe();
    if (!fakeGuestDone(&bench.guest, area, n))
        return (struct pvperf_result) { .ret = 1 };
    return fakeGuestResult(&bench.guest, area, n);
}


struct pvperf_result
fakeBenchCall(uint32_t area,
              uint32_t op,
              uint64_t id)
{
    return fakeBenchFrame(area, fakeFrame(op, id));
}


struct pvperf_result
fakeBenchOpen(const fakeOpen *open)
{
    return fakeBenchFrame(fakeGuestControl(&bench.guest), fakeFrameOpen(&bench.guest, open));
}


struct pvperf_result
fakeBenchOpenClock(int32_t id,
                   uint32_t row,
                   int32_t leader)
{
    fakeOpen open = {
        .id = id,
        .row = row,
        .sibling = leader >= 0,
        .leader = leader,
        .attr = fakeAttrVcpu(PVPERF_VCPU_CLOCK),
    };

    return fakeBenchOpen(&open);
}
