/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_window.c: the mapped window, copy-once reads, ordered writes.
 *
 * Called by everything in the backend that takes from or gives to the guest.
 * Trusts nothing in the window: each word the guest wrote is loaded once, by a
 * volatile or atomic load into the caller's memory. The memfd must be sealed
 * against shrinking, else a truncation would turn a load into SIGBUS.
 *
 * Each line has one writer (abi.h), so host lines need no atomic
 * read-modify-write; x86-64 and the __atomic builtins give the order.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/memfd.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "pvperf_window.h"

struct _pvperfWindow {
    uint8_t *base;
    uint64_t size;
    uint32_t nr_vcpus;
    int fd;
};

/* One VM, one window; static so that nothing is allocated for it. */
static pvperfWindow theWindow;

pvperfWindow *
pvperfWindowMap(int fd,
                uint64_t size,
                uint32_t nr_vcpus,
                const char **why)
{
    struct stat st;
    void *base;
    int seals;

    if (theWindow.base) {
        *why = "there is a window already";
        errno = EEXIST;
        return NULL;
    }
    if (size == 0 || size != pvperf_window_size(nr_vcpus)) {
        *why = "its size is not the one of a device with so many vectors";
        errno = EINVAL;
        return NULL;
    }
    if (fstat(fd, &st) < 0) {
        *why = "fstat failed";
        return NULL;
    }
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < size) {
        *why = "the memfd is smaller than the window";
        errno = EINVAL;
        return NULL;
    }
    seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || !(seals & F_SEAL_SHRINK)) {
        *why = "the memfd is not sealed against shrinking";
        errno = EINVAL;
        return NULL;
    }
    base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) {
        *why = "mmap failed";
        return NULL;
    }
    theWindow = (pvperfWindow) {
        .base = base,
        .size = size,
        .nr_vcpus = nr_vcpus,
        .fd = fd,
    };
    return &theWindow;
}


void
pvperfWindowUnmap(pvperfWindow *window)
{
    munmap(window->base, window->size);
    *window = (pvperfWindow) { 0 };
}


uint32_t
pvperfWindowVcpus(const pvperfWindow *window)
{
    return window->nr_vcpus;
}


static struct pvperf_area *
pvperfWindowArea(const pvperfWindow *window,
                 uint32_t area)
{
    return (struct pvperf_area *)(window->base + PVPERF_AREA_OFFSET(area));
}


static struct pvperf_worker_line *
pvperfWindowWorker(const pvperfWindow *window,
                   uint32_t worker)
{
    return (struct pvperf_worker_line *)(window->base + PVPERF_WORKERS_OFFSET) + worker;
}


/* Loads every word once, whatever the compiler thinks of memcpy. */
static void
pvperfWindowCopyOnce(void *to,
                     const void *from,
                     size_t bytes)
{
    const volatile uint64_t *src = from;
    uint64_t *dst = to;
    size_t i;

    for (i = 0; i < bytes / sizeof(*dst); i++)
        dst[i] = src[i];
}


uint32_t
pvperfWindowSubmitted(const pvperfWindow *window,
                      uint32_t area)
{
    return __atomic_load_n(&pvperfWindowArea(window, area)->submit.submitted,
                           __ATOMIC_ACQUIRE);
}


void
pvperfWindowCopyFrame(const pvperfWindow *window,
                      uint32_t area,
                      uint32_t n,
                      struct pvperf_frame *frame)
{
    pvperfWindowCopyOnce(frame,
                         &pvperfWindowArea(window, area)->frames[n % PVPERF_NR_FRAMES],
                         sizeof(*frame));
}


/* True if offset is that of a member, at position member, of a param of the
 * area. */
static bool
pvperfWindowInParam(uint32_t area,
                    uint64_t offset,
                    size_t member)
{
    uint64_t first = PVPERF_AREA_OFFSET(area) + offsetof(struct pvperf_area, params) + member;
    uint64_t distance = offset - first;

    return offset >= first &&
           distance % sizeof(struct pvperf_param) == 0 &&
           distance / sizeof(struct pvperf_param) < PVPERF_NR_PARAMS;
}


bool
pvperfWindowCopyParam(const pvperfWindow *window,
                      uint32_t area,
                      uint64_t offset,
                      struct guest_perf_event_param *param,
                      struct guest_perf_attr *attr)
{
    if (!pvperfWindowInParam(area, offset, offsetof(struct pvperf_param, param)))
        return false;
    pvperfWindowCopyOnce(param, window->base + offset, sizeof(*param));

    if (!pvperfWindowInParam(area, param->attr_addr, offsetof(struct pvperf_param, attr)))
        return false;
    pvperfWindowCopyOnce(attr, window->base + param->attr_addr, sizeof(*attr));
    return true;
}


int
pvperfWindowRow(const pvperfWindow *window,
                uint64_t offset)
{
    uint64_t first = PVPERF_SLOTS_OFFSET(window->nr_vcpus);
    uint64_t stride = window->nr_vcpus * PVPERF_SLOT_SIZE;
    uint64_t row = (offset - first) / stride;

    if (offset < first || (offset - first) % stride != 0 || row >= PVPERF_NR_ROWS)
        return -1;
    return row;
}


void
pvperfWindowWriteResult(pvperfWindow *window,
                        uint32_t area,
                        uint32_t n,
                        const struct pvperf_result *result)
{
    pvperfWindowArea(window, area)->results[n % PVPERF_NR_FRAMES] = *result;
}


void
pvperfWindowComplete(pvperfWindow *window,
                     uint32_t area,
                     uint32_t completed)
{
    __atomic_store_n(&pvperfWindowArea(window, area)->complete.completed,
                     completed, __ATOMIC_RELEASE);
}


void
pvperfWindowWriteSlot(pvperfWindow *window,
                      uint32_t row,
                      uint32_t vcpu,
                      struct guest_perf_event *values)
{
    struct guest_perf_event *slot = (struct guest_perf_event *)
        (window->base + PVPERF_SLOT_OFFSET(window->nr_vcpus, row, vcpu));

    __atomic_store_n(&slot->seq, values->seq + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    __atomic_store_n(&slot->count, values->count, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->overflows, values->overflows, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->time_enabled, values->time_enabled, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->time_lost, values->time_lost, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->period_sum, values->period_sum, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->state, values->state, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->error, values->error, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->throttles, values->throttles, __ATOMIC_RELAXED);
    values->seq += 2;
    __atomic_store_n(&slot->seq, values->seq, __ATOMIC_RELEASE);
}


uint32_t
pvperfWindowNmiHandled(const pvperfWindow *window,
                       uint32_t vcpu)
{
    /* What was written before is there for whoever sets it after this look. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(&pvperfWindowArea(window, vcpu)->submit.nmi_handled,
                           __ATOMIC_ACQUIRE);
}


void
pvperfWindowWriteSample(pvperfWindow *window,
                        uint32_t vcpu,
                        uint32_t n,
                        const struct pvperf_sample *sample)
{
    pvperfWindowArea(window, vcpu)->samples[n % PVPERF_NR_SAMPLES] = *sample;
}


void
pvperfWindowSamples(pvperfWindow *window,
                    uint32_t vcpu,
                    uint32_t head)
{
    __atomic_store_n(&pvperfWindowArea(window, vcpu)->complete.samples_head,
                     head, __ATOMIC_RELEASE);
}


void
pvperfWindowNmiSent(pvperfWindow *window,
                    uint32_t vcpu,
                    uint32_t sent)
{
    __atomic_store_n(&pvperfWindowArea(window, vcpu)->complete.nmi_sent,
                     sent, __ATOMIC_SEQ_CST);
}


void
pvperfWindowClearSlots(pvperfWindow *window)
{
    uint64_t first = PVPERF_SLOTS_OFFSET(window->nr_vcpus);
    uint64_t bytes = PVPERF_WINDOW_USED(window->nr_vcpus) - first;

    /* A hole reads as zero and costs neither side any memory. */
    if (fallocate(window->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, first, bytes) == 0)
        return;
    __builtin_memset(window->base + first, 0, bytes);
}


void
pvperfWindowWritePolicy(pvperfWindow *window,
                        struct pvperf_policy_line *line)
{
    struct pvperf_policy_line *to = &((struct pvperf_header *)window->base)->policy;

    __atomic_store_n(&to->seq, line->seq + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    __atomic_store_n(&to->classes_allowed, line->classes_allowed, __ATOMIC_RELAXED);
    __atomic_store_n(&to->classes_available, line->classes_available, __ATOMIC_RELAXED);
    __atomic_store_n(&to->max, line->max, __ATOMIC_RELAXED);
    __atomic_store_n(&to->open, line->open, __ATOMIC_RELAXED);
    __atomic_store_n(&to->per_vcpu, line->per_vcpu, __ATOMIC_RELAXED);
    __atomic_store_n(&to->refusals, line->refusals, __ATOMIC_RELAXED);
    __atomic_store_n(&to->last_refusal, line->last_refusal, __ATOMIC_RELAXED);
    __atomic_store_n(&to->last_refusal_limit, line->last_refusal_limit, __ATOMIC_RELAXED);
    __atomic_store_n(&to->min_period, line->min_period, __ATOMIC_RELAXED);
    line->seq += 2;
    __atomic_store_n(&to->seq, line->seq, __ATOMIC_RELEASE);
}


void
pvperfWindowWriteIdentity(pvperfWindow *window)
{
    ((struct pvperf_header *)window->base)->identity = (struct pvperf_identity) {
        .magic = PVPERF_MAGIC,
        .version_major = PVPERF_VERSION_MAJOR,
        .version_minor = PVPERF_VERSION_MINOR,
        .features = 1U << KVM_FEATURE_PV_PERF | 1U << PVPERF_F_SAMPLING,
        .window_size = window->size,
        .nr_vcpus = window->nr_vcpus,
    };
}


void
pvperfWindowWriteSession(pvperfWindow *window,
                         uint64_t session,
                         uint32_t state)
{
    struct pvperf_session *line = &((struct pvperf_header *)window->base)->session;

    __atomic_store_n(&line->state, state, __ATOMIC_RELAXED);
    __atomic_store_n(&line->session, session, __ATOMIC_RELEASE);
}


void
pvperfWindowWriteHeartbeat(pvperfWindow *window,
                           uint32_t worker,
                           uint64_t heartbeat)
{
    __atomic_store_n(&pvperfWindowWorker(window, worker)->heartbeat,
                     heartbeat, __ATOMIC_RELAXED);
}


void
pvperfWindowWriteNeedKick(pvperfWindow *window,
                          bool need_kick)
{
    uint32_t workers = (window->nr_vcpus + PVPERF_VCPUS_PER_WORKER - 1) / PVPERF_VCPUS_PER_WORKER;
    uint32_t w;

    for (w = 0; w < workers; w++)
        __atomic_store_n(&pvperfWindowWorker(window, w)->need_kick,
                         need_kick ? 1 : 0, __ATOMIC_RELAXED);
    if (need_kick)
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
