/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_control_daemon.c: what virtpvperfd takes from a backend that was taken over.
 *
 * A script of packets: right ones bent at any byte, of any size, with file descriptors that
 * no backend may send; between them, what the daemon asks. The broker is the real one, on
 * threads and events that are none (the linker's --wrap).
 */
#include <sys/eventfd.h>

#include "fuzz_glib.h"
#include "packets.h"
#include "qemu/pvperf_backend_client.h"
#include "qemu/pvperf_broker.h"

#define VECTORS 2

static pvperfBackendClient *client;
static pvperfPeer *peer;
static pvperfPolicy policy;
static int pair[2];
static int nothing;             /* /dev/null */
static uint32_t asked;          /* questions without an answer */
static bool broken;

int __wrap_pvperfPacketConnect(const char *path);
pid_t __wrap_pvperfIdentityFindVcpu(const char *proc,
                                    pid_t pid,
                                    unsigned int vcpu);
bool __wrap_pvperfIdentityIsVcpu(const char *proc,
                                 pid_t pid,
                                 pid_t tid,
                                 unsigned int vcpu);
int __wrap_pvperfBrokerPerfEventOpen(struct perf_event_attr *attr,
                                     pid_t tid,
                                     int group_fd);


int
__wrap_pvperfPacketConnect(const char *path)
{
    return pair[0];
}


pid_t
__wrap_pvperfIdentityFindVcpu(const char *proc,
                              pid_t pid,
                              unsigned int vcpu)
{
    fuzzExpect(vcpu < VECTORS);
    return 100 + vcpu;
}


bool
__wrap_pvperfIdentityIsVcpu(const char *proc,
                            pid_t pid,
                            pid_t tid,
                            unsigned int vcpu)
{
    return tid == (pid_t)(100 + vcpu);
}


/* What is opened is of the table, on a vCPU's thread, and counts the guest alone if it can. */
int
__wrap_pvperfBrokerPerfEventOpen(struct perf_event_attr *attr,
                                 pid_t tid,
                                 int group_fd)
{
    fuzzExpect(tid >= 100 && tid < 100 + VECTORS);
    fuzzExpect(attr->type == PERF_TYPE_SOFTWARE || attr->exclude_host);
    fuzzExpect(!attr->pinned && !attr->inherit && !attr->config1 && !attr->config2);
    return attr->type == PERF_TYPE_HW_CACHE ? -ENOENT : dup(nothing);
}


static void
onReady(gpointer opaque)
{
}


static void
onBroken(const char *why,
         bool hostile,
         gpointer opaque)
{
    fuzzExpect(!broken);
    broken = true;
}


static void
onRefused(const pvperfControlRefused *refused,
          gpointer opaque)
{
    fuzzExpect(refused->reason < PVPERF_NR_REASONS);
}


static void
onStats(const pvperfControlStats *stats,
        gpointer opaque)
{
}


static void
onEventsAnswer(GArray *records,
               const GError *error,
               gpointer opaque)
{
    guint i;

    asked--;
    fuzzExpect(!records == !!error);
    for (i = 0; records && i < records->len; i++) {
        const pvperfControlRecord *record = &g_array_index(records, pvperfControlRecord, i);

        fuzzExpect(pvperfEventGet(record->event) && record->vcpu < VECTORS);
    }
}


static void
onStatsAnswer(const pvperfControlStats *stats,
              bool fresh,
              gpointer opaque)
{
    asked--;
}


static const pvperfBackendHandlers handlers = {
    .ready = onReady,
    .broken = onBroken,
    .refused = onRefused,
    .stats = onStats,
};


int
LLVMFuzzerInitialize(int *argc,
                     char ***argv)
{
    int fds[3];

    fuzzQuiet();
    nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    fds[0] = dup(nothing);
    fds[1] = dup(nothing);
    fds[2] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); /* a process that lives: nothing to read */
    peer = pvperfPeerNew(1, getpid(), getuid(), 1, VECTORS, pvperf_window_size(VECTORS), fds);
    while (peer->nirqs < VECTORS)
        peer->irqs[peer->nirqs++] = dup(nothing);
    pvperfPolicyInitDefault(&policy, VECTORS);
    policy.classes |= 1U << PVPERF_CLASS_RAW;
    policy.nraw = 1;
    policy.raw[0] = (pvperfPolicyRaw) { .config = 0x01c2, .mask = 0xffff };
    return 0;
}


/* A packet of a type, its numbers small ones from the script, in a few places others. */
static void
sendPacket(fuzzInput *input)
{
    static union {
        pvperfControlHeader h;
        pvperfControlHello hello;
        pvperfControlOpen open;
        pvperfControlEvents events;
        pvperfControlStats stats;
        pvperfControlRefused refused;
        uint8_t bytes[PVPERF_CONTROL_MAX + 8];
    } packet;
    uint8_t how = fuzzByte(input);
    size_t size = sizeof(packet.h);
    uint32_t bends = (how >> 5) & 3;
    uint32_t i;

    memset(&packet, 0, sizeof(packet.stats));
    packet.h.type = PVPERF_CONTROL_HELLO + (how & 7);
    packet.h.version = PVPERF_CONTROL_VERSION;
    packet.h.cookie = fuzzByte(input) % 8;
    switch (packet.h.type) {
    case PVPERF_CONTROL_HELLO:
        size = sizeof(packet.hello);
        packet.hello.set_up = how & 16;
        break;
    case PVPERF_CONTROL_OPEN:
        size = sizeof(packet.open);
        packet.open.vcpu = fuzzByte(input) % (VECTORS + 1);
        packet.open.count = fuzzByte(input) % (PVPERF_MAX_GROUP + 2);
        packet.open.ring = how & 16;
        for (i = 0; i < packet.open.count && i < PVPERF_MAX_GROUP && input->size; i++) {
            packet.open.events[i].event = fuzzByte(input);
            packet.open.events[i].sample_period = fuzzWord(input);
            packet.open.events[i].freq = how & 8;
        }
        break;
    case PVPERF_CONTROL_EVENTS:
        packet.events.count = fuzzByte(input);
        packet.events.cursor = how & 16 ? fuzzWord(input) : 0;
        size = offsetof(pvperfControlEvents, records) + packet.events.count * sizeof(pvperfControlRecord);
        for (i = 0; i < packet.events.count; i++)
            packet.events.records[i] = (pvperfControlRecord) { .event = i % 8 };
        break;
    case PVPERF_CONTROL_STATS:
        size = sizeof(packet.stats);
        break;
    case PVPERF_CONTROL_REFUSED:
        size = sizeof(packet.refused);
        packet.refused.reason = fuzzByte(input) % (PVPERF_NR_REASONS + 1);
        break;
    }
    for (i = 0; i < bends; i++)
        packet.bytes[fuzzShort(input) % size] = fuzzByte(input);
    packet.h.size = size;
    if (how & 128) {
        size = fuzzShort(input) % sizeof(packet.bytes);
        packet.h.size = fuzzByte(input) & 1 ? size : packet.h.size;
    }
    packetSend(pair[1], &packet, size, &nothing, (how & 0xf8) == 0xf8);
}


static void
ask(fuzzInput *input)
{
    uint8_t how = fuzzByte(input);
    pvperfPolicy other = policy;

    other.max = 1 + how;
    switch (how % 5) {
    case 0:
        asked++;
        pvperfBackendClientQueryEvents(client, onEventsAnswer, NULL);
        break;
    case 1:
        asked++;
        pvperfBackendClientQueryStats(client, onStatsAnswer, NULL);
        break;
    case 2:
        pvperfBackendClientPolicy(client, how & 128 ? &policy : &other);
        break;
    case 3:
        pvperfBackendClientNewSession(client);
        break;
    default:
        pvperfBackendClientHostDown(client);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data,
                       size_t size)
{
    fuzzInput input = { data, size };
    int before = packetFreeFd(nothing);
    pvperfControlHello hello = {
        .h = { sizeof(hello), PVPERF_CONTROL_VERSION, PVPERF_CONTROL_HELLO, 0 }, .set_up = 1, .session = 1,
    };
    char drain[PVPERF_CONTROL_MAX];

    fuzzExpect(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    broken = false;
    asked = 0;
    client = pvperfBackendClientNew("", peer, -1, &policy, 31, &handlers, NULL, NULL);
    if (fuzzByte(&input) & 1)
        packetSend(pair[1], &hello, sizeof(hello), NULL, 0);
    while (input.size) {
        if (fuzzByte(&input) & 3)
            sendPacket(&input);
        else
            ask(&input);
        while (g_main_context_iteration(NULL, FALSE))
            ;
        while (recv(pair[1], drain, sizeof(drain), 0) > 0)
            ;
    }
    pvperfBackendClientFree(client);
    fuzzExpect(asked == 0);
    close(pair[1]);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    fuzzExpect(packetFreeFd(nothing) == before);
    return 0;
}
