/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_window.c: make the shared window of one VM.
 *
 * The window is a memfd of exactly pvperf_window_size() bytes. Its size is
 * sealed, because a VMM that has mapped it must never see a bus error, and
 * the set of seals is sealed too, so that the VM cannot add one that would
 * keep the backend from mapping it. Only the first page is touched here: the
 * memory that a guest or backend writes later is charged to them.
 *
 * What is written is the identity line; the session line stays zero, which
 * reads "host down". So a guest driver binds the device and waits, whether or
 * not anything else of the host ever runs.
 */
#include "pvperf_window.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pvperf/abi.h>

#ifndef MFD_NOEXEC_SEAL
# define MFD_NOEXEC_SEAL 0x0008U
#endif

#define PVPERF_WINDOW_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static int
pvperfWindowMemfd(void)
{
    unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int fd = memfd_create("pvperf", flags | MFD_NOEXEC_SEAL);

    /* Kernels before 6.3 do not know the flag. */
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("pvperf", flags);
    return fd;
}

int
pvperfWindowCreate(uint32_t vectors)
{
    struct pvperf_identity identity = {
        .magic = PVPERF_MAGIC,
        .version_major = PVPERF_VERSION_MAJOR,
        .version_minor = PVPERF_VERSION_MINOR,
        .features = 1U << KVM_FEATURE_PV_PERF,
        .window_size = pvperf_window_size(vectors),
        .nr_vcpus = vectors,
    };
    int saved;
    int fd;

    if (identity.window_size == 0) {
        errno = EINVAL;
        return -1;
    }
    fd = pvperfWindowMemfd();
    if (fd < 0)
        return -1;
    if (ftruncate(fd, (off_t)identity.window_size) < 0 ||
        pwrite(fd, &identity, sizeof(identity), 0) != (ssize_t)sizeof(identity) ||
        fcntl(fd, F_ADD_SEALS, PVPERF_WINDOW_SEALS) < 0) {
        saved = errno ? errno : EIO;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

bool
pvperfWindowValid(int fd,
                  uint32_t vectors)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;

    /* A seal against writing would keep the next backend from mapping it. */
    return seals >= 0 && (seals & PVPERF_WINDOW_SEALS) == PVPERF_WINDOW_SEALS &&
        (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) == 0 &&
        (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR &&
        fstat(fd, &st) == 0 && (uint64_t)st.st_size == pvperf_window_size(vectors);
}

bool
pvperfWindowSame(int a,
                 int b)
{
    struct stat sa;
    struct stat sb;

    return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}
