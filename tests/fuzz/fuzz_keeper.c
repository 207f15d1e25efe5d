/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_keeper.c: what pvperf-ivshmem goes through with VMMs and daemons.
 *
 * A script of connections, hang-ups, ends of processes, peers that do not read, bytes that nobody asked
 * for, time that goes by and file descriptors that are out. Accepting, looking at a peer and
 * the clock end here (the linker's --wrap); the sockets are real. At the end everybody has hung up,
 * and no file descriptor, connection or place of the quota is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../src/ivshmem/pvperf_keeper.h"
#include "../../src/ivshmem/pvperf_server.c"
#include "pvperf/abi.h"
#include "fuzz.h"

#define ENDS 12                 /* other ends, of VMMs and clients */

typedef struct _fuzzEnd fuzzEnd;
struct _fuzzEnd {
    int fd;                     /* -1: not connected */
    int process;                /* its process: an eventfd that is readable when it has ended; or -1 */
};

static pvperfServer server;
static fuzzEnd ends[ENDS];
static uint32_t accepting;      /* end that connects */
static int acceptFails;         /* errno of the next accept */
static int64_t clockNow;
static int handed[3];           /* window, eventfd, pidfd that are handed back */
static pvperfPeerIdentity identity;

int __wrap_accept4(int fd,
                   void *address,
                   void *size,
                   int flags);
bool __wrap_pvperfPeerIdentify(int socket,
                               const char *qemuRunDir,
                               pvperfPeerIdentity *as);
void __wrap_pvperfPeerVerify(const char *qemuRunDir,
                             pvperfPeerIdentity *as);
int64_t __wrap_pvperfNow(void);
void __wrap_pvperfLog(const char *format,
                      ...);


int
__wrap_accept4(int fd,
               void *address,
               void *size,
               int flags)
{
    int type = fd == server.listenKeeper.fd ? SOCK_SEQPACKET : SOCK_STREAM;
    int pair[2];

    if (acceptFails) {
        errno = acceptFails;
        acceptFails = 0;
        return -1;
    }
    fuzzExpect(socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    ends[accepting].fd = pair[1];
    return pair[0];
}


bool
__wrap_pvperfPeerIdentify(int socket,
                          const char *qemuRunDir,
                          pvperfPeerIdentity *as)
{
    *as = identity;
    if (as->known)
        as->pidfd = dup(ends[accepting].process);
    return true;
}


/* What is handed back is looked at, and libvirt knows no such VM. */
void
__wrap_pvperfPeerVerify(const char *qemuRunDir,
                        pvperfPeerIdentity *as)
{
    as->known = false;
    as->why = "unknown";
}


int64_t
__wrap_pvperfNow(void)
{
    return clockNow;
}


void
__wrap_pvperfLog(const char *format,
                 ...)
{
}


int
LLVMFuzzerInitialize(int *argc,
                     char ***argv)
{
    uint32_t i;

    for (i = 0; i < ENDS; i++)
        ends[i] = (fuzzEnd) { -1, -1 };
    handed[0] = memfd_create("window", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    handed[1] = eventfd(0, EFD_CLOEXEC);
    handed[2] = syscall(SYS_pidfd_open, getpid(), 0);
    fuzzExpect(ftruncate(handed[0], pvperf_window_size(1)) == 0 && handed[2] >= 0);
    fcntl(handed[0], F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    fuzzExpect(pvperfServerInit(&server, "", eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC)));
    return 0;
}


static void
endClose(fuzzEnd *end)
{
    if (end->fd >= 0)
        close(end->fd);
    if (end->process >= 0)
        close(end->process);
    *end = (fuzzEnd) { -1, -1 };
}


/* All events there are, then what is due. */
static void
serve(void)
{
    struct epoll_event event;

    while (epoll_wait(server.epoll, &event, 1, 0) > 0)
        fuzzExpect(pvperfServerDispatch(&server, event.data.ptr, event.events));
    if (pvperfConnectionDeadline(&server) <= clockNow)
        pvperfConnectionTimeout(&server, clockNow);
    if (pvperfKeeperDeadline(&server) <= clockNow)
        pvperfKeeperTimeout(&server, clockNow);
}


static void
connectEnd(fuzzInput *input,
           bool client)
{
    uint8_t how = fuzzByte(input);

    accepting = fuzzByte(input) % ENDS;
    if (ends[accepting].fd >= 0)
        return;
    identity = (pvperfPeerIdentity) {
        .pid = 100 + (how & 3),
        .uid = how & 4 ? 107 : 0,
        .pidfd = -1,
        .startTime = 1,
        .vectors = (how & 0x78) == 0x78 ? 1 + fuzzShort(input) % PVPERF_MAX_VCPUS : 1 + ((how >> 3) & 3),
        .known = how & 128,
        .why = "",
    };
    if (!client && identity.known)
        ends[accepting].process = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    acceptFails = how == 0x55 ? EMFILE : 0;
    if (client)
        pvperfKeeperAccept(&server);
    else
        pvperfConnectionAccept(&server);
    if (ends[accepting].fd < 0)
        endClose(&ends[accepting]);
}


/* A message of a daemon that hands back, right or not so right. */
static void
handBack(fuzzInput *input,
         int fd)
{
    uint8_t how = fuzzByte(input);
    pvperfKeeperMessage message = {
        .size = sizeof(message),
        .version = PVPERF_KEEPER_VERSION,
        .type = how & 1 ? PVPERF_KEEPER_IRQS : PVPERF_KEEPER_PEER,
        .pid = getpid(),
        .vectors = 1 + (how >> 1 & 3),
        .first = how >> 3 & 1,
        .count = how >> 4 & 3,
        .window_size = pvperf_window_size(1 + (how >> 1 & 3)),
    };
    uint32_t nfds = how & 1 ? message.count : how & 64 ? 2 : 3;
    struct iovec iov = { .iov_base = &message, .iov_len = sizeof(message) };
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(3 * sizeof(int))];
    } control = { .header = {
        .cmsg_level = SOL_SOCKET,
        .cmsg_type = SCM_RIGHTS,
        .cmsg_len = CMSG_LEN(nfds * sizeof(int)),
    } };
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = nfds ? &control : NULL,
        .msg_controllen = nfds ? CMSG_SPACE(nfds * sizeof(int)) : 0,
    };
    uint32_t i;

    if (how & 128)
        fuzzBytes(input, (uint64_t *)&message + fuzzByte(input) % (sizeof(message) / 8), 8);
    if (how == 0xff)
        iov.iov_len = fuzzByte(input) % sizeof(message);
    for (i = 0; i < nfds; i++)
        ((int *)CMSG_DATA(&control.header))[i] = handed[how & 1 ? 1 : i];
    sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}


static void
endActs(fuzzInput *input)
{
    uint8_t how = fuzzByte(input);
    fuzzEnd *end = &ends[how % ENDS];
    char bytes[64] = { 0 };
    uint64_t one = 1;
    uint32_t n = 1 + fuzzByte(input);

    if (end->fd < 0)
        return;
    switch (how / ENDS % 6) {
    case 0:
        endClose(end);
        break;
    case 1:
        /* descriptors that come along are closed by the kernel: there is no room for them */
        while (n-- > 0 && recv(end->fd, bytes, 8, MSG_DONTWAIT) > 0)
            ;
        break;
    case 2:
        if (send(end->fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            return;
        break;
    case 3:
        if (end->process >= 0 && write(end->process, &one, sizeof(one)) < 0)
            abort();
        break;
    case 4:
        handBack(input, end->fd);
        break;
    default:
        shutdown(end->fd, how & 128 ? SHUT_WR : SHUT_RD);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data,
                       size_t size)
{
    fuzzInput input = { data, size };
    uint32_t i;

    clockNow += 1000000;
    while (input.size) {
        uint8_t what = fuzzByte(&input);

        if ((what & 7) < 2)
            connectEnd(&input, what & 1);
        else if ((what & 7) == 2)
            clockNow += fuzzShort(&input);
        else
            endActs(&input);
        if (what & 128)
            serve();
    }
    serve();
    for (i = 0; i < ENDS; i++)
        endClose(&ends[i]);
    serve();
    fuzzExpect(!server.first && !server.last && !server.clients);
    for (i = 0; i < PVPERF_QUOTA_USERS; i++)
        fuzzExpect(server.quota.users[i].windows == 0);
    return 0;
}
