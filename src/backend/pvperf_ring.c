/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_ring.c: records out of a mapped perf ring.
 *
 * The layout of a sample is that of the attr which the daemon builds
 * (pvperfBrokerAttr): PERF_SAMPLE_IDENTIFIER, IP, PERIOD, and for clocks READ
 * with PERF_FORMAT_GROUP and both times. A record is copied before it is looked
 * at, because it may wrap.
 */
#include <linux/perf_event.h>
#include <string.h>

#include "pvperf_ring.h"

int
pvperfRingOpen(pvperfRing *ring,
               const pvperfHostperf *host,
               int fd)
{
    void *memory = NULL;
    int ret = host->map(fd, PVPERF_RING_MAPPED, &memory);

    if (ret < 0)
        return ret;
    *ring = (pvperfRing) { .fd = fd + 1, .memory = memory };
    return 0;
}


void
pvperfRingClose(pvperfRing *ring,
                const pvperfHostperf *host)
{
    if (!ring->fd)
        return;
    host->unmap(ring->memory, PVPERF_RING_MAPPED);
    host->close(ring->fd - 1);
    *ring = (pvperfRing) { 0 };
}


uint64_t
pvperfRingHead(const pvperfRing *ring)
{
    const struct perf_event_mmap_page *page = ring->memory;

    return __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE);
}


static uint64_t
pvperfRingWord(const pvperfRing *ring,
               uint64_t at)
{
    const uint8_t *data = (const uint8_t *)ring->memory + PVPERF_RING_CONTROL;

    return *(const uint64_t *)(data + at % PVPERF_RING_BYTES);
}


static void
pvperfRingParseSample(const uint64_t *words,
                      uint32_t n,
                      pvperfRecord *record)
{
    record->kind = PVPERF_RECORD_OVERFLOW;
    record->sample_id = words[0];
    record->ip = words[1];
    record->period = words[2];
    record->members = 0;
    if (n >= 6 && words[3] <= PVPERF_MAX_GROUP && words[3] <= n - 6) {
        record->members = words[3];
        memcpy(record->count, words + 6, record->members * sizeof(uint64_t));
    }
}


bool
pvperfRingNext(pvperfRing *ring,
               uint64_t head,
               pvperfRecord *record)
{
    uint64_t words[PVPERF_RING_RECORD_WORDS];
    union {
        uint64_t word;
        struct perf_event_header header;
    } start;
    uint32_t n;
    uint32_t i;

    if (head - ring->tail < sizeof(start) || head - ring->tail > PVPERF_RING_BYTES)
        return false;
    start.word = pvperfRingWord(ring, ring->tail);
    if (start.header.size < sizeof(start) || start.header.size > head - ring->tail)
        return false;

    n = start.header.size / sizeof(uint64_t) - 1;
    if (n > PVPERF_RING_RECORD_WORDS)
        n = PVPERF_RING_RECORD_WORDS;
    for (i = 0; i < n; i++)
        words[i] = pvperfRingWord(ring, ring->tail + (i + 1) * sizeof(uint64_t));
    ring->tail += start.header.size;

    record->kind = PVPERF_RECORD_OTHER;
    record->mode = start.header.misc & PERF_RECORD_MISC_CPUMODE_MASK;
    if (start.header.type == PERF_RECORD_SAMPLE && n >= 3) {
        pvperfRingParseSample(words, n, record);
    } else if ((start.header.type == PERF_RECORD_THROTTLE ||
                start.header.type == PERF_RECORD_UNTHROTTLE) && n >= 2) {
        record->kind = start.header.type == PERF_RECORD_THROTTLE ?
            PVPERF_RECORD_THROTTLED : PVPERF_RECORD_UNTHROTTLED;
        record->sample_id = words[1]; /* behind the time */
    }
    return true;
}


void
pvperfRingRelease(pvperfRing *ring)
{
    struct perf_event_mmap_page *page = ring->memory;

    __atomic_store_n(&page->data_tail, ring->tail, __ATOMIC_RELEASE);
}


uint32_t
pvperfRingRecordBytes(bool counts,
                      uint32_t members)
{
    return (4 + (counts ? 3 + members : 0)) * sizeof(uint64_t);
}
