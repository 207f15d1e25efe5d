/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_listen.c: the two listening sockets.
 *
 * Either the service manager passes them (LISTEN_FDS, names "ivshmem" and
 * "keeper"), so that no VM ever starts before there is a socket; or they are
 * made here. A second process must not take the socket of a living one: a
 * lock file beside it tells them apart, and a socket that answers although
 * its lock is free is the service manager's. What a dead process left is
 * removed.
 */
#include "pvperf_listen.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "pvperf_server.h"

#define PVPERF_LISTEN_FDS_START 3
#define PVPERF_LISTEN_BACKLOG 4096      /* the kernel caps it by net.core.somaxconn */

static bool
pvperfListenTakeFd(pvperfListener *listeners,
                   size_t count,
                   int fd,
                   const char *name)
{
    socklen_t length = sizeof(int);
    int type;
    size_t i;

    for (i = 0; i < count; i++) {
        if (strcmp(listeners[i].name, name) != 0)
            continue;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0 ||
            type != listeners[i].type) {
            pvperfLog("LISTEN_FDS: socket '%s' has the wrong type", name);
            return false;
        }
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        listeners[i].fd = fd;
        return true;
    }
    pvperfLog("LISTEN_FDNAMES: unknown name '%s', allowed are 'ivshmem' and 'keeper'", name);
    return false;
}

bool
pvperfListenActivated(pvperfListener *listeners,
                      size_t count)
{
    const char *pid = getenv("LISTEN_PID");
    const char *nfds = getenv("LISTEN_FDS");
    const char *name = getenv("LISTEN_FDNAMES");
    char names[256];
    char *save = NULL;
    int n;
    int i;

    if (!pid || !nfds || strtol(pid, NULL, 10) != (long)getpid())
        return true;
    n = (int)strtol(nfds, NULL, 10);
    snprintf(names, sizeof(names), "%s", name ? name : "");
    name = strtok_r(names, ":", &save);
    for (i = 0; i < n; i++) {
        if (!pvperfListenTakeFd(listeners, count, PVPERF_LISTEN_FDS_START + i, name ? name : ""))
            return false;
        name = strtok_r(NULL, ":", &save);
    }
    return true;
}

/* The directory of the socket, and one above it where libvirt has not made its
 * own yet. Others may pass through ours (VMs run as any user), not list it. */
static bool
pvperfListenMakeDir(const char *path,
                    unsigned int socketMode)
{
    char dir[PATH_MAX];
    char *slash;

    snprintf(dir, sizeof(dir), "%s", path);
    slash = strrchr(dir, '/');
    if (!slash || slash == dir)
        return true;
    *slash = '\0';
    if (mkdir(dir, socketMode & S_IWOTH ? 0711 : 0700) == 0 || errno == EEXIST)
        return true;
    if (errno == ENOENT && (slash = strrchr(dir, '/')) && slash != dir) {
        *slash = '\0';
        if (mkdir(dir, socketMode & S_IWOTH ? 0755 : 0700) < 0 && errno != EEXIST)
            return false;
        *slash = '/';
        return mkdir(dir, socketMode & S_IWOTH ? 0711 : 0700) == 0 || errno == EEXIST;
    }
    return false;
}

static bool
pvperfListenLock(pvperfListener *listener)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s.lock", listener->path);
    listener->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (listener->lock < 0) {
        pvperfLog("cannot open '%s': %s", path, strerror(errno));
        return false;
    }
    if (flock(listener->lock, LOCK_EX | LOCK_NB) < 0) {
        pvperfLog("another pvperf-ivshmem serves '%s'", listener->path);
        return false;
    }
    return true;
}

/* Whether somebody listens there. */
static bool
pvperfListenAnswers(const struct sockaddr_un *address,
                    int type)
{
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool answers;

    if (fd < 0)
        return false;
    answers = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
        errno == EAGAIN;
    close(fd);
    return answers;
}

bool
pvperfListenOpen(pvperfListener *listener)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    if (strlen(listener->path) >= sizeof(address.sun_path)) {
        pvperfLog("socket path '%s' is too long, allowed are %zu bytes",
                  listener->path, sizeof(address.sun_path) - 1);
        return false;
    }
    memcpy(address.sun_path, listener->path, strlen(listener->path));
    if (!pvperfListenMakeDir(listener->path, listener->mode)) {
        pvperfLog("cannot make the directory of '%s': %s", listener->path, strerror(errno));
        return false;
    }
    if (!pvperfListenLock(listener))
        return false;
    if (pvperfListenAnswers(&address, listener->type)) {
        pvperfLog("another process listens on '%s'", listener->path);
        return false;
    }
    if (unlink(listener->path) < 0 && errno != ENOENT) {
        pvperfLog("cannot remove '%s': %s", listener->path, strerror(errno));
        return false;
    }
    listener->fd = socket(AF_UNIX, listener->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* Nobody can connect before listen(), so the mode comes in time. */
    if (listener->fd < 0 ||
        bind(listener->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        chmod(listener->path, listener->mode) < 0 ||
        listen(listener->fd, PVPERF_LISTEN_BACKLOG) < 0) {
        pvperfLog("cannot listen on '%s': %s", listener->path, strerror(errno));
        return false;
    }
    return true;
}

void
pvperfListenClose(pvperfListener *listener)
{
    /* Without the lock the socket is another process's, or none is. The lock
     * file stays: removing it would let two processes lock two files. */
    if (listener->lock < 0)
        return;
    if (listener->fd >= 0)
        unlink(listener->path);
    close(listener->lock);
    listener->lock = -1;
}
