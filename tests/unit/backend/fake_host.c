/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake_host.c: fake perf events with the kernel's rules for groups and rings.
 *
 * A member counts while it and its leader are on; a leader that is closed
 * leaves its siblings as groups of their own, on or off as they were. refresh()
 * adds to an event's limit; the overflow that brings it to 0 switches the event
 * off, and an event that is on with a limit of 0 has none. Records go into the
 * ring that an event was redirected to, which has to be one of the same thread
 * and context, and nowhere once that ring is unmapped. A record that would be
 * lost because its ring is full ends the test.
 */
#include <err.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/mman.h>

#include "fake_host.h"

fakeBench bench;

static fakePerf *
fakePerfGet(int fd)
{
    fakePerf *perf = &bench.perf[fd - FAKE_FD_FIRST];

    if (fd < FAKE_FD_FIRST || fd >= FAKE_FD_FIRST + FAKE_FDS + FAKE_RINGS || !perf->open)
        errx(99, "fd %d is no open event", fd);
    return perf;
}


static bool
fakePerfOwnsRing(const fakePerf *perf)
{
    return perf - bench.perf >= FAKE_FDS;
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
    for (i = 0; i < bench.end; i++) {
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

    if (perf->memory)
        errx(99, "fd %d is closed, but its ring is mapped", fd);
    perf->open = false;
    for (i = 0; i < bench.end; i++) {
        if (bench.perf[i].open && bench.perf[i].leader == index)
            bench.perf[i].leader = i;
    }
}


/* ---- Limits and rings ------------------------------------------------------------ */

static int
fakePerfRefresh(int fd,
                int32_t overflows)
{
    fakePerf *perf = fakePerfGet(fd);

    bench.calls++;
    if (!perf->sample_period || !overflows || (overflows < 0 && (uint32_t)-overflows >= perf->limit))
        errx(99, "fd %d cannot have %d more overflows", fd, overflows);
    if (bench.broken)
        return bench.broken;
    perf->limit += overflows;
    perf->on = true;
    return 0;
}


static int
fakePerfIdentify(int fd,
                 uint64_t *sample_id)
{
    *sample_id = fakePerfGet(fd)->sample_id;
    return 0;
}


static int
fakePerfRedirect(int fd,
                 int ring_fd)
{
    fakePerf *perf = fakePerfGet(fd);
    const fakePerf *owner = fakePerfGet(ring_fd);

    if (bench.redirect_fails)
        return bench.redirect_fails;
    if (!owner->memory || perf->vcpu != owner->vcpu || perf->hardware != owner->hardware)
        return -EINVAL;
    perf->output = owner - bench.perf;
    return 0;
}


static int
fakePerfFrequency(int fd,
                  uint64_t hz)
{
    fakePerf *perf = fakePerfGet(fd);

    if (!perf->freq)
        errx(99, "fd %d has a period, no frequency", fd);
    perf->hz = hz;
    return 0;
}


static int
fakePerfMap(int fd,
            uint64_t bytes,
            void **memory)
{
    fakePerf *owner = fakePerfGet(fd);

    if (!fakePerfOwnsRing(owner) || owner->memory || bytes != PVPERF_RING_MAPPED)
        errx(99, "fd %d is mapped in a wrong way", fd);
    *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (*memory == MAP_FAILED)
        err(99, "ring");
    owner->memory = *memory;
    return 0;
}


static void
fakePerfUnmap(void *memory,
              uint64_t bytes)
{
    int owner = FAKE_FDS;
    int i;

    while (owner < FAKE_FDS + FAKE_RINGS && bench.perf[owner].memory != memory)
        owner++;
    if (!memory || owner == FAKE_FDS + FAKE_RINGS || bytes != PVPERF_RING_MAPPED)
        errx(99, "%p is no ring of %llu bytes", memory, (unsigned long long)bytes);
    munmap(memory, bytes);
    bench.perf[owner].memory = NULL;
    for (i = 0; i < bench.end; i++) {
        if (bench.perf[i].output == owner)
            bench.perf[i].output = 0;
    }
}


static void
fakeNotify(int irq_fd)
{
    if (irq_fd < FAKE_IRQ_FIRST || irq_fd >= FAKE_IRQ_FIRST + FAKE_IRQS)
        errx(99, "fd %d is no vector", irq_fd);
    bench.nmis[irq_fd - FAKE_IRQ_FIRST]++;
}


static void
fakeIrqForget(int irq_fd)
{
    bench.forgotten++;
}


static const pvperfHostperf fakeHostperf = {
    .enable = fakePerfEnable,
    .disable = fakePerfDisable,
    .read = fakePerfRead,
    .close = fakePerfClose,
    .refresh = fakePerfRefresh,
    .identify = fakePerfIdentify,
    .redirect = fakePerfRedirect,
    .frequency = fakePerfFrequency,
    .map = fakePerfMap,
    .unmap = fakePerfUnmap,
    .forget = fakeIrqForget,
    .notify = fakeNotify,
};


/* ---- The daemon --------------------------------------------------------------------- */

/* The first of so many fds in a row. Ascending, so that reading in order is the
 * order of attachment; a gap below is left alone, while there is room, by
 * starting behind the last one that is open. */
static int
fakeBenchRoom(int n)
{
    int first = bench.end;
    int i;

    while (first > 0 && !bench.perf[first - 1].open)
        first--;
    if (first + n <= FAKE_FDS)
        return first;
    for (first = 0, i = 0; i < FAKE_FDS && i - first < n; i++) {
        if (bench.perf[i].open)
            first = i + 1;
    }
    if (i - first < n)
        errx(99, "out of fake events");
    return first;
}


static int
fakeBenchOwner(bool hardware)
{
    int i = FAKE_FDS;

    while (i < FAKE_FDS + FAKE_RINGS && bench.perf[i].open)
        i++;
    if (i == FAKE_FDS + FAKE_RINGS)
        errx(99, "out of fake rings");
    bench.perf[i] = (fakePerf) {
        .open = true,
        .leader = i,
        .vcpu = bench.asked.vcpu,
        .hardware = hardware,
    };
    return FAKE_FD_FIRST + i;
}


void
fakeBenchAnswer(int ret,
                enum pvperf_reason reason)
{
    pvperfControlOpened answer = {
        .h = { .cookie = bench.asked.h.cookie, .type = PVPERF_CONTROL_OPENED },
        .ret = ret,
        .reason = reason,
    };
    int fds[PVPERF_MAX_GROUP + 1];
    uint32_t members = ret < 0 ? 0 : bench.asked.count;
    int first = fakeBenchRoom(members);
    bool hardware = false;
    uint32_t n;

    for (n = 0; n < members; n++) {
        if (pvperfEventGet(bench.asked.events[n].event)->host_type != PERF_TYPE_SOFTWARE)
            hardware = true;
    }
    if (bench.end < first + (int)members)
        bench.end = first + members;
    for (n = 0; n < members; n++) {
        const pvperfControlEvent *event = &bench.asked.events[n];

        fds[n] = FAKE_FD_FIRST + first + n;
        bench.perf[first + n] = (fakePerf) {
            .open = true,
            .leader = first,
            .vcpu = bench.asked.vcpu,
            .event = event->event,
            .sample_period = event->sample_period,
            .freq = event->freq,
            .hardware = hardware,
            .sample_id = ++bench.sample_ids,
        };
    }
    if (members && bench.asked.ring)
        fds[n++] = fakeBenchOwner(hardware);
    answer.count = n;
    pvperfBrokerAnswer(&bench.backend, &answer, fds, n);
}


static bool
fakeBenchTell(void *opaque,
              const pvperfControlRefused *refused)
{
    (void)opaque;
    bench.refused = *refused;
    bench.tellings++;
    return !bench.tell_fails;
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
    uint32_t i;

    memset(&bench, 0, sizeof(bench));
    bench.now = 1000000000;
    bench.answers = true;
    fakeGuestInit(&bench.guest, nr_vcpus);
    window = pvperfWindowMap(bench.guest.window_fd, bench.guest.size, nr_vcpus, &why);
    if (!window)
        err(99, "window: %s", why);
    if (pvperfServeInit(&bench.backend, window, &fakeHostperf,
                        (1U << PVPERF_NR_CLASSES) - 1 - (1U << PVPERF_CLASS_BRANCH), &bench.stats) < 0)
        errx(99, "backend");
    bench.backend.ask = fakeBenchAsk;
    bench.backend.tell = fakeBenchTell;
    if (nr_vcpus <= FAKE_IRQS) {
        for (i = 0; i < nr_vcpus; i++)
            bench.irq_fds[i] = FAKE_IRQ_FIRST + i + 1;
        bench.backend.table.sampling.irq_fds = bench.irq_fds;
    }

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
    if (fakeBenchRings())
        errx(99, "%u rings are still open", fakeBenchRings());
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
    for (i = 0; i < bench.end; i++) {
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
fakeBenchOpen(const fakeOpen *open)
{
    return fakeBenchFrame(fakeGuestControl(&bench.guest), fakeFrameOpen(&bench.guest, open));
}


/* ---- Sampling ------------------------------------------------------------------------- */

struct pvperf_result
fakeBenchHello(uint64_t features)
{
    return fakeBenchFrame(fakeGuestControl(&bench.guest), (struct pvperf_frame) {
        .nr = PVPERF_HELLO,
        .a0 = PVPERF_VERSION_MAJOR << 16 | PVPERF_VERSION_MINOR,
        .a1 = features,
    });
}


struct pvperf_result
fakeBenchOpenSampler(int32_t id,
                     uint32_t row,
                     int32_t leader,
                     uint64_t period)
{
    fakeOpen open = {
        .id = id,
        .row = row,
        .sibling = leader >= 0,
        .leader = leader,
        .attr = fakeAttrVcpu(PVPERF_VCPU_CLOCK),
    };

    open.attr.sample_period = period;
    return fakeBenchOpen(&open);
}


int
fakeBenchFd(int32_t id,
            uint32_t vcpu)
{
    const pvperfTable *table = &bench.backend.table;
    const pvperfEvent *event = pvperfTableFind(table, id);
    const pvperfCell *cell = event ? pvperfTableCell(table, event, vcpu) : NULL;

    /* A cell of a bound event's row may be another event's. */
    return cell && cell->owner == id + 1 ? cell->fd - 1 : -1;
}


fakePerf *
fakeBenchPerf(int32_t id,
              uint32_t vcpu)
{
    return fakePerfGet(fakeBenchFd(id, vcpu));
}


void
fakeBenchRecord(int fd,
                uint32_t type,
                uint16_t misc,
                const uint64_t *words,
                uint32_t n)
{
    const fakePerf *perf = fakePerfGet(fd);
    uint8_t *memory = perf->output ? bench.perf[perf->output].memory : NULL;
    struct perf_event_mmap_page *page = (struct perf_event_mmap_page *)memory;
    struct perf_event_header header = {
        .type = type,
        .misc = misc,
        .size = (n + 1) * sizeof(uint64_t),
    };
    uint64_t head;
    uint32_t i;

    if (!memory)
        errx(99, "fd %d writes a record, but has no ring", fd);
    head = page->data_head;
    if (head + header.size - page->data_tail >= PVPERF_RING_BYTES)
        errx(99, "fd %d writes a record into a full ring", fd);
    memcpy(memory + PVPERF_RING_CONTROL + head % PVPERF_RING_BYTES, &header, sizeof(header));
    for (i = 0; i < n; i++) {
        head += sizeof(uint64_t);
        memcpy(memory + PVPERF_RING_CONTROL + head % PVPERF_RING_BYTES, &words[i], sizeof(uint64_t));
    }
    __atomic_store_n(&page->data_head, head + sizeof(uint64_t), __ATOMIC_RELEASE);
}


bool
fakeBenchOverflow(int fd,
                  uint64_t period,
                  uint16_t mode,
                  uint64_t ip)
{
    fakePerf *perf = fakePerfGet(fd);
    const fakePerf *leader = &bench.perf[perf->leader];
    uint64_t words[6 + PVPERF_MAX_GROUP] = { perf->sample_id, ip, period };
    uint32_t n = 3;
    int i;

    if (!perf->sample_period)
        errx(99, "fd %d only counts", fd);
    if (!perf->on || !leader->on)
        return false;
    if (perf->limit && --perf->limit == 0)
        perf->on = false;
    if (pvperfEventGet(perf->event)->clock) {
        words[4] = leader->enabled;
        words[5] = leader->running;
        for (n = 6, i = perf->leader; i < bench.end; i++) {
            if (bench.perf[i].open && bench.perf[i].leader == perf->leader)
                words[n++] = bench.perf[i].count;
        }
        words[3] = n - 6;
    }
    fakeBenchRecord(fd, PERF_RECORD_SAMPLE, mode, words, n);
    return true;
}


bool
fakeBenchClaim(uint32_t vcpu)
{
    struct pvperf_area *area = fakeGuestArea(&bench.guest, vcpu);
    uint32_t sent = __atomic_load_n(&area->complete.nmi_sent, __ATOMIC_ACQUIRE);

    if (sent == area->submit.nmi_handled)
        return false;
    __atomic_store_n(&area->submit.nmi_handled, sent, __ATOMIC_SEQ_CST);
    return true;
}


uint32_t
fakeBenchRings(void)
{
    uint32_t n = 0;
    int i;

    for (i = FAKE_FDS; i < FAKE_FDS + FAKE_RINGS; i++)
        n += bench.perf[i].open;
    return n;
}
