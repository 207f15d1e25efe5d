/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_broker.c: event -> attr, policy and errno as data; a group opened on
 * fixture threads with a kernel that the test plays; and one real open.
 */
#include "../../../src/qemu/pvperf_broker.h"

#include <errno.h>
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


/* ---- opening ---- */

static struct {
    pid_t tid;
    int fail_at;                /* member, -1: none */
    int err;
    unsigned int opened;
    int groups[PVPERF_MAX_GROUP];
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
    kernel.groups[kernel.opened++] = group_fd;
    if (kernel.rename && kernel.opened == kernel.last)
        g_assert_true(g_file_set_contents(kernel.rename, "worker\n", -1, NULL));
    fd = dup(0);
    g_assert_cmpint(fd, >=, 0);
    return fd;
}


static void
testOpen(gconstpointer opaque)
{
    const char *what = opaque;
    char *proc = testDirNew();
    int pidfd = syscall(SYS_pidfd_open, getpid(), 0);
    pvperfPolicy policy;
    const pvperfBrokerTarget target = {
        .proc = proc, .pid = 100, .pidfd = pidfd, .nr_vcpus = 2,
        .policy = &policy, .open = testKernelOpen,
    };
    pvperfControlOpen request = { .vcpu = 1, .count = 3 };
    pvperfControlOpened answer = { .ret = 1 };
    int fds[PVPERF_BROKER_FDS];
    g_autofree char *comm = g_build_filename(proc, "100/task/102/comm", NULL);
    int i;

    testPolicy(&policy);
    testFile(proc, "100/task/101/comm", "CPU 0/KVM\n");
    testFile(proc, "100/task/102/comm", strcmp(what, "no thread") == 0 ? "other\n" : "CPU 1/KVM\n");
    request.events[0].event = pvperfEventFromName("cycles");
    request.events[1].event = pvperfEventFromName("instructions");
    request.events[2].event = pvperfEventFromName("vcpu-clock");
    memset(&kernel, 0, sizeof(kernel));
    kernel.tid = 102;
    kernel.fail_at = strcmp(what, "third fails") == 0 ? 2 : -1;
    kernel.err = EINVAL;
    kernel.last = 3;
    kernel.rename = strcmp(what, "thread changes") == 0 ? comm : NULL;

    pvperfBrokerOpen(&target, &request, &answer, fds);
    if (strcmp(what, "good") == 0) {
        g_assert_cmpint(answer.ret, ==, 0);
        g_assert_cmpuint(answer.count, ==, 3);
        g_assert_cmpint(kernel.groups[0], ==, -1);
        g_assert_cmpint(kernel.groups[1], ==, fds[0]);
        g_assert_cmpint(kernel.groups[2], ==, fds[0]);
        for (i = 0; i < 3; i++)
            close(fds[i]);
    } else if (strcmp(what, "third fails") == 0) {
        g_assert_cmpint(answer.ret, ==, -EINVAL);
        g_assert_cmpuint(answer.failed, ==, 2);
        g_assert_cmpuint(answer.count, ==, 0);
    } else {
        g_assert_cmpint(answer.ret, ==, -EAGAIN);
        g_assert_cmpuint(answer.count, ==, 0);
    }
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
    static const char *const opens[] = { "good", "third fails", "no thread", "thread changes" };
    size_t i;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/broker/attr", testAttr);
    g_test_add_func("/broker/errno", testErrno);
    for (i = 0; i < G_N_ELEMENTS(checkCases); i++) {
        g_autofree char *path = g_strconcat("/broker/check/", checkCases[i].name, NULL);

        g_test_add_data_func(path, &checkCases[i], testCheck);
    }
    for (i = 0; i < G_N_ELEMENTS(opens); i++) {
        g_autofree char *path = g_strconcat("/broker/open/", opens[i], NULL);

        g_test_add_data_func(path, opens[i], testOpen);
    }
    g_test_add_func("/broker/real", testReal);
    g_test_add_func("/capabilities/explain", testExplain);
    g_test_add_func("/capabilities/probe", testProbe);
    return g_test_run();
}
