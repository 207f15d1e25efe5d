/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_stats_file.c: makes, finds and reads the file.
 *
 * A new one is written whole under another name, with all its memory, before it
 * gets its own: a file system that is full is found out here, and not by a
 * backend that writes into a page that is not there.
 */
#include "pvperf_stats_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gio/gio.h>


static char *
pvperfStatsFileName(const char *dir,
                    const char *uuid)
{
    return g_strconcat(dir, "/", uuid, ".stats", NULL);
}


bool
pvperfRefusalIsSound(const pvperfControlRefusal *refusal)
{
    return refusal->event == PVPERF_EVENT_NONE || pvperfEventGet(refusal->event);
}


bool
pvperfStatsAreSound(const pvperfControlStats *stats)
{
    int i;

    for (i = 0; i < PVPERF_NR_REASONS; i++) {
        if (!pvperfRefusalIsSound(&stats->last_refusals[i]))
            return false;
    }
    return true;
}


/* @fd is one of this QEMU, and whole; its contents are in @file. */
static bool
pvperfStatsFileIs(int fd,
                  const pvperfProcessOwner *owner,
                  pvperfControlFile *file)
{
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_size == sizeof(*file) &&
        pread(fd, file, sizeof(*file), 0) == sizeof(*file) &&
        file->version == PVPERF_CONTROL_VERSION && file->size == sizeof(*file) &&
        file->qemu_pid == owner->pid && file->qemu_start_time == owner->start_time &&
        pvperfStatsAreSound(&file->stats);
}


static int
pvperfStatsFileMake(const char *name,
                    const pvperfProcessOwner *owner)
{
    g_autofree char *made = g_strconcat(name, ".new", NULL);
    const pvperfControlFile file = {
        .version = PVPERF_CONTROL_VERSION,
        .size = sizeof(file),
        .qemu_start_time = owner->start_time,
        .qemu_pid = owner->pid,
    };
    int fd = open(made, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int err;

    if (fd < 0)
        return -1;
    errno = ENOSPC;
    if (pwrite(fd, &file, sizeof(file), 0) == sizeof(file) && rename(made, name) == 0)
        return fd;
    err = errno;
    unlink(made);
    close(fd);
    errno = err;
    return -1;
}


int
pvperfStatsFileOpen(const char *dir,
                    const char *uuid,
                    const pvperfProcessOwner *owner,
                    GError **error)
{
    g_autofree char *name = pvperfStatsFileName(dir, uuid);
    int fd = open(name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    pvperfControlFile file;

    if (fd >= 0 && pvperfStatsFileIs(fd, owner, &file))
        return fd;
    if (fd >= 0)
        close(fd);
    fd = pvperfStatsFileMake(name, owner);
    if (fd < 0) {
        int err = errno;

        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(err), "cannot make %s: %s", name, g_strerror(err));
    }
    return fd;
}


bool
pvperfStatsFileRead(const char *dir,
                    const char *uuid,
                    const pvperfProcessOwner *owner,
                    pvperfControlStats *stats)
{
    g_autofree char *name = pvperfStatsFileName(dir, uuid);
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    pvperfControlFile file;
    bool ok;

    if (fd < 0)
        return false;
    ok = pvperfStatsFileIs(fd, owner, &file);
    close(fd);
    if (ok)
        *stats = file.stats;
    return ok;
}


void
pvperfStatsFileRemove(const char *dir,
                      const char *uuid)
{
    g_autofree char *name = pvperfStatsFileName(dir, uuid);

    unlink(name);
}
