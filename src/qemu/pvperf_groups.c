/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_groups.c: pages and seats.
 *
 * A page is a sealed memfd, so that no member can take memory away from under
 * the others. The lowest line is given that nobody has and whose member, if it
 * has left for another group, has cleared it; a line whose process is gone is
 * cleared here. The sums of members that are gone are kept.
 */
#include "pvperf_groups.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gio/gio.h>

#include "../backend/pvperf_group.h"

typedef struct _pvperfHostGroup pvperfHostGroup;
struct _pvperfHostGroup {
    pvperfGroups *groups;
    char *name;
    int fd;
    pvperfGroupPage *page;
    bool taken[PVPERF_GROUP_MEMBERS];
    pvperfGroupUse gone;        /* overflows and requests of members that are gone */
    unsigned int members;
};

struct _pvperfGroups {
    GHashTable *by_name;
};

struct _pvperfSeat {
    pvperfHostGroup *group;
    uint32_t number;
};


static void
pvperfHostGroupFree(pvperfHostGroup *group)
{
    if (group->page)
        munmap(group->page, sizeof(*group->page));
    if (group->fd >= 0)
        close(group->fd);
    g_free(group->name);
    g_free(group);
}


static bool
pvperfHostGroupMap(pvperfHostGroup *group)
{
    void *page;

    group->fd = memfd_create("pvperf-group", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (group->fd < 0 || ftruncate(group->fd, sizeof(pvperfGroupPage)) < 0 ||
        fcntl(group->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return false;
    page = mmap(NULL, sizeof(pvperfGroupPage), PROT_READ | PROT_WRITE, MAP_SHARED, group->fd, 0);
    if (page == MAP_FAILED)
        return false;
    group->page = page;
    return true;
}


static pvperfHostGroup *
pvperfHostGroupGet(pvperfGroups *groups,
                   const char *name,
                   GError **error)
{
    pvperfHostGroup *group = g_hash_table_lookup(groups->by_name, name);

    if (group)
        return group;
    group = g_new0(pvperfHostGroup, 1);
    group->groups = groups;
    group->name = g_strdup(name);
    if (!pvperfHostGroupMap(group)) {
        int err = errno;

        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(err),
                    "no memory to share in group '%s': %s", name, g_strerror(err));
        pvperfHostGroupFree(group);
        return NULL;
    }
    g_hash_table_insert(groups->by_name, group->name, group);
    return group;
}


pvperfGroups *
pvperfGroupsNew(void)
{
    pvperfGroups *groups = g_new0(pvperfGroups, 1);

    groups->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)pvperfHostGroupFree);
    return groups;
}


void
pvperfGroupsFree(pvperfGroups *groups)
{
    if (!groups)
        return;
    g_hash_table_unref(groups->by_name);
    g_free(groups);
}


/* ---- seats ---- */

static bool
pvperfHostGroupFreeLine(const pvperfHostGroup *group,
                        uint32_t number)
{
    const pvperfGroupLine *line = &group->page->lines[number];

    return !group->taken[number] &&
        __atomic_load_n(&line->open, __ATOMIC_RELAXED) == 0 &&
        __atomic_load_n(&line->granted, __ATOMIC_RELAXED) == 0 &&
        __atomic_load_n(&line->waiting, __ATOMIC_RELAXED) == 0;
}


pvperfSeat *
pvperfSeatTake(pvperfGroups *groups,
               const char *name,
               GError **error)
{
    pvperfHostGroup *group = pvperfHostGroupGet(groups, name, error);
    pvperfSeat *seat;
    uint32_t number = 0;

    if (!group)
        return NULL;
    while (number < PVPERF_GROUP_MEMBERS && !pvperfHostGroupFreeLine(group, number))
        number++;
    if (number == PVPERF_GROUP_MEMBERS) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
                    "group '%s' has %u running domains; allowed: up to %u",
                    name, group->members, PVPERF_GROUP_MEMBERS);
        return NULL;
    }
    group->taken[number] = true;
    group->members++;
    if (group->page->nmembers <= number)
        __atomic_store_n(&group->page->nmembers, number + 1, __ATOMIC_RELEASE);

    seat = g_new0(pvperfSeat, 1);
    seat->group = group;
    seat->number = number;
    return seat;
}


void
pvperfSeatLeave(pvperfSeat *seat,
                bool ended)
{
    pvperfHostGroup *group;
    pvperfGroupLine *line;

    if (!seat)
        return;
    group = seat->group;
    line = &group->page->lines[seat->number];
    group->gone.overflows += line->overflows;
    group->gone.requests += line->requests;
    line->overflows = 0;
    line->requests = 0;
    if (ended) {
        __atomic_store_n(&line->open, 0, __ATOMIC_SEQ_CST);
        __atomic_store_n(&line->granted, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&line->waiting, 0, __ATOMIC_RELAXED);
    }
    group->taken[seat->number] = false;
    /* of a member that leaves by itself, the mapping outlives this */
    if (--group->members == 0)
        g_hash_table_remove(group->groups->by_name, group->name);
    g_free(seat);
}


const char *
pvperfSeatGroup(const pvperfSeat *seat)
{
    return seat->group->name;
}


int
pvperfSeatFd(const pvperfSeat *seat)
{
    return seat->group->fd;
}


uint32_t
pvperfSeatNumber(const pvperfSeat *seat)
{
    return seat->number;
}


void
pvperfSeatUse(const pvperfSeat *seat,
              pvperfGroupUse *use)
{
    const pvperfHostGroup *group = seat->group;
    uint32_t i;

    *use = group->gone;
    use->members = group->members;
    for (i = 0; i < PVPERF_GROUP_MEMBERS; i++) {
        const pvperfGroupLine *line = &group->page->lines[i];

        use->open += __atomic_load_n(&line->open, __ATOMIC_RELAXED);
        use->overflows += __atomic_load_n(&line->overflows, __ATOMIC_RELAXED);
        use->requests += __atomic_load_n(&line->requests, __ATOMIC_RELAXED);
    }
}
