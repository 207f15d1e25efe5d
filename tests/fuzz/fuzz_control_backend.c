/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_control_backend.c: what a backend takes from its control socket.
 *
 * The socket is the daemon's, which is trusted; but a daemon of another version, or one without file
 * descriptors left, must not take a VM's backend down. A script of packets: messages
 * right or bent, of any size, with all, some or other descriptors; between them the guest opens and
 * enables an event, the backend makes its passes, and connections end.
 */
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "fake_guest.h"
#include "packets.h"
#include "pvperf_messages.h"

#define VCPUS 2

int __wrap_accept4(int fd,
                   void *address,
                   void *size,
                   int flags);
void __wrap_pvperfLog(const char *format,
                      ...);

static pvperfMessages messages;
static fakeGuest guest;
static int daemonFd;            /* the daemon's end; -1: not connected */
static int nothing;             /* eventfd: never readable */
static int statsFd;
static int pageFd;
static uint64_t cookie;         /* of the last OPEN */


/* A daemon connects. */
int
__wrap_accept4(int fd,
               void *address,
               void *size,
               int flags)
{
    int pair[2];

    fuzzExpect(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    daemonFd = pair[1];
    return pair[0];
}


void
__wrap_pvperfLog(const char *format,
                 ...)
{
}


static int
memory(size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    fuzzExpect(fd >= 0 && ftruncate(fd, size) == 0);
    return fd;
}


int
LLVMFuzzerInitialize(int *argc,
                     char ***argv)
{
    fakeGuestInit(&guest, VCPUS);
    nothing = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    statsFd = memory(sizeof(pvperfControlFile));
    pageFd = memory(sizeof(pvperfGroupPage));
    return 0;
}


/* Nearly right numbers for a message of this type; its size and descriptors. */
static size_t
fillPacket(fuzzInput *input,
           pvperfPacket *packet,
           uint8_t how,
           int *fds,
           uint32_t *nfds)
{
    switch (packet->h.type) {
    case PVPERF_CONTROL_SETUP:
        packet->setup.window_size = guest.size;
        packet->setup.nr_vcpus = VCPUS;
        packet->setup.classes_available = 31;
        fds[0] = guest.window_fd;
        fds[3] = how & 16 ? statsFd : nothing;
        *nfds = how & 8 ? 4 : 3;
        return sizeof(packet->setup);
    case PVPERF_CONTROL_IRQS:
        packet->irqs.first = (how >> 4) & 1;
        packet->irqs.count = *nfds = 1;
        return sizeof(packet->irqs);
    case PVPERF_CONTROL_POLICY:
        pvperfPolicyInitDefault(&packet->policy.policy, VCPUS);
        packet->policy.policy.max = fuzzWord(input);
        packet->policy.policy.classes = fuzzByte(input);
        return sizeof(packet->policy);
    case PVPERF_CONTROL_SESSION:
        packet->session.session = how & 24 ? guest.session : 0;
        return sizeof(packet->session);
    case PVPERF_CONTROL_OPENED:
        packet->h.cookie = cookie;
        packet->opened.ret = how & 8 ? -2 : 0;
        packet->opened.count = *nfds = how & 8 ? 0 : 1 + ((how >> 4) & 1);
        return sizeof(packet->opened);
    case PVPERF_CONTROL_QUERY:
        packet->query.cursor = fuzzWord(input);
        return sizeof(packet->query);
    case PVPERF_CONTROL_GROUP:
        packet->group.joined = how & 8;
        packet->group.member = fuzzByte(input);
        packet->group.limits.max = fuzzByte(input);
        packet->group.limits.requests_sec = fuzzWord(input);
        fds[0] = pageFd;
        *nfds = (how >> 4) & 1;
        return sizeof(packet->group);
    default:
        return sizeof(packet->h);
    }
}


static void
sendPacket(fuzzInput *input)
{
    static pvperfPacket packet;
    uint8_t how = fuzzByte(input);
    uint32_t bends = how >> 6;
    int fds[PACKET_FDS_MAX];
    uint32_t nfds = 0;
    size_t size;
    uint32_t i;

    memset(&packet, 0, sizeof(packet.policy));
    for (i = 0; i < PACKET_FDS_MAX; i++)
        fds[i] = nothing;
    packet.h.type = PVPERF_CONTROL_SETUP + (how & 7);
    packet.h.version = PVPERF_CONTROL_VERSION;
    size = fillPacket(input, &packet, how, fds, &nfds);
    packet.h.size = size;
    if (how & 32) {
        nfds = fuzzByte(input) % PACKET_FDS_MAX;
        if (nfds > 8)
            fds[nfds % 3] = nfds & 1 ? pageFd : guest.window_fd;
    }
    for (i = 0; i < bends && i < 2; i++)
        packet.bytes[fuzzShort(input) % size] = fuzzByte(input);
    if (bends == 3)
        size = fuzzShort(input) % sizeof(packet);
    packetSend(daemonFd, &packet, size, fds, nfds);
}


/* Takes what the backend says; remembers what it asks for. */
static void
listenDaemon(void)
{
    static union {
        pvperfControlHeader h;
        uint8_t bytes[PVPERF_CONTROL_MAX];
    } said;

    while (daemonFd >= 0 && recv(daemonFd, &said, sizeof(said), MSG_DONTWAIT) >= (ssize_t)sizeof(said.h)) {
        fuzzExpect(said.h.type >= PVPERF_CONTROL_HELLO && said.h.version == PVPERF_CONTROL_VERSION);
        if (said.h.type == PVPERF_CONTROL_OPEN)
            cookie = said.h.cookie;
    }
}


static void
guestActs(fuzzInput *input)
{
    uint8_t how = fuzzByte(input);
    fakeOpen open = { .id = how & 3, .row = how & 3, .attr = fakeAttrVcpu(PVPERF_VCPU_CLOCK) };
    uint32_t area = how & 4 ? 0 : fakeGuestControl(&guest);

    if (how & 16)
        open.attr.sample_period = 1000000;
    fakeGuestPut(&guest, area, how & 4 ? fakeFrame(KVM_PERF_OP_ENABLE + ((how >> 3) & 1), how & 3) :
                 fakeFrameOpen(&guest, &open));
    fakeGuestPublish(&guest, area);
}


static void
tearDown(void)
{
    uint32_t i;

    pvperfSocketDisconnect(&messages.socket);
    if (daemonFd >= 0)
        close(daemonFd);
    if (!messages.set_up)
        return;
    pvperfServeSession(&messages.backend, 0);
    for (i = 0; i < VCPUS; i++) {
        if (messages.irq_fds[i])
            close(messages.irq_fds[i] - 1);
    }
    munmap(messages.irq_fds, VCPUS * sizeof(int));
    if (messages.backend.stats != &messages.stats)
        munmap((uint8_t *)messages.backend.stats - offsetof(pvperfControlFile, stats), sizeof(pvperfControlFile));
    pvperfServeFree(&messages.backend);
    pvperfWindowUnmap(messages.backend.window);
    close(messages.window_fd);
    close(messages.doorbell_fd);
    close(messages.qemu_fd);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data,
                       size_t size)
{
    fuzzInput input = { data, size };
    int before = packetFreeFd(nothing);
    uint64_t now = 1000000000;
    uint32_t i;

    daemonFd = -1;
    cookie = 0;
    guest.session = 0xfee1;
    for (i = 0; i <= VCPUS; i++)
        fakeGuestArea(&guest, i)->submit.submitted = guest.submitted[i] = 0;
    pvperfMessagesInit(&messages, -1, 1 << 20);
    while (input.size) {
        uint8_t what = fuzzByte(&input);

        if (messages.socket.fd < 0 || what == 255) {
            if (daemonFd >= 0)
                close(daemonFd);
            pvperfMessagesConnect(&messages);
        }
        if (what & 1)
            sendPacket(&input);
        else if (messages.set_up)
            guestActs(&input);
        while (messages.socket.fd >= 0 && pvperfMessagesReceive(&messages))
            ;
        now += 1000000;
        for (i = 0; i < 8 && (pvperfMessagesWork(&messages) || pvperfServePass(&messages.backend, now)); i++)
            ;
        listenDaemon();
    }
    tearDown();
    fuzzExpect(packetFreeFd(nothing) == before);
    return 0;
}
