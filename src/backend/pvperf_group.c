/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_group.c: the page, its sums and its clocks.
 *
 * A clock is a theoretical arrival time: each use moves it on by what one use
 * takes at the limit's rate, and how far it is ahead of now says how much of
 * the burst is used. It is moved by compare and exchange, so no use is lost
 * between two backends, and it is never believed further ahead than a full
 * bucket. Two backends that look at the same moment may both grant the last
 * samples; what is taken is charged all the same, and less is granted after it.
 *
 * Where there are fewer samples than samplers that wait, VMs take turns: the
 * one that got something longest ago comes first.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "pvperf_budget.h"
#include "pvperf_group.h"
#include "pvperf_policy_check.h"

#define PVPERF_TICKS_PER_NS 16ULL
#define PVPERF_TICKS_PER_SEC (PVPERF_TICKS_PER_NS * 1000000000ULL)

/* Two years: so that no sum of times overflows. */
#define PVPERF_DEPTH_MAX (1ULL << 60)

/* Looks, one in 10 ms as a rule. */
#define PVPERF_GROUP_YIELDS 10


static pvperfGroupBucket
pvperfGroupBucketOf(uint64_t rate,
                    uint64_t size)
{
    pvperfGroupBucket bucket = { 0, 0 };

    if (rate) {
        bucket.each = PVPERF_TICKS_PER_SEC / pvperfBudgetMin(rate, PVPERF_TICKS_PER_SEC);
        bucket.depth = bucket.each * pvperfBudgetMin(size, PVPERF_DEPTH_MAX / bucket.each);
    }
    return bucket;
}


/* The buckets of samples, as large as those of a VM's own budget. */
static pvperfGroupBucket
pvperfGroupSamplesBucket(const pvperfGroupLimits *limits)
{
    return pvperfGroupBucketOf(limits->total_samples_sec,
                               pvperfBudgetSize(limits->total_samples_sec, limits->total_samples_sec_max,
                                                limits->total_samples_sec_max_length));
}


static pvperfGroupBucket
pvperfGroupBurstBucket(const pvperfGroupLimits *limits)
{
    return pvperfGroupBucketOf(limits->total_samples_sec_max,
                               pvperfBudgetSize(limits->total_samples_sec_max, 0, 0));
}


static pvperfGroupBucket
pvperfGroupRequestsBucket(const pvperfGroupLimits *limits)
{
    uint64_t rate = limits->requests_sec;
    uint64_t size = rate / PVPERF_RATE_BURST_PART;

    return pvperfGroupBucketOf(rate, size < PVPERF_RATE_BURST_MIN ? PVPERF_RATE_BURST_MIN : size);
}


/* What the clock shows, within what it may show. */
static uint64_t
pvperfGroupClock(uint64_t shown,
                 const pvperfGroupBucket *bucket,
                 uint64_t now)
{
    if (shown < now)
        return now;
    return pvperfBudgetMin(shown, now + 2 * bucket->depth);
}


/* Moves a clock on by one use unless it would then be more than @depth ahead. */
static bool
pvperfGroupAdvance(uint64_t *clock,
                   const pvperfGroupBucket *bucket,
                   uint64_t depth,
                   uint64_t now)
{
    uint64_t shown = __atomic_load_n(clock, __ATOMIC_RELAXED);
    uint64_t next;

    do {
        next = pvperfGroupClock(shown, bucket, now) + bucket->each;
        if (next > now + depth)
            return false;
    } while (!__atomic_compare_exchange_n(clock, &shown, next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return true;
}


static pvperfGroupLine *
pvperfGroupOwn(const pvperfGroup *group)
{
    return &group->page->lines[group->member];
}


static uint32_t
pvperfGroupLines(const pvperfGroup *group)
{
    return pvperfBudgetMin(__atomic_load_n(&group->page->nmembers, __ATOMIC_RELAXED), PVPERF_GROUP_MEMBERS);
}


/* ---- In and out ------------------------------------------------------------------------ */

static pvperfGroupPage *
pvperfGroupMap(int fd)
{
    struct stat st;
    void *page;

    if (fstat(fd, &st) < 0)
        return NULL;
    if (st.st_size != sizeof(pvperfGroupPage)) {
        errno = EINVAL;
        return NULL;
    }
    page = mmap(NULL, sizeof(pvperfGroupPage), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return page == MAP_FAILED ? NULL : page;
}


bool
pvperfGroupJoin(pvperfGroup *group,
                int fd,
                uint32_t member,
                const pvperfGroupLimits *limits)
{
    pvperfGroupPage *page = fd < 0 ? group->page : pvperfGroupMap(fd);

    if (!page) {
        errno = fd < 0 ? EINVAL : errno;
        return false;
    }
    if (page != group->page)
        pvperfGroupLeave(group);
    group->page = page;
    group->member = member;
    group->limits = *limits;
    group->samples = pvperfGroupSamplesBucket(limits);
    group->burst = pvperfGroupBurstBucket(limits);
    group->requests = pvperfGroupRequestsBucket(limits);
    return true;
}


void
pvperfGroupLeave(pvperfGroup *group)
{
    if (!group->page)
        return;
    pvperfGroupOpen(group, 0);
    pvperfGroupGranted(group, 0, 0, false);
    munmap(group->page, sizeof(*group->page));
    memset(group, 0, sizeof(*group));
}


/* ---- Open events ----------------------------------------------------------------------- */

void
pvperfGroupOpen(pvperfGroup *group,
                uint32_t open)
{
    if (group->page && pvperfGroupOwn(group)->open != open)
        __atomic_store_n(&pvperfGroupOwn(group)->open, open, __ATOMIC_SEQ_CST);
}


bool
pvperfGroupReserve(pvperfGroup *group,
                   uint32_t open)
{
    uint64_t sum = 0;
    uint32_t i;

    if (!group->page)
        return true;
    /* Say so first and look then: of two at once both may be refused, and the
     * sum is never above the limit. */
    pvperfGroupOpen(group, open + 1);
    for (i = 0; i < pvperfGroupLines(group); i++)
        sum += __atomic_load_n(&group->page->lines[i].open, __ATOMIC_SEQ_CST);
    if (group->limits.max == 0 || sum <= group->limits.max)
        return true;
    pvperfGroupOpen(group, open);
    return false;
}


/* ---- Requests -------------------------------------------------------------------------- */

bool
pvperfGroupCharge(pvperfGroup *group,
                  uint64_t now,
                  bool insist)
{
    const pvperfGroupBucket *bucket = &group->requests;
    uint64_t ticks = now * PVPERF_TICKS_PER_NS;

    if (!group->page)
        return true;
    pvperfGroupOwn(group)->requests++;
    if (!bucket->each || pvperfGroupAdvance(&group->page->requests, bucket, bucket->depth, ticks))
        return true;
    if (insist)
        pvperfGroupAdvance(&group->page->requests, bucket, 2 * bucket->depth, ticks);
    return insist;
}


/* ---- Samples --------------------------------------------------------------------------- */

/* Uses that are left until a clock is as far ahead as it may be. */
static uint64_t
pvperfGroupLeft(const uint64_t *clock,
                const pvperfGroupBucket *bucket,
                uint64_t now)
{
    uint64_t ahead;

    if (!bucket->each)
        return UINT64_MAX;
    ahead = pvperfGroupClock(__atomic_load_n(clock, __ATOMIC_RELAXED), bucket, now) - now;
    return ahead < bucket->depth ? (bucket->depth - ahead) / bucket->each : 0;
}


/* What is there of other members: grants they hold, samplers that wait, and
 * whether one of those has had its last turn before ours. */
static uint64_t
pvperfGroupOthers(const pvperfGroup *group,
                  uint32_t *waiting,
                  bool *before)
{
    uint32_t turn = pvperfGroupOwn(group)->turn;
    uint64_t granted = 0;
    uint32_t i;

    *waiting = 0;
    *before = false;
    for (i = 0; i < pvperfGroupLines(group); i++) {
        const pvperfGroupLine *line = &group->page->lines[i];
        uint32_t waits = __atomic_load_n(&line->waiting, __ATOMIC_RELAXED);

        if (i == group->member)
            continue;
        granted += __atomic_load_n(&line->granted, __ATOMIC_RELAXED);
        *waiting += waits;
        if (waits && (int32_t)(__atomic_load_n(&line->turn, __ATOMIC_RELAXED) - turn) < 0)
            *before = true;
    }
    return granted;
}


uint64_t
pvperfGroupSamplesFree(pvperfGroup *group,
                       uint32_t granted,
                       uint64_t now,
                       uint32_t *waiting)
{
    uint64_t taken;
    uint64_t free;
    bool before;

    *waiting = 0;
    if (!group->page || group->limits.total_samples_sec == 0)
        return UINT64_MAX;
    now *= PVPERF_TICKS_PER_NS;
    taken = granted + pvperfGroupOthers(group, waiting, &before);
    free = pvperfBudgetMin(pvperfGroupLeft(&group->page->samples, &group->samples, now),
                           pvperfGroupLeft(&group->page->burst, &group->burst, now));
    free = free > taken ? free - taken : 0;
    /* One that does not come for its turn holds up nobody for long. */
    if (free > *waiting || !before || ++group->yields > PVPERF_GROUP_YIELDS)
        return free;
    return 0;
}


void
pvperfGroupGranted(pvperfGroup *group,
                   uint32_t granted,
                   uint32_t waiting,
                   bool turn)
{
    pvperfGroupLine *line;

    if (!group->page)
        return;
    line = pvperfGroupOwn(group);
    if (line->granted != granted)
        __atomic_store_n(&line->granted, granted, __ATOMIC_RELAXED);
    if (line->waiting != waiting)
        __atomic_store_n(&line->waiting, waiting, __ATOMIC_RELAXED);
    if (!turn)
        return;
    group->yields = 0;
    __atomic_store_n(&line->turn, __atomic_add_fetch(&group->page->turns, 1, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}


void
pvperfGroupSample(pvperfGroup *group,
                  uint64_t now)
{
    if (!group->page)
        return;
    pvperfGroupOwn(group)->overflows++;
    now *= PVPERF_TICKS_PER_NS;
    if (group->samples.each)
        pvperfGroupAdvance(&group->page->samples, &group->samples, 2 * group->samples.depth, now);
    if (group->burst.each)
        pvperfGroupAdvance(&group->page->burst, &group->burst, 2 * group->burst.depth, now);
}
