/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake_guest.c: a driver's half of abi.h.
 *
 * Dies with a message on anything that goes wrong on its own side: a test
 * cannot go on without its window.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake_guest.h"

struct guest_perf_attr
fakeAttrVcpu(enum pvperf_vcpu_event event)
{
    return (struct guest_perf_attr) {
        .type = PVPERF_TYPE_VCPU,
        .config = event,
        .flags = PVPERF_ATTR_EXCLUDE_GUEST,
    };
}


void
fakeGuestInit(fakeGuest *guest,
              uint32_t nr_vcpus)
{
    uint64_t size = pvperf_window_size(nr_vcpus);
    int fd = memfd_create("pvperf", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0 || ftruncate(fd, size) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        err(99, "window");
    *guest = (fakeGuest) {
        .window_fd = fd,
        .doorbell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
        .size = size,
        .nr_vcpus = nr_vcpus,
        .submitted = calloc(nr_vcpus + 1, sizeof(uint32_t)),
    };
    if (guest->doorbell_fd < 0 || guest->base == MAP_FAILED || !guest->submitted)
        err(99, "guest");
}


void
fakeGuestFree(fakeGuest *guest)
{
    munmap(guest->base, guest->size);
    close(guest->window_fd);
    close(guest->doorbell_fd);
    free(guest->submitted);
}


struct pvperf_header *
fakeGuestHeader(const fakeGuest *guest)
{
    return (struct pvperf_header *)guest->base;
}


struct pvperf_area *
fakeGuestArea(const fakeGuest *guest,
              uint32_t area)
{
    return (struct pvperf_area *)(guest->base + PVPERF_AREA_OFFSET(area));
}


uint32_t
fakeGuestControl(const fakeGuest *guest)
{
    return PVPERF_CONTROL_AREA(guest->nr_vcpus);
}


struct guest_perf_event
fakeGuestSlot(const fakeGuest *guest,
              uint32_t row,
              uint32_t vcpu)
{
    volatile struct guest_perf_event *slot = (struct guest_perf_event *)
        (guest->base + PVPERF_SLOT_OFFSET(guest->nr_vcpus, row, vcpu));
    struct guest_perf_event copy;
    uint32_t seq;

    do {
        seq = __atomic_load_n(&slot->seq, __ATOMIC_ACQUIRE);
        copy = *slot;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while ((seq & 1) || slot->seq != seq);
    return copy;
}


struct pvperf_frame
fakeFrame(uint32_t op,
          uint64_t id)
{
    return (struct pvperf_frame) {
        .nr = KVM_PERF_OP,
        .a0 = op,
        .a1 = id,
    };
}


struct pvperf_frame
fakeFrameOpen(fakeGuest *guest,
              const fakeOpen *open)
{
    uint32_t area = fakeGuestControl(guest);
    uint32_t n = guest->submitted[area] % PVPERF_NR_PARAMS;
    struct pvperf_param *param = &fakeGuestArea(guest, area)->params[n];
    uint64_t offset = (uint8_t *)param - guest->base;

    param->param = (struct guest_perf_event_param) {
        .attr_addr = offset + __builtin_offsetof(struct pvperf_param, attr),
        .guest_event_addr = PVPERF_SLOT_OFFSET(guest->nr_vcpus, open->row, 0),
        .id = open->id,
    };
    param->attr = open->attr;
    return (struct pvperf_frame) {
        .nr = KVM_PERF_OP,
        .a0 = KVM_PERF_OP_OPEN,
        .a1 = (uint32_t)offset,
        .a2 = offset >> 32,
        .a3 = PVPERF_OPEN_A3(open->sibling ? open->leader : PVPERF_OPEN_NO_LEADER,
                             open->bound, open->vcpu),
    };
}


uint32_t
fakeGuestPut(fakeGuest *guest,
             uint32_t area,
             struct pvperf_frame frame)
{
    uint32_t n = guest->submitted[area]++;

    if (!frame.session)
        frame.session = guest->session;
    fakeGuestArea(guest, area)->frames[n % PVPERF_NR_FRAMES] = frame;
    return n;
}


void
fakeGuestPublish(fakeGuest *guest,
                 uint32_t area)
{
    uint32_t worker = area == fakeGuestControl(guest) ? 0 : area / PVPERF_VCPUS_PER_WORKER;
    struct pvperf_worker_line *line =
        (struct pvperf_worker_line *)(guest->base + PVPERF_WORKERS_OFFSET) + worker;
    uint64_t one = 1;

    __atomic_store_n(&fakeGuestArea(guest, area)->submit.submitted,
                     guest->submitted[area], __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&line->need_kick, __ATOMIC_RELAXED))
        return;
    if (write(guest->doorbell_fd, &one, sizeof(one)) != sizeof(one))
        err(99, "doorbell");
    guest->rings++;
}


bool
fakeGuestDone(const fakeGuest *guest,
              uint32_t area,
              uint32_t n)
{
    uint32_t completed = __atomic_load_n(&fakeGuestArea(guest, area)->complete.completed,
                                         __ATOMIC_ACQUIRE);

    return (int32_t)(completed - n) > 0;
}


struct pvperf_result
fakeGuestResult(const fakeGuest *guest,
                uint32_t area,
                uint32_t n)
{
    return fakeGuestArea(guest, area)->results[n % PVPERF_NR_FRAMES];
}
