/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_broker.c: event -> attr, policy, frequency and errno as data; a group and
 * the ring of its samples opened on fixture threads with a kernel that the test
 * plays; and one real open.
 */
#include "../../../src/qemu/pvperf_broker.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <glib.h>

#include "../../../src/qemu/pvperf_capabilities.h"
#include "test_util.h"

#define U ((uint32_t)PVPERF_ATTR_EXCLUDE_USER)
#define K ((uint32_t)PVPERF_ATTR_EXCLUDE_KERNEL)

/* What the kernel is asked for. */
static const struct {
    const char *event;
    uint32_t modes;
    uint64_t raw;
    bool leader;
    uint32_t type;
    uint64_t config;
    int exclude_host;
    int exclude_user;
    int exclude_kernel;
} attrCases[] = {
    { "cycles", 0, 0, true, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, 1, 0, 0 },
    { "cycles", U, 0, false, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, 1, 1, 0 },
    { "instructions", K, 0, true, PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, 1, 0, 1 },
    { "branch-misses", U | K, 0, true, PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES, 1, 1, 1 },
    { "cache-references", 0, 0, true, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_REFERENCES, 1, 0, 0 },
    { "raw", K, 0x01c2, true, PERF_TYPE_RAW, 0x01c2, 1, 0, 1 },
    /* software events honour neither the guest's modes nor exclude_host */
    { "vcpu-clock", U | K, 0, true, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, 0, 0, 0 },
    { "vcpu-switches", K, 0, false, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES, 0, 0, 0 },
    { "vcpu-migrations", 0, 0, false, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_MIGRATIONS, 0, 0, 0 },
};


static void
testAttr(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(attrCases); i++) {
        const typeof(attrCases[0]) *c = &attrCases[i];
        const pvperfControlEvent event = {
            .event = pvperfEventFromName(c->event),
            .modes = c->modes,
            .raw_config = c->raw,
        };
        struct perf_event_attr attr;
        struct perf_event_attr rest;

        g_test_message("%s, modes %#x", c->event, c->modes);
        g_assert_nonnull(pvperfEventGet(event.event));
        memset(&attr, 0xff, sizeof(attr));
        pvperfBrokerAttr(&event, c->leader, &attr);
        g_assert_cmpuint(attr.type, ==, c->type);
        g_assert_cmpuint(attr.config, ==, c->config);
        g_assert_cmpuint(attr.exclude_host, ==, c->exclude_host);
        g_assert_cmpuint(attr.exclude_user, ==, c->exclude_user);
        g_assert_cmpuint(attr.exclude_kernel, ==, c->exclude_kernel);
        g_assert_cmpuint(attr.disabled, ==, c->leader);
        g_assert_cmpuint(attr.read_format, ==, PERF_FORMAT_GROUP |
                         PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING);

        /* and nothing else: not pinned, not inherited, no sampling, config1, ... */
        memset(&rest, 0, sizeof(rest));
        rest.size = sizeof(rest);
        rest.type = attr.type;
        rest.config = attr.config;
        rest.exclude_host = attr.exclude_host;
        rest.exclude_user = attr.exclude_user;
        rest.exclude_kernel = attr.exclude_kernel;
        rest.disabled = attr.disabled;
        rest.read_format = attr.read_format;
        g_assert_cmpmem(&attr, sizeof(attr), &rest, sizeof(rest));
    }
}


#define SAMPLE (PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_PERIOD)

/* What a sampler asks for in addition to what it would ask for anyway. */
static const struct {
    const char *event;
    uint64_t period;
    uint32_t freq;
    uint64_t sample_type;
} samplerCases[] = {
    { "cycles", 100000, 0, SAMPLE },
    { "instructions", 4000, 1, SAMPLE },
    { "raw", INT64_MAX, 0, SAMPLE },
    { "vcpu-clock", 1000000, 0, SAMPLE | PERF_SAMPLE_READ },
    { "vcpu-clock", 999, 1, SAMPLE | PERF_SAMPLE_READ },
    { "vcpu-switches", 1, 0, SAMPLE },
};


static void
testSamplerAttr(void)
{
    size_t i;

    for (i = 0; i < 2 * G_N_ELEMENTS(samplerCases); i++) {
        const typeof(samplerCases[0]) *c = &samplerCases[i / 2];
        pvperfControlEvent event = {
            .event = pvperfEventFromName(c->event),
            .modes = U,
            .raw_config = strcmp(c->event, "raw") == 0 ? 0x01c2 : 0,
        };
        struct perf_event_attr attr;
        struct perf_event_attr plain;

        g_test_message("%s, %s", c->event, i % 2 ? "leader" : "sibling");
        pvperfBrokerAttr(&event, i % 2, &plain);
        event.sample_period = c->period;
        event.freq = c->freq;
        memset(&attr, 0xff, sizeof(attr));
        pvperfBrokerAttr(&event, i % 2, &attr);

        plain.sample_type = c->sample_type;
        plain.sample_period = c->period;
        plain.freq = c->freq;
        plain.wakeup_events = 1;
        /* A sibling, too: it is on only for what it is granted. */
        plain.disabled = 1;
        g_assert_cmpmem(&attr, sizeof(attr), &plain, sizeof(plain));
    }
}


static const struct {
    const char *event;
    uint64_t min_period;
    uint64_t hz;
    uint64_t max_sample_rate;
    uint64_t granted;
} frequencyCases[] = {
    { "cycles", 0, 4000, 0, 4000 },
    { "cycles", 0, 100001, 100000, 100000 },
    { "cycles", 0, INT64_MAX, 1, 1 },
    /* A minimum of an event that is no clock is no number of ns. */
    { "cycles", 1000000, 4000, 100000, 4000 },
    { "vcpu-switches", 1000000, 4000, 3000, 3000 },
    { "vcpu-clock", 0, 4000, 100000, 4000 },
    { "vcpu-clock", 1000000, 4000, 100000, 1000 },
    { "vcpu-clock", 1000000, 999, 100000, 999 },
    { "vcpu-clock", 1000000, 4000, 500, 500 },
    { "vcpu-clock", 1000000001, 4000, 100000, 1 },
    { "vcpu-clock", UINT64_MAX, 4000, 100000, 1 },
    { "vcpu-clock", 1, INT64_MAX, 0, 1000000000 },
};


static void
testFrequency(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(frequencyCases); i++) {
        const typeof(frequencyCases[0]) *c = &frequencyCases[i];
        const pvperfPolicy policy = { .min_period = c->min_period };

        g_assert_cmpuint(pvperfBrokerFrequency(pvperfEventGet(pvperfEventFromName(c->event)), &policy,
                                               c->hz, c->max_sample_rate), ==, c->granted);
    }
    g_assert_cmpuint(pvperfBrokerMaxSampleRate("/nonexistent"), ==, 0);
}


static const struct {
    int err;
    unsigned int member;
    int ret;
    uint32_t reason;
} errnoCases[] = {
    { ENOENT, 0, -ENOENT, PVPERF_REASON_HOST },
    { ENODEV, 0, -ENOENT, PVPERF_REASON_HOST },
    { EOPNOTSUPP, 0, -ENOENT, PVPERF_REASON_HOST },
    { EINVAL, 0, -ENOENT, PVPERF_REASON_HOST },
    { EINVAL, 3, -EINVAL, PVPERF_REASON_HOST },
    { EBUSY, 0, -EBUSY, PVPERF_REASON_HOST },
    { EACCES, 0, -ENOENT, PVPERF_REASON_HOST_RIGHTS },
    { EPERM, 2, -ENOENT, PVPERF_REASON_HOST_RIGHTS },
    { EMFILE, 0, -ENOMEM, PVPERF_REASON_RESOURCES },
    { ENFILE, 0, -ENOMEM, PVPERF_REASON_RESOURCES },
    { ENOMEM, 1, -ENOMEM, PVPERF_REASON_RESOURCES },
    { ESRCH, 0, -EAGAIN, PVPERF_REASON_HOST },
};


static void
testErrno(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(errnoCases); i++) {
        uint32_t reason = PVPERF_NR_REASONS;

        g_test_message("%s, member %u", g_strerror(errnoCases[i].err), errnoCases[i].member);
        g_assert_cmpint(pvperfBrokerErrno(errnoCases[i].err, errnoCases[i].member, &reason), ==,
                        errnoCases[i].ret);
        g_assert_cmpuint(reason, ==, errnoCases[i].reason);
    }
}


/* ---- policy ---- */

/* Two members on vCPU 1 of 2; the second one varies. */
static const struct {
    const char *name;
    uint32_t vcpu;
    uint32_t count;
    const char *event;          /* NULL: index */
    int32_t index;
    uint32_t modes;
    uint64_t raw;
    bool off;
    int ret;
    uint32_t reason;
    uint32_t failed;
} checkCases[] = {
    { "allowed", 1, 2, "instructions", 0, U, 0, false, 0, PVPERF_REASON_NONE, 0 },
    { "raw on the list", 1, 2, "raw", 0, 0, 0x01c2, false, 0, PVPERF_REASON_NONE, 0 },
    { "raw not on the list", 1, 2, "raw", 0, 0, 0x02c2, false, -ENOENT, PVPERF_REASON_RAW, 1 },
    { "raw with AnyThread", 1, 2, "raw", 0, 0, 0x2001c2, false, -ENOENT, PVPERF_REASON_RAW, 1 },
    { "class denied", 1, 2, "cache-misses", 0, 0, 0, false, -ENOENT, PVPERF_REASON_CLASS, 1 },
    { "switched off", 1, 2, "instructions", 0, 0, 0, true, -ENOENT, PVPERF_REASON_STATE, 0 },
    { "no members", 1, 0, "instructions", 0, 0, 0, false, -EINVAL, PVPERF_REASON_MALFORMED, 0 },
    { "too many members", 1, PVPERF_MAX_GROUP + 1, "instructions", 0, 0, 0, false,
      -EINVAL, PVPERF_REASON_MALFORMED, 0 },
    { "no such vCPU", 2, 2, "instructions", 0, 0, 0, false, -EINVAL, PVPERF_REASON_MALFORMED, 0 },
    { "index below the table", 1, 2, NULL, -1, 0, 0, false, -ENOENT, PVPERF_REASON_UNKNOWN, 1 },
    { "index above the table", 1, 2, NULL, PVPERF_EVENTS_MAX, 0, 0, false,
      -ENOENT, PVPERF_REASON_UNKNOWN, 1 },
    { "unknown mode", 1, 2, "instructions", 0, 1, 0, false, -EINVAL, PVPERF_REASON_MALFORMED, 1 },
    { "raw config of another event", 1, 2, "instructions", 0, 0, 1, false,
      -EINVAL, PVPERF_REASON_MALFORMED, 1 },
};


static void
testPolicy(pvperfPolicy *policy)
{
    memset(policy, 0, sizeof(*policy));
    policy->on = 1;
    policy->classes = 1U << PVPERF_CLASS_IPC | 1U << PVPERF_CLASS_VCPU | 1U << PVPERF_CLASS_RAW;
    policy->nraw = 1;
    policy->raw[0].config = 0x01c2;
    policy->raw[0].mask = 0xffff;
}


static void
testCheck(gconstpointer opaque)
{
    const typeof(checkCases[0]) *c = opaque;
    pvperfControlOpen request;
    pvperfControlOpened answer;
    pvperfPolicy policy;
    bool ok;

    testPolicy(&policy);
    policy.on = !c->off;
    memset(&request, 0, sizeof(request));
    memset(&answer, 0, sizeof(answer));
    request.vcpu = c->vcpu;
    request.count = c->count;
    request.events[0].event = pvperfEventFromName("cycles");
    request.events[1].event = c->event ? pvperfEventFromName(c->event) : c->index;
    request.events[1].modes = c->modes;
    request.events[1].raw_config = c->raw;
    ok = pvperfBrokerCheck(&request, &policy, 2, &answer);
    g_assert_cmpint(ok, ==, c->ret == 0);
    g_assert_cmpint(answer.ret, ==, c->ret);
    g_assert_cmpuint(answer.reason, ==, c->reason);
    g_assert_cmpuint(answer.failed, ==, c->failed);
}


/* The second member samples; min_period is 1000. */
static const struct {
    const char *event;
    uint64_t period;
    uint32_t freq;
    uint32_t reason;
} periodCases[] = {
    { "instructions", 999, 0, PVPERF_REASON_MIN_PERIOD },
    { "instructions", 1000, 0, PVPERF_REASON_NONE },
    { "instructions", 1, 1, PVPERF_REASON_NONE },
    { "vcpu-clock", 1, 0, PVPERF_REASON_MIN_PERIOD },
    { "vcpu-clock", 1000, 0, PVPERF_REASON_NONE },
    { "raw", 999, 0, PVPERF_REASON_MIN_PERIOD },
    { "vcpu-switches", 1, 0, PVPERF_REASON_NONE },
    { "instructions", INT64_MAX, 0, PVPERF_REASON_NONE },
    { "instructions", INT64_MAX + 1ULL, 0, PVPERF_REASON_MALFORMED },
    { "instructions", UINT64_MAX, 1, PVPERF_REASON_MALFORMED },
};


static void
testCheckPeriod(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(periodCases); i++) {
        const typeof(periodCases[0]) *c = &periodCases[i];
        pvperfControlOpen request = { .vcpu = 1, .count = 2, .ring = 1 };
        pvperfControlOpened answer = { 0 };
        pvperfPolicy policy;

        g_test_message("%s, %" G_GUINT64_FORMAT, c->event, c->period);
        testPolicy(&policy);
        policy.min_period = 1000;
        request.events[0].event = pvperfEventFromName("cycles");
        request.events[1].event = pvperfEventFromName(c->event);
        request.events[1].raw_config = strcmp(c->event, "raw") == 0 ? 0x01c2 : 0;
        request.events[1].sample_period = c->period;
        request.events[1].freq = c->freq;
        g_assert_cmpint(pvperfBrokerCheck(&request, &policy, 2, &answer), ==, c->reason == PVPERF_REASON_NONE);
        g_assert_cmpint(answer.ret, ==, c->reason == PVPERF_REASON_NONE ? 0 : -EINVAL);
        g_assert_cmpuint(answer.reason, ==, c->reason);
        g_assert_cmpuint(answer.failed, ==, c->reason != PVPERF_REASON_NONE);
    }
}


/* ---- opening ---- */

static struct {
    pid_t tid;
    int fail_at;                /* member, -1: none */
    int err;
    unsigned int opened;
    int groups[PVPERF_BROKER_FDS];
    struct perf_event_attr attrs[PVPERF_BROKER_FDS];
    int fds[PVPERF_BROKER_FDS];
    const char *rename;         /* comm file that changes after the last open */
    unsigned int last;
} kernel;


static int
testKernelOpen(struct perf_event_attr *attr,
               pid_t tid,
               int group_fd)
{
    int fd;

    g_assert_cmpint(tid, ==, kernel.tid);
    if ((int)kernel.opened == kernel.fail_at)
        return -kernel.err;
    fd = dup(0);
    g_assert_cmpint(fd, >=, 0);
    kernel.groups[kernel.opened] = group_fd;
    kernel.attrs[kernel.opened] = *attr;
    kernel.fds[kernel.opened++] = fd;
    if (kernel.rename && kernel.opened == kernel.last)
        g_assert_true(g_file_set_contents(kernel.rename, "worker\n", -1, NULL));
    return fd;
}


static const struct {
    const char *name;
    const char *events[3];      /* NULL: that is all */
    uint32_t ring;              /* wanted, and members sample with 10 kHz */
    uint32_t fails;             /* which open, from 1; 0: none */
    int err;
    int ret;
    uint32_t reason;
    const char *like;           /* the event whose attr the ring's owner has; NULL: dummy */
    const char *comm;           /* of the vCPU's thread, if not the right one */
    bool renamed;               /* it changes with the last open */
    pid_t tid;                  /* where the vCPU was found before */
} openCases[] = {
    { "good", .events = { "cycles", "instructions", "vcpu-clock" } },
    { "third fails", .events = { "cycles", "instructions", "vcpu-clock" }, .fails = 3, .err = EINVAL,
      .ret = -EINVAL, .reason = PVPERF_REASON_HOST },
    { "no thread", .events = { "cycles" }, .comm = "other\n", .ret = -EAGAIN, .reason = PVPERF_REASON_HOST },
    { "thread changes", .events = { "cycles" }, .renamed = true, .ret = -EAGAIN, .reason = PVPERF_REASON_HOST },
    { "thread changes with ring", .events = { "cycles" }, .ring = 1, .renamed = true,
      .ret = -EAGAIN, .reason = PVPERF_REASON_HOST },
    { "thread known", .events = { "cycles" }, .tid = 102 },
    { "thread known and changed", .events = { "cycles" }, .comm = "other\n", .tid = 102,
      .ret = -EAGAIN, .reason = PVPERF_REASON_HOST },
    { "another thread by now", .events = { "cycles" }, .tid = 101 },
    { "known thread gone", .events = { "cycles" }, .tid = 99 },
    { "ring of software", .events = { "vcpu-clock", "vcpu-switches" }, .ring = 1 },
    { "ring of hardware", .events = { "instructions", "cycles", "vcpu-clock" }, .ring = 1, .like = "instructions" },
    { "ring of both", .events = { "vcpu-clock", "raw", "cycles" }, .ring = 1, .like = "raw" },
    { "member before ring fails", .events = { "vcpu-clock", "cycles" }, .ring = 1, .fails = 2, .err = EINVAL,
      .ret = -EINVAL, .reason = PVPERF_REASON_HOST },
    { "ring fails", .events = { "vcpu-clock", "cycles" }, .ring = 1, .fails = 3, .err = EMFILE,
      .ret = -ENOMEM, .reason = PVPERF_REASON_RESOURCES },
};


/* An owner of a ring neither counts nor samples. */
static void
testRingOwner(const struct perf_event_attr *attr,
              const char *like)
{
    pvperfControlEvent event = { .modes = U };
    struct perf_event_attr plain = { .size = sizeof(plain), .type = PERF_TYPE_SOFTWARE, .disabled = 1 };

    plain.config = PERF_COUNT_SW_DUMMY;
    if (like) {
        event.event = pvperfEventFromName(like);
        event.raw_config = strcmp(like, "raw") == 0 ? 0x01c2 : 0;
        pvperfBrokerAttr(&event, true, &plain);
    }
    g_assert_cmpmem(attr, sizeof(*attr), &plain, sizeof(plain));
}


static void
testOpen(gconstpointer opaque)
{
    const typeof(openCases[0]) *c = opaque;
    char *proc = testDirNew();
    int pidfd = syscall(SYS_pidfd_open, getpid(), 0);
    pid_t tids[2] = { 0, c->tid };
    pvperfPolicy policy;
    const pvperfBrokerTarget target = {
        .proc = proc, .pid = 100, .pidfd = pidfd, .nr_vcpus = 2, .tids = tids, .policy = &policy,
        .open = testKernelOpen,
    };
    pvperfControlOpen request = { .vcpu = 1, .ring = c->ring };
    pvperfControlOpened answer = { .ret = 1 };
    int fds[PVPERF_BROKER_FDS];
    g_autofree char *comm = g_build_filename(proc, "100/task/102/comm", NULL);
    uint32_t i;

    testPolicy(&policy);
    testFile(proc, "100/task/101/comm", "CPU 0/KVM\n");
    testFile(proc, "100/task/102/comm", c->comm ? c->comm : "CPU 1/KVM\n");
    testFile(proc, "sys/kernel/perf_event_max_sample_rate", "2500\n");
    for (i = 0; i < G_N_ELEMENTS(c->events) && c->events[i]; i++)
        request.events[i] = (pvperfControlEvent) {
            .event = pvperfEventFromName(c->events[i]),
            .modes = U,
            .raw_config = strcmp(c->events[i], "raw") == 0 ? 0x01c2 : 0,
            .sample_period = c->ring ? 10000 : 0,
            .freq = c->ring,
        };
    request.count = i;
    memset(&kernel, 0, sizeof(kernel));
    kernel.tid = 102;
    kernel.fail_at = (int)c->fails - 1;
    kernel.err = c->err;
    kernel.last = request.count + c->ring;
    kernel.rename = c->renamed ? comm : NULL;

    pvperfBrokerOpen(&target, &request, &answer, fds);
    g_assert_cmpint(answer.ret, ==, c->ret);
    g_assert_cmpuint(answer.reason, ==, c->reason);
    g_assert_cmpuint(answer.failed, ==, c->err == EINVAL ? c->fails - 1 : 0);
    g_assert_cmpuint(answer.count, ==, c->ret ? 0 : request.count + c->ring);
    g_assert_cmpint(tids[0], ==, 0);
    g_assert_cmpint(tids[1], ==, c->comm ? 0 : 102);
    for (i = 0; i < answer.count; i++) {
        g_assert_cmpint(fds[i], ==, kernel.fds[i]);
        g_assert_cmpint(kernel.groups[i], ==, i == 0 || i == request.count ? -1 : fds[0]);
        if (i < request.count)
            g_assert_cmpuint(kernel.attrs[i].sample_period, ==, c->ring ? 2500 : 0);
        else
            testRingOwner(&kernel.attrs[i], c->like);
        close(fds[i]);
    }
    /* What was opened before a failure is closed again. */
    for (i = 0; i < kernel.opened; i++)
        g_assert_cmpint(fcntl(kernel.fds[i], F_GETFD), ==, -1);
    close(pidfd);
    testDirRemove(proc);
}


/* ---- capabilities ---- */

static const struct {
    int err;
    int paranoid;
    bool pmu;
    const char *virt;
    const char *text;
} explainCases[] = {
    { 0, 2, true, "none", "" },
    { ENOENT, 2, false, "kvm", "the host has no PMU: it is itself a guest (of kvm) without one" },
    { ENOENT, 2, false, "none", "the host has no PMU that its kernel knows" },
    { ENOENT, 2, true, "none", "the host's PMU has no such event" },
    { EOPNOTSUPP, 2, true, "none", "the host's KVM mediates the PMU and keeps guest-only events for itself" },
    { EOPNOTSUPP, 2, false, "none", "the host has no PMU that its kernel knows" },
    { ENOSYS, 2, true, "none", "the host's kernel has no perf" },
    { EACCES, 2, true, "none",
      "the daemon may not open it: kernel.perf_event_paranoid is 2, which asks for CAP_PERFMON; "
      "'sysctl kernel.perf_event_paranoid=1' does without" },
    { EACCES, 3, true, "none",
      "the daemon may not open it: kernel.perf_event_paranoid is 3, which asks for CAP_PERFMON and (Debian) "
      "CAP_SYS_ADMIN; 'sysctl kernel.perf_event_paranoid=2' lowers it" },
    { EBUSY, 2, true, "none", "perf_event_open says: Device or resource busy" },
};


static void
testExplain(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(explainCases); i++) {
        const pvperfHostFacts host = {
            .perf_event_paranoid = explainCases[i].paranoid,
            .has_pmu = explainCases[i].pmu,
            .virtualization = explainCases[i].virt,
        };
        g_autofree char *text = pvperfCapabilitiesExplain(&host, explainCases[i].err);

        g_assert_cmpstr(text, ==, explainCases[i].text);
    }
}


static int
testSoftwareOnly(struct perf_event_attr *attr,
                 pid_t tid,
                 int group_fd)
{
    return attr->type == PERF_TYPE_SOFTWARE ? dup(0) : -ENOENT;
}


static void
testProbe(void)
{
    pvperfCapabilities caps;
    g_autoptr(GVariant) dict = NULL;
    g_autoptr(GVariant) events = NULL;
    gboolean available;
    const char *why;

    pvperfCapabilitiesProbe(&caps, testSoftwareOnly);
    g_assert_cmpuint(caps.classes_available, ==, 1U << PVPERF_CLASS_VCPU);
    dict = g_variant_ref_sink(pvperfCapabilitiesFormat(&caps));
    events = g_variant_lookup_value(dict, "events", G_VARIANT_TYPE("a{s(bs)}"));
    g_assert_cmpuint(g_variant_n_children(events), ==, pvperfEventCount());
    g_assert_true(g_variant_lookup(events, "vcpu-clock", "(b&s)", &available, &why));
    g_assert_true(available);
    g_assert_cmpstr(why, ==, "");
    g_assert_true(g_variant_lookup(events, "cycles", "(b&s)", &available, &why));
    g_assert_false(available);
    g_assert_cmpstr(why, !=, "");
}


static void
testReal(void)
{
    const pvperfControlEvent event = { .event = pvperfEventFromName("vcpu-clock") };
    struct perf_event_attr attr;
    int fd;

    pvperfBrokerAttr(&event, true, &attr);
    fd = pvperfBrokerPerfEventOpen(&attr, 0, -1);
    if (fd == -EACCES || fd == -EPERM || fd == -ENOSYS) {
        g_test_skip("perf_event_open is not allowed here");
        return;
    }
    g_assert_cmpint(fd, >=, 0);
    close(fd);
}


int
main(int argc,
     char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/broker/attr", testAttr);
    g_test_add_func("/broker/attr-of-samplers", testSamplerAttr);
    g_test_add_func("/broker/frequency", testFrequency);
    g_test_add_func("/broker/errno", testErrno);
    g_test_add_func("/broker/check-period", testCheckPeriod);
    for (i = 0; i < G_N_ELEMENTS(checkCases); i++) {
        g_autofree char *path = g_strconcat("/broker/check/", checkCases[i].name, NULL);

        g_test_add_data_func(path, &checkCases[i], testCheck);
    }
    for (i = 0; i < G_N_ELEMENTS(openCases); i++) {
        g_autofree char *path = g_strconcat("/broker/open/", openCases[i].name, NULL);

        g_test_add_data_func(path, &openCases[i], testOpen);
    }
    g_test_add_func("/broker/real", testReal);
    g_test_add_func("/capabilities/explain", testExplain);
    g_test_add_func("/capabilities/probe", testProbe);
    return g_test_run();
}
