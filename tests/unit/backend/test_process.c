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
    return g_test_run();
}
