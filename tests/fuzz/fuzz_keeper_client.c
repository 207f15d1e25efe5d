/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_keeper_client.c: what virtpvperfd takes from pvperf-ivshmem.
 *
 * A script of packets with file descriptors, in any order, right or bent. Connecting ends here
 * (the linker's --wrap); a connection that the client gave up is followed by none. No file
 * descriptor is left when the client is freed.
 */
#include <sys/eventfd.h>

#include "fuzz_glib.h"
#include "ivshmem/pvperf_keeper.h"
#include "packets.h"
#include "pvperf/abi.h"
#include "qemu/pvperf_keeper_client.h"

static int pair[2];
static bool connected;          /* the pair was given to the client */
static int nothing;             /* eventfd: nothing to read */
static uint32_t peers;
static uint32_t gones;

int __wrap_pvperfPacketConnect(const char *path);


int
__wrap_pvperfPacketConnect(const char *path)
{
    if (connected) {
        errno = ECONNREFUSED;
        return -1;
    }
    connected = true;
    return pair[0];
}


static void
onConnected(bool up,
            gpointer opaque)
{
}


static void
onPeer(pvperfPeer *peer,
       gpointer opaque)
{
    fuzzExpect(pvperfPeerComplete(peer) && peer->vectors >= 1 && peer->vectors <= PVPERF_MAX_VCPUS);
    peers++;
}


static void
onGone(pvperfPeer *peer,
       gpointer opaque)
{
    gones++;
    fuzzExpect(gones <= peers);
}


static const pvperfKeeperHandlers handlers = {
    .connected = onConnected,
    .peer = onPeer,
    .gone = onGone,
};


int
LLVMFuzzerInitialize(int *argc,
                     char ***argv)
{
    fuzzQuiet();
    nothing = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return 0;
}


static void
sendPacket(fuzzInput *input)
{
    uint8_t how = fuzzByte(input);
    uint8_t numbers = fuzzByte(input);
    uint32_t vectors = 1 + (numbers & 7);
    pvperfKeeperMessage msg = {
        .size = sizeof(msg),
        .version = PVPERF_KEEPER_VERSION,
        .type = PVPERF_KEEPER_PEER + (how & 3),
        .connection = 1 + (numbers >> 6),
        .pid = 100 + ((numbers >> 3) & 1),
        .vectors = vectors,
        .window_size = pvperf_window_size(vectors),
        .start_time = 1,
    };
    uint8_t bytes[sizeof(msg) + 8] = { 0 };
    size_t size = sizeof(msg);
    uint32_t nfds = msg.type == PVPERF_KEEPER_PEER ? 3 : 0;
    int fds[PACKET_FDS_MAX];
    uint32_t i;

    if (msg.type == PVPERF_KEEPER_IRQS) {
        msg.first = (numbers >> 4) & 3;
        msg.count = nfds = vectors;
    }
    memcpy(bytes, &msg, sizeof(msg));
    if (how & 32)
        bytes[fuzzByte(input) % sizeof(msg)] = fuzzByte(input);
    if (how & 64)
        size = fuzzByte(input) % sizeof(bytes);
    if (how & 128)
        nfds = fuzzByte(input) % PACKET_FDS_MAX;
    for (i = 0; i < PACKET_FDS_MAX; i++)
        fds[i] = nothing;
    packetSend(pair[1], bytes, size, fds, nfds);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data,
                       size_t size)
{
    fuzzInput input = { data, size };
    int before = packetFreeFd(nothing);
    pvperfKeeperClient *client;
    uint64_t one = 1;

    fuzzExpect(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    connected = false;
    peers = gones = 0;
    client = pvperfKeeperClientNew("", &handlers, NULL);
    while (input.size) {
        uint8_t what = fuzzByte(&input);

        if (what < 248)
            sendPacket(&input);
        else if (write(nothing, &one, sizeof(one)) < 0) /* all processes end */
            abort();
        while (g_main_context_iteration(NULL, FALSE))
            ;
        if (what >= 248 && read(nothing, &one, sizeof(one)) < 0)
            abort();
    }
    g_ptr_array_unref(pvperfKeeperClientPeers(client));
    pvperfKeeperClientFree(client);
    close(pair[1]);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    fuzzExpect(packetFreeFd(nothing) == before);
    return 0;
}
