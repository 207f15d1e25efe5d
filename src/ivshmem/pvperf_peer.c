/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_peer.c: who has connected, and how many vectors its device has.
 *
 * Identity comes from the kernel (SO_PEERCRED, pidfd) and from the status XML
 * that libvirt has written before QEMU starts to run; never from what the peer
 * says of itself. The order makes a pid that is used again harmless: a handle
 * on the process first, then the files, then the handle and start time again.
 *
 * All files read are procfs and libvirt's run directory (a tmpfs), so reading
 * does not wait for a disk; each read is bounded.
 */
#include "pvperf_peer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pvperf_vectors.h"

#ifndef SO_PEERPIDFD
# define SO_PEERPIDFD 77
#endif

#define PVPERF_STATUS_HEAD 4096         /* bytes in which the root element stands */
#define PVPERF_STATUS_MAX (8U << 20)
#define PVPERF_CMDLINE_MAX (2U << 20)   /* the kernel's default limit is a quarter of the stack */

/* All of fd up to max bytes, in memory of the caller's to free. */
static char *
pvperfReadFd(int fd,
             size_t max,
             size_t *length)
{
    size_t size = 0;
    char *data = NULL;

    *length = 0;
    for (;;) {
        ssize_t n;

        if (*length == size) {
            char *bigger;

            size = size ? size * 2 : PVPERF_STATUS_HEAD;
            bigger = size <= max ? realloc(data, size) : NULL;
            if (!bigger)
                break;
            data = bigger;
        }
        n = read(fd, data + *length, size - *length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return data;
        *length += (size_t)n;
    }
    free(data);
    *length = 0;
    return NULL;
}

static char *
pvperfReadProc(pid_t pid,
               const char *file,
               size_t max,
               size_t *length)
{
    char path[64];
    char *data;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    data = pvperfReadFd(fd, max, length);
    close(fd);
    return data;
}

/* Field 22 of /proc/PID/stat; 0: no such process. */
static uint64_t
pvperfPeerStartTime(pid_t pid)
{
    size_t length;
    char *stat = pvperfReadProc(pid, "stat", PVPERF_STATUS_HEAD, &length);
    char *p;
    int field;
    uint64_t value;

    if (!stat || length == 0) {
        free(stat);
        return 0;
    }
    stat[length - 1] = '\0';
    /* The name in parentheses may hold anything; the last ')' ends it. */
    p = strrchr(stat, ')');
    for (field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    value = p ? strtoull(p + 1, NULL, 10) : 0;
    free(stat);
    return value;
}

/* Effective user of the process; -1: no such process. */
static uid_t
pvperfPeerUid(pid_t pid)
{
    size_t length;
    char *status = pvperfReadProc(pid, "status", PVPERF_STATUS_HEAD * 4, &length);
    uid_t uid = (uid_t)-1;
    char *line;
    char *end;

    if (status && length > 0) {
        status[length - 1] = '\0';
        line = strstr(status, "\nUid:\t");
        if (line) {
            strtoul(line + 6, &end, 10);
            uid = (uid_t)strtoul(end, NULL, 10);
        }
    }
    free(status);
    return uid;
}

static int
pvperfPeerPidfd(int socket,
                pid_t pid)
{
    int fd = -1;
    socklen_t length = sizeof(fd);

    /* Linux 6.5: the process that connected, and an error once that is gone,
     * even if its pid is used again. Before, the daemon finds that out by the
     * window, which another process got. */
    if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &fd, &length) == 0)
        return fd;
    return errno == ENOPROTOOPT ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
}

static bool
pvperfPidfdAlive(int pidfd)
{
    struct pollfd fd = { .fd = pidfd, .events = POLLIN };

    return poll(&fd, 1, 0) == 0;
}

/* Opens NAME.xml if only its owner, libvirt's own user, can have written it. */
static int
pvperfStatusOpen(int dir,
                 const char *name)
{
    const char *suffix = strrchr(name, '.');
    struct stat st;
    int fd;

    if (!suffix || strcmp(suffix, ".xml") != 0)
        return -1;
    fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
        (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* The status XML of the VM with this pid, or -1. */
static int
pvperfStatusFind(const char *qemuRunDir,
                 pid_t pid)
{
    DIR *dir = opendir(qemuRunDir);
    struct dirent *entry;
    int fd = -1;

    if (!dir)
        return -1;
    while ((entry = readdir(dir))) {
        char head[PVPERF_STATUS_HEAD];
        ssize_t n;

        fd = pvperfStatusOpen(dirfd(dir), entry->d_name);
        if (fd < 0)
            continue;
        n = pread(fd, head, sizeof(head), 0);
        if (n > 0 && pvperfPidFromStatus(head, (size_t)n) == (uint32_t)pid)
            break;
        close(fd);
        fd = -1;
    }
    closedir(dir);
    return fd;
}

/* Why the peer is not one of libvirt's VMs, or NULL: it is. Its pidfd was opened
 * before. */
static const char *
pvperfPeerCheck(const char *qemuRunDir,
                pvperfPeerIdentity *identity,
                int *statusFd)
{
    if (identity->pid <= 0)
        return "it is in another pid namespace";
    /* One's own session has VMs of one's own user only. */
    if (geteuid() != 0 && identity->uid != geteuid())
        return "it belongs to another user";
    identity->startTime = pvperfPeerStartTime(identity->pid);
    if (identity->pidfd < 0 || identity->startTime == 0)
        return "it has exited";
    if (pvperfPeerUid(identity->pid) != identity->uid)
        return "its process has changed its user";
    *statusFd = pvperfStatusFind(qemuRunDir, identity->pid);
    if (*statusFd < 0)
        return "no status XML of libvirt names its pid";
    if (!pvperfPidfdAlive(identity->pidfd) ||
        pvperfPeerStartTime(identity->pid) != identity->startTime)
        return "it has exited";
    return NULL;
}

static uint32_t
pvperfPeerVectors(const pvperfPeerIdentity *identity,
                  int statusFd)
{
    size_t length = 0;
    char *args = NULL;
    char *xml;
    uint32_t vectors = 0;

    if (identity->pid > 0)
        args = pvperfReadProc(identity->pid, "cmdline", PVPERF_CMDLINE_MAX, &length);
    if (args)
        vectors = pvperfVectorsFromArguments(args, length, statusFd < 0);
    if (vectors == 0 && statusFd >= 0) {
        size_t xmlLength;

        xml = pvperfReadFd(statusFd, PVPERF_STATUS_MAX, &xmlLength);
        if (xml)
            vectors = pvperfVectorsFromStatus(xml, xmlLength);
        free(xml);
    }
    /* Hot-plug: the device is on no command line and libvirt has not written
     * its status yet. The daemon gives a device one vector per possible vCPU. */
    if (vectors == 0 && args)
        vectors = pvperfVectorsFromSmp(args, length);
    free(args);
    return vectors ? vectors : 1;
}

bool
pvperfPeerIdentify(int socket,
                   const char *qemuRunDir,
                   pvperfPeerIdentity *identity)
{
    struct ucred cred;
    socklen_t length = sizeof(cred);
    int statusFd = -1;

    memset(identity, 0, sizeof(*identity));
    identity->pidfd = -1;
    identity->vectors = 1;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &cred, &length) < 0) {
        identity->uid = (uid_t)-1;
        identity->why = "the kernel does not tell who it is";
        return false;
    }
    identity->pid = cred.pid;
    identity->uid = cred.uid;
    if (cred.pid > 0)
        identity->pidfd = pvperfPeerPidfd(socket, cred.pid);
    identity->why = pvperfPeerCheck(qemuRunDir, identity, &statusFd);
    identity->known = identity->why == NULL;
    identity->vectors = pvperfPeerVectors(identity, statusFd);
    if (statusFd >= 0)
        close(statusFd);
    if (!identity->known && identity->pidfd >= 0) {
        close(identity->pidfd);
        identity->pidfd = -1;
    }
    return true;
}

void
pvperfPeerVerify(const char *qemuRunDir,
                 pvperfPeerIdentity *identity)
{
    uint64_t startTime = identity->startTime;
    int statusFd = -1;

    identity->why = pvperfPeerCheck(qemuRunDir, identity, &statusFd);
    if (!identity->why && identity->startTime != startTime)
        identity->why = "its pid was used again";
    identity->known = identity->why == NULL;
    if (statusFd >= 0)
        close(statusFd);
}
