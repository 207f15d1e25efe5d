/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench_calls.h: what tests on a fakeBench say all the time, in few words.
 *
 * Each call asserts that it succeeds; a test that expects something else uses
 * fake_host.h itself. Events of begin() and openClock() are those of a driver
 * that samples: the row of one is its id.
 */
#pragma once

#include <glib.h>
#include <linux/perf_event.h>

#include "fake_host.h"

#define ENABLE KVM_PERF_OP_ENABLE
#define DISABLE KVM_PERF_OP_DISABLE
#define READ KVM_PERF_OP_READ
#define CLOSE KVM_PERF_OP_CLOSE

#define SAMPLING (1U << PVPERF_F_SAMPLING)
#define PERIOD 1000000ULL       /* of clocks, ns */
#define MS 1000000ULL
#define SECOND 1000000000ULL

/* A sampling event that is no clock. */
static const struct guest_perf_attr instructions G_GNUC_UNUSED = {
    .type = PERF_TYPE_HARDWARE,
    .config = PERF_COUNT_HW_INSTRUCTIONS,
    .sample_period = 100000,
};

static inline pvperfSampling *
sampling(void)
{
    return &bench.backend.table.sampling;
}


static inline struct guest_perf_event
slot(uint32_t row,
     uint32_t vcpu)
{
    return fakeGuestSlot(&bench.guest, row, vcpu);
}


static inline void
call(uint32_t area,
     uint32_t op,
     uint64_t id)
{
    g_assert_cmpint(fakeBenchCall(area, op, id).ret, ==, 0);
}


static inline void
closeEvent(int32_t id)
{
    call(fakeGuestControl(&bench.guest), CLOSE, id);
}


/* A bench with a driver that samples; 0: no limit. */
static inline void
begin(uint32_t nr_vcpus,
      uint64_t samples_sec)
{
    fakeBenchInit(nr_vcpus);
    g_assert_cmpint(fakeBenchHello(SAMPLING).ret, ==, 0);
    bench.backend.policy.total_samples_sec = samples_sec;
}


/* leader -1: alone. */
static inline void
openClock(int32_t id,
          int32_t leader)
{
    g_assert_cmpint(fakeBenchOpenSampler(id, id, leader, PERIOD).ret, ==, 0);
}


/* One overflow of a clock, in the guest's user space; false: it is off. */
static inline bool
overflow(int32_t id,
         uint32_t vcpu)
{
    return fakeBenchOverflow(fakeBenchFd(id, vcpu), PERIOD, PERF_RECORD_MISC_GUEST_USER, 0x1000);
}


static inline void
assertTimes(uint32_t row,
            uint64_t enabled,
            uint64_t lost)
{
    g_assert_cmpuint(slot(row, 0).time_enabled, ==, enabled);
    g_assert_cmpuint(slot(row, 0).time_lost, ==, lost);
}


static inline struct pvperf_result
openAttr(int32_t id,
         int32_t leader,
         struct guest_perf_attr attr)
{
    fakeOpen open = {
        .id = id, .row = id, .sibling = leader >= 0, .leader = leader, .attr = attr,
    };

    return fakeBenchOpen(&open);
}
