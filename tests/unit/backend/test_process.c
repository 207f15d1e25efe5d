/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_process.c: a real pvperf-backend process with real software events.
 *
 * Its life (set-up, adoption, QEMU's end), what it costs when nothing happens,
 * and that counts come through. The exact arithmetic is test_serve.c's. The
 * program under test comes in PVPERF_BACKEND.
 */
#include <errno.h>
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fake_vm.h"

static const char *backend;

static void
burn(unsigned int ms)
{
    struct timespec ts;
    uint64_t end;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    end = ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000 + ms;
    do {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    } while (ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000 < end);
}


static fakeOpen
openClock(int32_t id,
          uint32_t row)
{
    return (fakeOpen) { .id = id, .row = row, .attr = fakeAttrVcpu(PVPERF_VCPU_CLOCK) };
}


static void
testCounts(void)
{
    fakeOpen open = openClock(7, 3);
    struct guest_perf_event before;
    struct guest_perf_event slot;
    pvperfControlStats stats;
    fakeVm vm;

    fakeVmStart(&vm, backend, 2);
    g_assert_cmpint(fakeVmOpen(&vm, &open).ret, ==, 0);
    g_assert_cmpint(fakeVmCall(&vm, 0, KVM_PERF_OP_ENABLE, 7).ret, ==, 0);
    burn(20);
    g_assert_cmpint(fakeVmCall(&vm, 0, KVM_PERF_OP_READ, 7).ret, ==, 0);
    before = fakeGuestSlot(&vm.guest, 3, 0);
    g_assert_cmpint(before.state, ==, PVPERF_SLOT_COUNTING);
    burn(20);
    g_assert_cmpint(fakeVmCall(&vm, 0, KVM_PERF_OP_DISABLE, 7).ret, ==, 0);
    slot = fakeGuestSlot(&vm.guest, 3, 0);
    g_assert_cmpint(slot.state, ==, PVPERF_SLOT_FINAL);
    g_assert_cmpint(slot.error, ==, 0);
    g_assert_cmpuint(slot.count, >, before.count);
    g_assert_cmpuint(slot.count, >=, 30 * 1000 * 1000);
    g_assert_cmpuint(slot.time_enabled - slot.time_lost, >=, 30 * 1000 * 1000);

    burn(5);
    g_assert_cmpuint(fakeGuestSlot(&vm.guest, 3, 0).count, ==, slot.count);
    g_assert_cmpint(fakeVmCall(&vm, fakeGuestControl(&vm.guest), KVM_PERF_OP_CLOSE, 7).ret, ==, 0);
    g_assert_cmpint(fakeGuestSlot(&vm.guest, 3, 0).state, ==, PVPERF_SLOT_CLOSED);

    g_assert_true(fakeVmStats(&vm, &stats));
    g_assert_cmpuint(stats.open, ==, 0);
    g_assert_cmpuint(stats.open_peak, ==, 1);
    g_assert_cmpuint(stats.ops[KVM_PERF_OP_OPEN], ==, 1);
    g_assert_cmpuint(stats.totals[pvperfEventFromName("vcpu-clock")].opened, ==, 1);
    g_assert_cmpuint(stats.totals[pvperfEventFromName("vcpu-clock")].count, ==, slot.count);
    g_assert_cmpint(fakeVmStop(&vm), ==, 0);
}



/* Groups of real events, and one that moves between areas. */
static void
testGroup(void)
{
    fakeOpen open = openClock(0, 0);
    fakeVm vm;
    int32_t i;

    fakeVmStart(&vm, backend, 2);
    for (i = 0; i < 3; i++) {
        open = (fakeOpen) { .id = i, .row = i, .sibling = i > 0, .leader = 0,
                            .attr = fakeAttrVcpu(i) };
        g_assert_cmpint(fakeVmOpen(&vm, &open).ret, ==, 0);
    }
    g_assert_cmpuint(vm.requests, ==, 3);
    for (i = 0; i < 3; i++)
        g_assert_cmpint(fakeVmCall(&vm, 1, KVM_PERF_OP_ENABLE, i).ret, ==, 0);
    g_assert_cmpuint(vm.requests, ==, 4);
    burn(10);
    usleep(2000);
    for (i = 0; i < 3; i++)
        g_assert_cmpint(fakeVmCall(&vm, 1, KVM_PERF_OP_DISABLE, i).ret, ==, 0);
    g_assert_cmpuint(fakeGuestSlot(&vm.guest, 0, 1).count, >=, 8 * 1000 * 1000);
    g_assert_cmpuint(fakeGuestSlot(&vm.guest, 1, 1).count, >=, 1);
    g_assert_cmpuint(fakeGuestSlot(&vm.guest, 0, 0).count, ==, 0);

    /* The leader goes first; a sibling counts on alone. */
    g_assert_cmpint(fakeVmCall(&vm, 1, KVM_PERF_OP_ENABLE, 0).ret, ==, 0);
    g_assert_cmpint(fakeVmCall(&vm, 1, KVM_PERF_OP_ENABLE, 1).ret, ==, 0);
    g_assert_cmpint(fakeVmCall(&vm, fakeGuestControl(&vm.guest), KVM_PERF_OP_CLOSE, 0).ret, ==, 0);
    usleep(2000);
    g_assert_cmpint(fakeVmCall(&vm, 1, KVM_PERF_OP_DISABLE, 1).ret, ==, 0);
    g_assert_cmpuint(fakeGuestSlot(&vm.guest, 1, 1).count, >=, 2);
    g_assert_cmpint(fakeVmStop(&vm), ==, 0);
}


static int
exitStatus(int status)
{
    return status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}


static void
testLife(void)
{
    fakeVm vm;

    /* The daemon goes before it has set anything up. */
    fakeVmSpawn(&vm, backend, 2);
    g_assert_cmpuint(vm.hello.set_up, ==, 0);
    fakeVmDisconnect(&vm);
    g_assert_cmpint(exitStatus(fakeVmWaitBackend(&vm)), ==, 1);
    fakeVmStop(&vm);

    /* QEMU ends. */
    fakeVmStart(&vm, backend, 2);
    g_assert_cmpint(fakeVmStop(&vm), ==, 0);

    /* The daemon stops the backend: the guest learns it at once. */
    fakeVmStart(&vm, backend, 2);
    kill(vm.backend, SIGTERM);
    g_assert_cmpint(fakeVmWaitBackend(&vm), ==, 0);
    g_assert_cmpuint(fakeGuestHeader(&vm.guest)->session.session, ==, 0);
    fakeVmStop(&vm);
}


/* The daemon dies and a new one adopts; what counts goes on counting. */
static void
testAdoption(void)
{
    fakeOpen open = openClock(1, 1);
    fakeVm vm;

    fakeVmStart(&vm, backend, 2);
    g_assert_cmpint(fakeVmOpen(&vm, &open).ret, ==, 0);
    g_assert_cmpint(fakeVmCall(&vm, 0, KVM_PERF_OP_ENABLE, 1).ret, ==, 0);
    fakeVmDisconnect(&vm);
    burn(10);
    g_assert_cmpint(fakeVmCall(&vm, 0, KVM_PERF_OP_READ, 1).ret, ==, 0);
    g_assert_cmpuint(fakeGuestSlot(&vm.guest, 1, 0).count, >, 0);

    /* Nobody opens anything now, and says so. */
    open.id = 2;
    open.row = 2;
    g_assert_cmpint(fakeVmOpen(&vm, &open).reason, ==, PVPERF_REASON_BROKER);
    g_assert_cmpint(fakeVmCall(&vm, 1, KVM_PERF_OP_ENABLE, 1).ret, ==, -EAGAIN);
    g_assert_cmpint(fakeGuestSlot(&vm.guest, 1, 1).state, ==, PVPERF_SLOT_REFUSED);

    fakeVmConnect(&vm);
    g_assert_cmpuint(vm.hello.set_up, ==, 1);
    g_assert_cmpuint(vm.hello.session, ==, vm.guest.session);
    g_assert_cmpint(fakeVmOpen(&vm, &open).ret, ==, 0);
    usleep(20000);
    g_assert_cmpint(fakeVmCall(&vm, 1, KVM_PERF_OP_ENABLE, 1).ret, ==, 0);

    /* One that comes while the old one is there takes its place. */
    fakeVmConnect(&vm);
    g_assert_cmpint(fakeVmCall(&vm, 0, KVM_PERF_OP_DISABLE, 1).ret, ==, 0);
    g_assert_cmpint(fakeVmStop(&vm), ==, 0);
}


/* A request that waits when a new daemon comes is refused; HELLO still is the first
 * thing that the new one hears. */
static void
testReplaced(void)
{
    fakeOpen open = openClock(1, 1);
    uint8_t packet[PVPERF_CONTROL_MAX];
    pvperfControlRefused refused;
    fakeVm vm;

    fakeVmStart(&vm, backend, 2);
    vm.broker = FAKE_BROKER_SILENT;
    fakeGuestPut(&vm.guest, fakeGuestControl(&vm.guest), fakeFrameOpen(&vm.guest, &open));
    fakeGuestPublish(&vm.guest, fakeGuestControl(&vm.guest));
    usleep(50000);
    fakeVmConnect(&vm);
    g_assert_true(fakeVmExpect(&vm, PVPERF_CONTROL_REFUSED, packet));
    memcpy(&refused, packet, sizeof(refused));
    g_assert_cmpuint(refused.reason, ==, PVPERF_REASON_BROKER);
    g_assert_cmpuint(refused.total, ==, 1);
    g_assert_cmpuint(refused.last.told, ==, 0);
    g_assert_cmpint(refused.last.event, ==, pvperfEventFromName("vcpu-clock"));
    g_assert_cmpint(fakeVmWait(&vm, fakeGuestControl(&vm.guest), 0).reason, ==, PVPERF_REASON_BROKER);
    g_assert_cmpint(fakeVmStop(&vm), ==, 0);
}


static void
testBrokers(void)
{
    fakeOpen open = openClock(1, 1);
    struct pvperf_result result;
    fakeVm vm;

    fakeVmStart(&vm, backend, 2);
    vm.broker = FAKE_BROKER_REFUSES;
    result = fakeVmOpen(&vm, &open);
    g_assert_cmpint(result.ret, ==, -EACCES);
    g_assert_cmpint(result.reason, ==, PVPERF_REASON_HOST_RIGHTS);

    /* One that says nothing is waited for, but not for ever; and nobody else
     * waits with it. */
    vm.broker = FAKE_BROKER_REAL;
    g_assert_cmpint(fakeVmOpen(&vm, &open).ret, ==, 0);
    vm.broker = FAKE_BROKER_SILENT;
    open.id = 2;
    open.row = 2;
    fakeGuestPut(&vm.guest, fakeGuestControl(&vm.guest), fakeFrameOpen(&vm.guest, &open));
    fakeGuestPublish(&vm.guest, fakeGuestControl(&vm.guest));
    g_assert_cmpint(fakeVmCall(&vm, 0, KVM_PERF_OP_ENABLE, 1).ret, ==, 0);
    result = fakeVmWait(&vm, fakeGuestControl(&vm.guest), 2);
    g_assert_cmpint(result.ret, ==, -EAGAIN);
    g_assert_cmpint(result.reason, ==, PVPERF_REASON_BROKER);
    g_assert_cmpint(fakeVmStop(&vm), ==, 0);
}


/* Messages that no daemon sends: the connection ends, counting goes on. */
static void
testBadMessages(void)
{
    static const pvperfControlHeader bad[] = {
        { .type = 0 },
        { .type = 99 },
        { .type = PVPERF_CONTROL_HELLO },
        { .type = PVPERF_CONTROL_SETUP },
        { .type = PVPERF_CONTROL_POLICY },
        { .type = PVPERF_CONTROL_GET_STATS, .size = 4 },
        { .type = PVPERF_CONTROL_GET_STATS, .size = 4096 },
        { .type = PVPERF_CONTROL_GET_STATS, .version = 9 },
    };
    pvperfControlIrqs irqs = { .h.type = PVPERF_CONTROL_IRQS, .first = UINT32_MAX, .count = 1 };
    pvperfControlSetup setup = { .h.type = PVPERF_CONTROL_SETUP };
    pvperfControlStats stats;
    fakeVm vm;
    size_t i;

    fakeVmStart(&vm, backend, 2);
    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        pvperfControlHeader message = bad[i];

        fakeVmSend(&vm, &message, sizeof(message), NULL, 0);
        fakeVmConnect(&vm);
        g_assert_true(fakeVmStats(&vm, &stats));
    }
    fakeVmSend(&vm, &irqs.h, sizeof(irqs), &vm.guest.doorbell_fd, 1);
    fakeVmConnect(&vm);
    fakeVmSend(&vm, &setup.h, sizeof(setup), NULL, 0);
    fakeVmConnect(&vm);
    irqs = (pvperfControlIrqs) { .h.type = PVPERF_CONTROL_IRQS, .first = 1, .count = 1 };
    fakeVmSend(&vm, &irqs.h, sizeof(irqs), &vm.guest.doorbell_fd, 1);
    g_assert_true(fakeVmStats(&vm, &stats));
    g_assert_cmpuint(stats.session, ==, vm.guest.session);
    g_assert_cmpint(fakeVmStop(&vm), ==, 0);

    /* A window of the wrong size never serves. */
    fakeVmSpawn(&vm, backend, 2);
    vm.guest.nr_vcpus = 4;
    fakeVmSetup(&vm);
    g_assert_cmpint(exitStatus(fakeVmWaitBackend(&vm)), ==, 1);
    fakeVmStop(&vm);
}


/* EVENTS of a real process, while they count. */
static void
testEvents(void)
{
    pvperfControlQuery query = { .h = { .type = PVPERF_CONTROL_QUERY, .cookie = 3 } };
    union {
        pvperfControlEvents events;
        uint8_t bytes[PVPERF_CONTROL_MAX];
    } packet;
    fakeOpen open = openClock(6, 6);
    fakeVm vm;

    fakeVmStart(&vm, backend, 2);
    g_assert_cmpint(fakeVmOpen(&vm, &open).ret, ==, 0);
    g_assert_cmpint(fakeVmCall(&vm, 1, KVM_PERF_OP_ENABLE, 6).ret, ==, 0);
    burn(5);
    fakeVmSend(&vm, &query.h, sizeof(query), NULL, 0);
    g_assert_true(fakeVmExpect(&vm, PVPERF_CONTROL_EVENTS, &packet));
    g_assert_cmpuint(packet.events.h.cookie, ==, 3);
    g_assert_cmpuint(packet.events.count, ==, 1);
    g_assert_cmpuint(packet.events.cursor, ==, 0);
    g_assert_cmpint(packet.events.records[0].id, ==, 6);
    g_assert_cmpuint(packet.events.records[0].vcpu, ==, 1);
    g_assert_cmpuint(packet.events.records[0].state, ==, PVPERF_SLOT_COUNTING);
    g_assert_cmpuint(packet.events.records[0].count, >=, 4 * 1000 * 1000);
    g_assert_cmpint(fakeVmStop(&vm), ==, 0);
}


/* A number from a file of /proc of the backend, in the file's own unit. */
static uint64_t
procNumber(pid_t pid,
           const char *file,
           const char *key)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int)pid, file);
    g_autofree char *text = NULL;
    const char *line;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    line = strstr(text, key);
    g_assert_nonnull(line);
    return strtoull(line + strlen(key), NULL, 10);
}


/* Nothing open, or open and not counting: no wake-up in a second. */
static void
testIdle(void)
{
    fakeOpen open = openClock(1, 1);
    uint64_t before;
    fakeVm vm;
    int i;

    fakeVmStart(&vm, backend, 2);
    for (i = 0; i < 2; i++) {
        usleep(50000);
        before = procNumber(vm.backend, "status", "\nvoluntary_ctxt_switches:");
        usleep(1100000);
        g_assert_cmpuint(procNumber(vm.backend, "status", "\nvoluntary_ctxt_switches:"),
                         ==, before);
        if (i == 0)
            g_assert_cmpint(fakeVmOpen(&vm, &open).ret, ==, 0);
    }
    g_assert_cmpint(fakeVmStop(&vm), ==, 0);
}


/* PSS in use: 64 vCPUs, 128 events, each counted on several of them. */
static void
testMemory(void)
{
    static const uint32_t vcpus[] = { 2, 64 };
    size_t k;
    int32_t i;

    if (g_getenv("PVPERF_SANITIZED")) {
        g_test_skip("the sanitizers' own memory would be measured");
        return;
    }
    for (k = 0; k < G_N_ELEMENTS(vcpus); k++) {
        uint64_t pss;
        fakeVm vm;

        fakeVmStart(&vm, backend, vcpus[k]);
        for (i = 0; i < 128; i++) {
            fakeOpen open = openClock(i, i);

            g_assert_cmpint(fakeVmOpen(&vm, &open).ret, ==, 0);
            g_assert_cmpint(fakeVmCall(&vm, i % vcpus[k], KVM_PERF_OP_ENABLE, i).ret, ==, 0);
            g_assert_cmpint(fakeVmCall(&vm, i % vcpus[k], KVM_PERF_OP_DISABLE, i).ret, ==, 0);
        }
        pss = procNumber(vm.backend, "smaps_rollup", "\nPss:");
        g_test_message("%u vCPUs, 128 events: PSS %" G_GUINT64_FORMAT " KiB, private %"
                       G_GUINT64_FORMAT " KiB, window shared with the VM included",
                       vcpus[k], pss,
                       procNumber(vm.backend, "smaps_rollup", "\nPrivate_Dirty:"));
        g_assert_cmpuint(pss, <=, 2048);
        g_assert_cmpint(fakeVmStop(&vm), ==, 0);
    }
}


/* What it gave up. */
static char *
procLink(pid_t pid,
         const char *file)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", pid, file);

    return g_file_read_link(path, NULL);
}


/* Of what kinds its fds are, behind the standard three. */
static void
checkFds(pid_t pid)
{
    static const char *const kinds[] = {
        "socket:", "anon_inode:[eventpoll]", "anon_inode:[signalfd]", "anon_inode:[eventfd]",
        "anon_inode:[pidfd]", "pidfd:", "anon_inode:[perf_event]", "/memfd:",
    };
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", pid);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *file = g_strconcat("fd/", name, NULL);
        g_autofree char *to = procLink(pid, file);
        bool known = g_ascii_strtoull(name, NULL, 10) <= STDERR_FILENO;
        size_t i;

        for (i = 0; !known && i < G_N_ELEMENTS(kinds); i++)
            known = g_str_has_prefix(to, kinds[i]);
        if (!known)
            g_error("fd %s is %s", name, to);
    }
}


static void
checkNamespaces(pid_t pid)
{
    static const char *const files[] = { "ns/mnt", "ns/net", "ns/ipc", "ns/uts" };
    g_autofree char *root = g_strdup_printf("/proc/%d/root", pid);
    g_autoptr(GDir) dir = NULL;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *its = procLink(pid, files[i]);
        g_autofree char *ours = procLink(getpid(), files[i]);

        g_assert_nonnull(its);
        g_assert_cmpstr(its, !=, ours);
    }
    dir = g_dir_open(root, 0, NULL);
    g_assert_nonnull(dir);
    g_assert_null(g_dir_read_name(dir));
}


static void
testIsolation(void)
{
    static const char *const sets[] = { "\nCapEff:", "\nCapPrm:", "\nCapInh:", "\nCapAmb:" };
    bool filtered = !g_getenv("PVPERF_SECCOMP");
    fakeOpen open = openClock(7, 3);
    fakeVm vm;
    size_t i;

    fakeVmStart(&vm, backend, 2);
    g_assert_cmpint(fakeVmOpen(&vm, &open).ret, ==, 0);
    for (i = 0; i < G_N_ELEMENTS(sets); i++)
        g_assert_cmpuint(procNumber(vm.backend, "status", sets[i]), ==, 0);
    g_assert_cmpuint(procNumber(vm.backend, "status", "\nNoNewPrivs:"), ==, 1);
    g_assert_cmpuint(procNumber(vm.backend, "status", "\nSeccomp:"), ==, filtered ? 2 : 0);
    if (getuid() == 0) {
        g_assert_cmpuint(procNumber(vm.backend, "status", "\nCapBnd:"), ==, 0);
        checkFds(vm.backend);
        checkNamespaces(vm.backend);
    }
    g_assert_cmpint(fakeVmStop(&vm), ==, 0);
}


/* A guest that scribbles over its window while the backend serves it: the
 * backend lives, stays answerable, and serves the next honest driver. */
static void
testScribbler(void)
{
    g_autoptr(GRand) dice = g_rand_new_with_seed(20100621);
    fakeOpen open = openClock(1, 1);
    pvperfControlStats stats;
    fakeVm vm;
    int i;

    fakeVmStart(&vm, backend, 2);
    for (i = 0; i < 20000; i++) {
        uint32_t area = g_rand_int_range(dice, 0, 3);
        struct pvperf_area *to = fakeGuestArea(&vm.guest, area);
        uint32_t word = g_rand_int_range(dice, 0, sizeof(*to) / 4);

        ((volatile uint32_t *)to)[word] = g_rand_int(dice);
        if (i % 16 == 0) {
            vm.guest.submitted[area] += g_rand_int_range(dice, 0, 100);
            fakeGuestPublish(&vm.guest, area);
        }
        fakeVmServe(&vm, 0, NULL);
    }
    fakeVmSendSession(&vm, 0x4e57);
    for (i = 0; i < 3; i++)
        vm.guest.submitted[i] = fakeGuestArea(&vm.guest, i)->complete.completed;
    g_assert_cmpint(fakeVmOpen(&vm, &open).ret, ==, 0);
    g_assert_true(fakeVmStats(&vm, &stats));
    g_assert_cmpuint(stats.session, ==, 0x4e57);
    g_assert_cmpint(fakeVmStop(&vm), ==, 0);
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);
    backend = g_getenv("PVPERF_BACKEND");
    if (!backend) {
        fprintf(stderr, "PVPERF_BACKEND is not set; `meson test` sets it\n");
        return 99;
    }

    g_test_add_func("/process/counts", testCounts);
    g_test_add_func("/process/group", testGroup);
    g_test_add_func("/process/life", testLife);
    g_test_add_func("/process/adoption", testAdoption);
    g_test_add_func("/process/brokers", testBrokers);
    g_test_add_func("/process/replaced", testReplaced);
    g_test_add_func("/process/bad-messages", testBadMessages);
    g_test_add_func("/process/events", testEvents);
    g_test_add_func("/process/idle", testIdle);
    g_test_add_func("/process/memory", testMemory);
    g_test_add_func("/process/isolation", testIsolation);
    g_test_add_func("/process/scribbler", testScribbler);
    return g_test_run();
}
