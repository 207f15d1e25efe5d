/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * window_script.c: what a hostile guest and a busy host may do, as bytes.
 *
 * The host's side is what it may be: answers come late, never, in any order or
 * without their file descriptors, enable and redirect fail, rings get odd records, the page of
 * a group is written by others. fake_host.c ends the process if the
 * backend breaks a rule of the kernel's; this file, if it breaks one of its own.
 */
#include <linux/perf_event.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pvperf_report.h"
#include "window_script.h"

#define SCRIPT_NS 100000000000ULL       /* between two scripts: all limits are fresh */
#define SCRIPT_ASKED 16                 /* requests that the broker keeps in mind */
#define SCRIPT_PASSES 4096              /* more than any input has frames for */
#define SCRIPT_IDS 24
#define KERNEL_NUMBERS 0xffffffffffULL  /* its sums do not wrap in the life of a host */
#define SCRIPT_MAX 96                   /* events open at once: what fake_host has room for */

typedef void (*scriptAction)(fuzzInput *input);

static pvperfControlOpen asked[SCRIPT_ASKED];
static uint32_t nasked;
static struct guest_perf_event last[SCRIPT_ROWS][SCRIPT_VCPUS];
static struct pvperf_frame frame;       /* the one put last ... */
static uint32_t frameArea;              /* ... and where */
static pvperfReport report;
static pvperfPolicy basePolicy;
static uint32_t maxOpen;                /* highest limits of this session */
static uint32_t maxCounting;
static int groupFd;
static uint64_t *groupPage;

/* Memory that is given back and comes again as zeroes costs more than all the rest of a script: these
 * overwrite it (the linker's --wrap; the backend does so itself where there are no holes). */
int __real_madvise(void *memory,
                   size_t bytes,
                   int advice);
int __wrap_madvise(void *memory,
                   size_t bytes,
                   int advice);
int __wrap_fallocate(int fd,
                     int mode,
                     off_t offset,
                     off_t length);


int
__wrap_madvise(void *memory,
               size_t bytes,
               int advice)
{
    if (advice != MADV_DONTNEED)
        return __real_madvise(memory, bytes, advice);
    memset(memory, 0, bytes);
    return 0;
}


int
__wrap_fallocate(int fd,
                 int mode,
                 off_t offset,
                 off_t length)
{
    return -1;
}


/* ---- The guest ---- */

static uint32_t
scriptArea(fuzzInput *input)
{
    return fuzzByte(input) % (SCRIPT_VCPUS + 1);
}


static uint32_t
scriptVcpu(fuzzInput *input)
{
    return fuzzByte(input) % SCRIPT_VCPUS;
}


static void
scriptPut(uint32_t area,
          struct pvperf_frame put)
{
    frame = put;
    frameArea = area;
    fakeGuestPut(&bench.guest, area, put);
}


/* Nearly always an event that there is, in a mode that there is. */
static struct guest_perf_attr
scriptAttr(fuzzInput *input)
{
    uint8_t kind = fuzzByte(input);
    struct guest_perf_attr attr = { .flags = PVPERF_ATTR_EXCLUDE_GUEST };

    if (kind & 1) {
        attr = fakeAttrVcpu((kind >> 1) % PVPERF_NR_VCPU_EVENTS);
    } else if (kind & 2) {
        attr.type = PERF_TYPE_RAW;
        attr.config = kind & 4 ? 0x01c2 : fuzzWord(input);
    } else {
        attr.type = kind & 4 ? PERF_TYPE_HARDWARE : PERF_TYPE_HW_CACHE;
        attr.config = fuzzByte(input);
    }
    if (kind & 16)
        attr.sample_period = kind & 32 ? 1000 + fuzzShort(input) : fuzzWord(input);
    if (kind & 64)
        attr.flags |= PVPERF_ATTR_FREQ;
    if (kind & 128)
        attr.flags ^= fuzzWord(input);
    return attr;
}


static void
scriptOpen(fuzzInput *input)
{
    uint8_t how = fuzzByte(input);
    fakeOpen open = {
        .id = fuzzByte(input) % SCRIPT_IDS,
        .row = fuzzByte(input) % SCRIPT_ROWS,
        .vcpu = how % SCRIPT_VCPUS,
        .bound = how & 16,
        .sibling = how & 32,
        .leader = (how & 32) ? fuzzByte(input) % SCRIPT_IDS : 0,
        .attr = scriptAttr(input),
    };

    if (how & 64) {
        open.id = fuzzWord(input);
        open.row = fuzzShort(input);
    }
    scriptPut(fakeGuestControl(&bench.guest), fakeFrameOpen(&bench.guest, &open));
}


static void
scriptOp(fuzzInput *input)
{
    uint8_t how = fuzzByte(input);
    uint32_t op = KVM_PERF_OP_CLOSE + how % 4;
    uint32_t area = op == KVM_PERF_OP_CLOSE ? fakeGuestControl(&bench.guest) : (how >> 2) % SCRIPT_VCPUS;

    if (how & 128)
        area = scriptArea(input);
    scriptPut(area, fakeFrame(op, fuzzByte(input) % SCRIPT_IDS));
}


static void
scriptHello(fuzzInput *input)
{
    uint8_t how = fuzzByte(input);
    struct pvperf_frame hello = {
        .nr = PVPERF_HELLO,
        .a0 = how & 1 ? fuzzWord(input) : 1 << 16,
        .a1 = how & 2 ? fuzzWord(input) : 1U << PVPERF_F_SAMPLING,
    };

    scriptPut(how & 4 ? scriptArea(input) : fakeGuestControl(&bench.guest), hello);
}


/* Another value in a word of the frame that was put last. */
static void
scriptBend(fuzzInput *input)
{
    uint8_t word = fuzzByte(input) % 8;

    ((uint64_t *)&frame)[word] = fuzzWord(input);
    if (bench.guest.submitted[frameArea] == 0)
        return;
    bench.guest.submitted[frameArea]--;
    fakeGuestPut(&bench.guest, frameArea, frame);
}


static void
scriptPublish(fuzzInput *input)
{
    fakeGuestPublish(&bench.guest, scriptArea(input));
}


static void
scriptJump(fuzzInput *input)
{
    uint32_t area = scriptArea(input);

    bench.guest.submitted[area] += fuzzWord(input);
    fakeGuestPublish(&bench.guest, area);
}


/* Anything into the lines, params and frames of an area. */
static void
scriptPoke(fuzzInput *input)
{
    uint64_t *area = (uint64_t *)fakeGuestArea(&bench.guest, scriptArea(input));
    size_t word = fuzzShort(input) % (sizeof(struct pvperf_area) / sizeof(*area));
    size_t n = 1 + fuzzByte(input) % 16;

    for (; n > 0 && word < sizeof(struct pvperf_area) / sizeof(*area); n--)
        area[word++] = fuzzWord(input);
}


/* Anything anywhere: the host's lines are memory of the guest's, too. */
static void
scriptScribble(fuzzInput *input)
{
    size_t used = PVPERF_WINDOW_USED(SCRIPT_VCPUS) / sizeof(uint64_t);
    uint64_t at = (uint64_t)fuzzShort(input) * 31 % used;

    ((uint64_t *)bench.guest.base)[at] = fuzzWord(input);
}


static void
scriptLie(fuzzInput *input)
{
    uint8_t how = fuzzByte(input);

    bench.guest.session = how & 1 ? bench.backend.session : fuzzWord(input);
}


static void
scriptClaim(fuzzInput *input)
{
    uint8_t how = fuzzByte(input);
    uint32_t vcpu = how % SCRIPT_VCPUS;

    if (how & 128)
        fakeGuestArea(&bench.guest, vcpu)->submit.nmi_handled = fuzzWord(input);
    else
        fakeBenchClaim(vcpu);
}


/* ---- The host ---- */

static int
scriptAsk(void *opaque,
          const pvperfControlOpen *request)
{
    (void)opaque;
    if (bench.ask_fails)
        return bench.ask_fails;
    fuzzExpect(request->count >= 1 && request->count <= PVPERF_MAX_GROUP && request->vcpu < SCRIPT_VCPUS);
    if (nasked < SCRIPT_ASKED)
        asked[nasked++] = *request;
    bench.requests++;
    return 0;
}


static void
scriptAnswerOne(uint32_t n,
                int ret,
                bool without_fds)
{
    bench.asked = asked[n];
    asked[n] = asked[--nasked];
    if (without_fds) {
        pvperfControlOpened answer = {
            .h = { .cookie = bench.asked.h.cookie, .type = PVPERF_CONTROL_OPENED },
            .count = bench.asked.count,
        };

        pvperfBrokerAnswer(&bench.backend, &answer, NULL, 0);
        return;
    }
    fakeBenchAnswer(ret, ret < 0 ? PVPERF_REASON_HOST : PVPERF_REASON_NONE);
}


static void
scriptAnswer(fuzzInput *input)
{
    uint8_t how = fuzzByte(input);

    if (nasked)
        scriptAnswerOne((how & 15) % nasked, how & 64 ? -1 - fuzzByte(input) : 0, (how & 192) == 128);
}


static void
scriptPass(fuzzInput *input)
{
    uint8_t how = fuzzByte(input);

    pvperfServePass(&bench.backend, bench.now);
    if ((how & 1) && nasked)
        scriptAnswerOne(0, 0, false);
    while ((how & 2) && pvperfTableReap(&bench.backend.table))
        ;
}


static void
scriptRun(fuzzInput *input)
{
    uint32_t vcpu = scriptVcpu(input);
    uint64_t enabled = fuzzWord(input) & KERNEL_NUMBERS;
    uint64_t running = fuzzByte(input) & 1 ? enabled : enabled / 2;

    fakeBenchRun(vcpu, enabled, running, fuzzByte(input) * 100);
}


/* One of the host events that sample and count now; NULL: there is none. */
static fakePerf *
scriptSampler(fuzzInput *input)
{
    uint32_t n = fuzzByte(input);
    fakePerf *found[256];
    uint32_t nfound = 0;
    int i;

    for (i = 0; i < bench.end && nfound < 256; i++) {
        fakePerf *perf = &bench.perf[i];

        if (perf->open && perf->sample_period && perf->output && perf->on && bench.perf[perf->leader].on)
            found[nfound++] = perf;
    }
    return nfound ? found[n % nfound] : NULL;
}


static void
scriptOverflow(fuzzInput *input)
{
    fakePerf *perf = scriptSampler(input);
    uint8_t how = fuzzByte(input);
    uint64_t period = (perf && (how & 1) ? perf->sample_period : fuzzWord(input)) & KERNEL_NUMBERS;
    uint32_t times = 1 + (how >> 4);

    for (; perf && times > 0; times--) {
        fakeBenchOverflow(perf - bench.perf + FAKE_FD_FIRST, period,
                          how & 2 ? PERF_RECORD_MISC_GUEST_KERNEL : PERF_RECORD_MISC_GUEST_USER, 0x1000 + how);
    }
}


/* What else the kernel writes into a ring, and what it does not; while there is room. */
static void
scriptRecord(fuzzInput *input)
{
    static const uint32_t types[] = {
        PERF_RECORD_SAMPLE, PERF_RECORD_THROTTLE, PERF_RECORD_UNTHROTTLE, PERF_RECORD_LOST,
    };
    const fakePerf *perf = scriptSampler(input);
    uint8_t how = fuzzByte(input);
    uint64_t words[8] = { 0 };
    uint32_t n = (how >> 2) % 8;
    const struct perf_event_mmap_page *page;
    uint32_t i;

    for (i = 0; i < n; i++)
        words[i] = perf && i < 2 && (how & 128) ? perf->sample_id : fuzzWord(input) & KERNEL_NUMBERS;
    if (!perf)
        return;
    page = (const struct perf_event_mmap_page *)bench.perf[perf->output].memory;
    /* the fourth quarter is kept free of samples for these */
    if (page->data_head - page->data_tail < PVPERF_RING_BYTES / 4)
        fakeBenchRecord(perf - bench.perf + FAKE_FD_FIRST, types[how % 4], how, words, n);
}


static void
scriptPolicy(fuzzInput *input)
{
    pvperfPolicy policy = basePolicy;
    uint8_t what = fuzzByte(input);

    policy.on = !(what & 1);
    if (what & 2)
        policy.classes = fuzzByte(input);
    if (what & 4)
        policy.max = fuzzByte(input) % (SCRIPT_MAX + 1);
    if (what & 8)
        policy.per_vcpu = fuzzByte(input) % (PVPERF_MAX_PER_VCPU + 2);
    if (what & 16)
        policy.min_period = fuzzWord(input);
    if (what & 32) {
        policy.total_samples_sec = fuzzShort(input);
        policy.total_samples_sec_max = fuzzByte(input) & 1 ? policy.total_samples_sec * 2ULL : 0;
        policy.total_samples_sec_max_length = fuzzByte(input);
    }
    if (what & 64)
        policy.requests_sec = fuzzShort(input);
    if (what & 128)
        policy.nraw = fuzzByte(input) % (PVPERF_RAW_MAX + 2);
    if (!pvperfServePolicy(&bench.backend, &policy))
        return;
    maxOpen = policy.max > maxOpen ? policy.max : maxOpen;
    maxCounting = policy.per_vcpu > maxCounting ? policy.per_vcpu : maxCounting;
}


static void
scriptNewSession(fuzzInput *input)
{
    uint8_t how = fuzzByte(input);

    pvperfServeSession(&bench.backend, how & 1 ? 0 : how + 2);
    memset(last, 0, sizeof(last));
    if (how & 2)
        bench.guest.session = bench.backend.session;
}


static void
scriptQuery(fuzzInput *input)
{
    uint8_t how = fuzzByte(input);
    uint32_t steps = 1 + (how >> 1);

    if ((how & 1) || !report.busy)
        pvperfReportBegin(&report, 1, fuzzWord(input));
    while (report.busy && steps-- > 0)
        pvperfReportStep(&report, &bench.backend);
    fuzzExpect(report.page.count <= PVPERF_CONTROL_RECORDS_MAX);
}


/* What the poll loop does between passes, and what the clock brings. */
static void
scriptIdle(fuzzInput *input)
{
    uint8_t how = fuzzByte(input);

    bench.now += how & 128 ? fuzzWord(input) & KERNEL_NUMBERS : 0;
    if (how & 1)
        pvperfTableReap(&bench.backend.table);
    if (how & 2)
        pvperfSamplingArm(&bench.backend.table);
    if (how & 4)
        pvperfBrokerExpire(&bench.backend, bench.now, how & 8);
    if (how & 16)
        pvperfServeTold(&bench.backend);
    if (how & 32)
        pvperfReportStats(&bench.backend);
    pvperfSamplingDeadline(&bench.backend.table);
    pvperfBrokerDeadline(&bench.backend);
    pvperfSamplingBusy(&bench.backend.table);
}


static void
scriptFail(fuzzInput *input)
{
    uint8_t what = fuzzByte(input);

    bench.broken = what & 1 ? -5 : 0;
    bench.redirect_fails = what & 2 ? -22 : 0;
    bench.ask_fails = what & 4 ? -11 : 0;
    bench.tell_fails = what & 8;
}


/* The page of a group: joined, left, and written by a member that was taken over. */
static void
scriptGroup(fuzzInput *input)
{
    uint8_t how = fuzzByte(input);
    pvperfGroupLimits limits = { 0 };
    uint32_t word;

    if (how & 1) {
        word = fuzzByte(input);
        groupPage[word % (3 * sizeof(pvperfGroupLine) / sizeof(*groupPage))] = fuzzWord(input);
    } else if (how & 2) {
        pvperfGroupLeave(&bench.backend.group);
    } else {
        limits.max = fuzzByte(input);
        limits.total_samples_sec = fuzzWord(input);
        limits.total_samples_sec_max = how & 4 ? fuzzWord(input) : 0;
        limits.total_samples_sec_max_length = how & 8 ? fuzzWord(input) : 0;
        limits.requests_sec = fuzzWord(input);
        pvperfServeGroup(&bench.backend, bench.backend.group.page ? -1 : groupFd, 1, &limits);
    }
}


/* ---- The script ---- */

static const scriptAction actions[] = {
    scriptOpen, scriptOpen, scriptOp, scriptOp, scriptOp, scriptPublish, scriptPublish, scriptPass, scriptPass,
    scriptAnswer, scriptRun, scriptOverflow, scriptClaim, scriptHello, scriptBend, scriptJump, scriptPoke,
    scriptScribble, scriptLie, scriptRecord, scriptPolicy, scriptNewSession, scriptQuery, scriptIdle, scriptFail,
    scriptGroup,
};

/* Numbers of a session only rise, and limits hold. */
__attribute__((no_sanitize("coverage")))
static void
scriptCheck(void)
{
    const pvperfTable *table = &bench.backend.table;
    uint32_t row;
    uint32_t v;

    fuzzExpect(table->open <= maxOpen);
    for (v = 0; v < SCRIPT_VCPUS; v++) {
        fuzzExpect(table->counting[v] <= maxCounting);
        for (row = 0; row < SCRIPT_ROWS; row++) {
            const struct guest_perf_event *is = &table->cells[v * PVPERF_NR_ROWS + row].slot;
            struct guest_perf_event *was = &last[row][v];

            fuzzExpect(is->count >= was->count);
            fuzzExpect(is->time_enabled >= was->time_enabled);
            fuzzExpect(is->time_lost >= was->time_lost);
            fuzzExpect(is->time_lost <= is->time_enabled);
            fuzzExpect(is->period_sum >= was->period_sum);
            *was = *is;
        }
    }
}


void
scriptInit(void)
{
    fakeBenchInit(SCRIPT_VCPUS);
    bench.backend.ask = scriptAsk;
    basePolicy = bench.backend.policy;
    basePolicy.max = SCRIPT_MAX;
    groupFd = memfd_create("group", MFD_CLOEXEC);
    fuzzExpect(groupFd >= 0 && ftruncate(groupFd, sizeof(pvperfGroupPage)) == 0);
    groupPage = mmap(NULL, sizeof(pvperfGroupPage), PROT_READ | PROT_WRITE, MAP_SHARED, groupFd, 0);
    fuzzExpect(groupPage != MAP_FAILED);
}


void
scriptBegin(void)
{
    uint32_t i;

    bench.now += SCRIPT_NS;
    bench.backend.now = bench.now;
    bench.backend.table.now = bench.now;
    bench.broken = bench.redirect_fails = bench.ask_fails = 0;
    bench.tell_fails = false;
    nasked = 0;
    report.busy = false;
    frameArea = 0;
    memset(&frame, 0, sizeof(frame));
    memset(last, 0, sizeof(last));
    memset(groupPage, 0, 3 * sizeof(pvperfGroupLine));
    for (i = 0; i <= SCRIPT_VCPUS; i++) {
        memset(&fakeGuestArea(&bench.guest, i)->submit, 0, sizeof(struct pvperf_submit_line));
        bench.guest.submitted[i] = 0;
    }
    maxOpen = basePolicy.max;
    maxCounting = basePolicy.per_vcpu;
    pvperfServePolicy(&bench.backend, &basePolicy);
    bench.guest.session = 0xfee1;
    pvperfServeSession(&bench.backend, bench.guest.session);
}


void
scriptStep(fuzzInput *input)
{
    actions[fuzzByte(input) % (sizeof(actions) / sizeof(actions[0]))](input);
    scriptCheck();
}


void
scriptEnd(void)
{
    uint32_t passes = 0;
    uint32_t v;
    int i;

    while (pvperfServePass(&bench.backend, bench.now)) {
        fuzzExpect(++passes < SCRIPT_PASSES);
        scriptCheck();
    }
    pvperfServeSession(&bench.backend, 0);
    pvperfGroupLeave(&bench.backend.group);
    while (pvperfTableReap(&bench.backend.table))
        ;
    fuzzExpect(bench.backend.table.open == 0 && bench.backend.waiting == 0);
    fuzzExpect(bench.backend.table.sampling.nsamplers == 0 && bench.backend.table.sampling.granted == 0 &&
               bench.backend.table.sampling.throttled == 0);
    for (v = 0; v < SCRIPT_VCPUS; v++)
        fuzzExpect(bench.backend.table.counting[v] == 0);
    for (i = 0; i < bench.end; i++)
        fuzzExpect(!bench.perf[i].open);
    fuzzExpect(fakeBenchRings() <= SCRIPT_VCPUS * PVPERF_NR_RINGS);
    bench.end = 0;
}
