/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_messages.c: SETUP, IRQS, POLICY, SESSION, OPENED, QUERY, GET_STATS.
 *
 * One handler per message, in a table with the size that the message must
 * have. A message that is wrong in itself ends the connection: the daemon's
 * next one starts from HELLO, and what was counting goes on counting.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pvperf_broker.h"
#include "pvperf_log.h"
#include "pvperf_messages.h"

#define PVPERF_NS_PER_SEC 1000000000ULL

typedef bool (*pvperfMessageHandler)(pvperfMessages *messages,
                                     pvperfReceived *received);

typedef struct _pvperfMessageInfo pvperfMessageInfo;
struct _pvperfMessageInfo {
    const char *name;
    uint32_t size;
    bool needs_setup;
    pvperfMessageHandler handler;
};

static uint64_t
pvperfMessagesNow(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * PVPERF_NS_PER_SEC + ts.tv_nsec;
}


static int
pvperfMessagesAsk(void *opaque,
                  const pvperfControlOpen *request)
{
    pvperfMessages *messages = opaque;
    pvperfControlOpen message = *request;

    return pvperfSocketSend(&messages->socket, &message.h, sizeof(message)) ? 0 : -EAGAIN;
}


static bool
pvperfMessagesTell(void *opaque,
                   const pvperfControlRefused *refused)
{
    pvperfMessages *messages = opaque;
    pvperfControlRefused message = *refused;

    return pvperfSocketSend(&messages->socket, &message.h, sizeof(message));
}


void
pvperfMessagesInit(pvperfMessages *messages,
                   int listen_fd,
                   uint64_t ring_bytes_max)
{
    memset(messages, 0, sizeof(*messages));
    messages->socket.listen_fd = listen_fd;
    messages->socket.fd = -1;
    messages->window_fd = -1;
    messages->doorbell_fd = -1;
    messages->qemu_fd = -1;
    messages->ring_bytes_max = ring_bytes_max;
}


/* Whatever was asked of this daemon is not going to be answered by it. */
static void
pvperfMessagesDisconnect(pvperfMessages *messages)
{
    pvperfSocketDisconnect(&messages->socket);
    messages->report.busy = false;
    if (messages->set_up)
        pvperfBrokerExpire(&messages->backend, pvperfMessagesNow(), true);
}


int
pvperfMessagesConnect(pvperfMessages *messages)
{
    pvperfControlHello hello = {
        .h.type = PVPERF_CONTROL_HELLO,
        .session = messages->backend.session,
        .set_up = messages->set_up,
    };

    if (pvperfSocketAccept(&messages->socket) < 0)
        return -1;
    messages->report.busy = false;
    if (!pvperfSocketSend(&messages->socket, &hello.h, sizeof(hello)))
        pvperfMessagesDisconnect(messages);
    /* What was asked of the old one is refused, of which the new one is told. */
    if (messages->set_up)
        pvperfBrokerExpire(&messages->backend, pvperfMessagesNow(), true);
    return messages->socket.fd;
}


/* The counters of the file, or ones of its own if there is none that can be used. */
static pvperfControlStats *
pvperfMessagesStats(pvperfMessages *messages,
                    int fd)
{
    pvperfControlFile *file = MAP_FAILED;
    struct stat st;

    if (fd < 0)
        return &messages->stats;
    if (fstat(fd, &st) == 0 && st.st_size == sizeof(*file))
        file = mmap(NULL, sizeof(*file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (file != MAP_FAILED)
        return &file->stats;
    pvperfLog("file of statistics: it cannot be mapped; counting from 0");
    return &messages->stats;
}


static bool
pvperfMessagesSetup(pvperfMessages *messages,
                    pvperfReceived *received)
{
    const pvperfControlSetup *setup = &received->packet.setup;
    pvperfWindow *window;
    const char *why = NULL;
    int ret;

    if (messages->set_up || received->nfds < 3 || received->nfds > 4) {
        pvperfLog("SETUP with %u fds, set up already: %s; 3 or 4 fds once are allowed",
                  received->nfds, messages->set_up ? "yes" : "no");
        return false;
    }
    window = pvperfWindowMap(received->fds[0], setup->window_size, setup->nr_vcpus, &why);
    if (!window) {
        pvperfLog("window of %llu bytes for %u vCPUs: %s: %s",
                  (unsigned long long)setup->window_size, setup->nr_vcpus,
                  why, strerror(errno));
        return false;
    }
    messages->irq_fds = mmap(NULL, setup->nr_vcpus * sizeof(int), PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ret = messages->irq_fds == MAP_FAILED ? -ENOMEM :
        pvperfServeInit(&messages->backend, window, &pvperfHostperfReal,
                        setup->classes_available,
                        pvperfMessagesStats(messages, received->nfds == 4 ? received->fds[3] : -1));
    if (ret < 0) {
        pvperfLog("tables for %u vCPUs: %s", setup->nr_vcpus, strerror(-ret));
        return false;
    }

    messages->backend.ask = pvperfMessagesAsk;
    messages->backend.tell = pvperfMessagesTell;
    messages->backend.opaque = messages;
    messages->backend.table.sampling.irq_fds = messages->irq_fds;
    messages->backend.table.sampling.watch = messages->watch_ring;
    messages->backend.table.sampling.opaque = messages->watch_opaque;
    messages->backend.table.sampling.ring_bytes_max = messages->ring_bytes_max;
    messages->window_fd = received->fds[0];
    messages->doorbell_fd = received->fds[1];
    messages->qemu_fd = received->fds[2];
    if (received->nfds == 4)
        close(received->fds[3]);
    received->nfds = 0;
    messages->set_up = true;
    return true;
}


static bool
pvperfMessagesIrqs(pvperfMessages *messages,
                   pvperfReceived *received)
{
    const pvperfControlIrqs *irqs = &received->packet.irqs;
    uint32_t nr_vcpus = messages->backend.table.nr_vcpus;
    uint32_t i;

    if (irqs->count != received->nfds || irqs->first > nr_vcpus ||
        irqs->count > nr_vcpus - irqs->first) {
        pvperfLog("IRQS for vectors %u + %u with %u fds; there are %u vectors",
                  irqs->first, irqs->count, received->nfds, nr_vcpus);
        return false;
    }
    for (i = 0; i < irqs->count; i++) {
        int *irq = &messages->irq_fds[irqs->first + i];

        if (*irq)
            close(*irq - 1);
        *irq = received->fds[i] + 1;
    }
    received->nfds = 0;
    return true;
}


static bool
pvperfMessagesPolicy(pvperfMessages *messages,
                     pvperfReceived *received)
{
    const pvperfPolicy *policy = &received->packet.policy.policy;

    if (pvperfServePolicy(&messages->backend, policy))
        return true;
    pvperfLog("POLICY with max %u, per_vcpu %u, %u raw entries; at most %u, %u, %u are allowed",
              policy->max, policy->per_vcpu, policy->nraw,
              PVPERF_MAX_IDS, PVPERF_MAX_PER_VCPU, PVPERF_RAW_MAX);
    return false;
}


static bool
pvperfMessagesGroup(pvperfMessages *messages,
                    pvperfReceived *received)
{
    const pvperfControlGroup *group = &received->packet.group;
    int fd = received->nfds == 1 ? received->fds[0] : -1;

    if (!group->joined && received->nfds == 0) {
        pvperfGroupLeave(&messages->backend.group);
        return true;
    }
    if (received->nfds > 1 || !group->joined || group->member >= PVPERF_GROUP_MEMBERS) {
        pvperfLog("GROUP with %u fds, joined %u, member %u; up to 1 fd, and a member below %u are allowed",
                  received->nfds, group->joined, group->member, PVPERF_GROUP_MEMBERS);
        return false;
    }
    if (pvperfServeGroup(&messages->backend, fd, group->member, &group->limits))
        return true;
    pvperfLog("page of a group: %s", strerror(errno));
    return false;
}


static bool
pvperfMessagesSession(pvperfMessages *messages,
                      pvperfReceived *received)
{
    pvperfServeSession(&messages->backend, received->packet.session.session);
    return true;
}


static bool
pvperfMessagesOpened(pvperfMessages *messages,
                     pvperfReceived *received)
{
    messages->backend.now = pvperfMessagesNow();
    pvperfBrokerAnswer(&messages->backend, &received->packet.opened,
                       received->fds, received->nfds);
    received->nfds = 0;
    return true;
}


static bool
pvperfMessagesQuery(pvperfMessages *messages,
                    pvperfReceived *received)
{
    const pvperfControlQuery *query = &received->packet.query;

    /* One page at a time: finish the one that was asked for before. */
    while (messages->report.busy && pvperfMessagesWork(messages))
        ;
    if (messages->socket.fd < 0)
        return false;
    pvperfReportBegin(&messages->report, query->h.cookie, query->cursor);
    return true;
}


static bool
pvperfMessagesGetStats(pvperfMessages *messages,
                       pvperfReceived *received)
{
    pvperfControlStats *stats = messages->backend.stats;

    pvperfReportStats(&messages->backend);
    stats->h.type = PVPERF_CONTROL_STATS;
    stats->h.cookie = received->packet.h.cookie;
    if (!pvperfSocketSend(&messages->socket, &stats->h, sizeof(*stats)))
        return false;
    pvperfServeTold(&messages->backend);
    return true;
}


static const pvperfMessageInfo infos[] = {
    [PVPERF_CONTROL_SETUP] = { "SETUP", sizeof(pvperfControlSetup), false, pvperfMessagesSetup },
    [PVPERF_CONTROL_IRQS] = { "IRQS", sizeof(pvperfControlIrqs), true, pvperfMessagesIrqs },
    [PVPERF_CONTROL_POLICY] = { "POLICY", sizeof(pvperfControlPolicy), true, pvperfMessagesPolicy },
    [PVPERF_CONTROL_GROUP] = { "GROUP", sizeof(pvperfControlGroup), true, pvperfMessagesGroup },
    [PVPERF_CONTROL_SESSION] = { "SESSION", sizeof(pvperfControlSession), true, pvperfMessagesSession },
    [PVPERF_CONTROL_OPENED] = { "OPENED", sizeof(pvperfControlOpened), true, pvperfMessagesOpened },
    [PVPERF_CONTROL_QUERY] = { "QUERY", sizeof(pvperfControlQuery), true, pvperfMessagesQuery },
    [PVPERF_CONTROL_GET_STATS] = { "GET_STATS", sizeof(pvperfControlHeader), true, pvperfMessagesGetStats },
};

static bool
pvperfMessagesDispatch(pvperfMessages *messages,
                       pvperfReceived *received)
{
    const pvperfControlHeader *header = &received->packet.h;
    const pvperfMessageInfo *info;

    if (header->type >= sizeof(infos) / sizeof(infos[0]) || !infos[header->type].handler) {
        pvperfLog("control socket: no message of type %u is known", header->type);
        return false;
    }
    info = &infos[header->type];
    if (header->size != info->size) {
        pvperfLog("%s of %u bytes; %u are allowed", info->name, header->size, info->size);
        return false;
    }
    if (info->needs_setup && !messages->set_up) {
        pvperfLog("%s before SETUP", info->name);
        return false;
    }
    return info->handler(messages, received);
}


bool
pvperfMessagesReceive(pvperfMessages *messages)
{
    pvperfReceived *received = &messages->received;
    int got = pvperfSocketReceive(&messages->socket, received);

    if (got == 0)
        return false;
    if (got < 0 || !pvperfMessagesDispatch(messages, received))
        pvperfMessagesDisconnect(messages);
    pvperfSocketDropFds(received);
    return true;
}


bool
pvperfMessagesWork(pvperfMessages *messages)
{
    pvperfReport *report = &messages->report;

    if (!report->busy)
        return false;
    if (pvperfReportStep(report, &messages->backend) &&
        !pvperfSocketSend(&messages->socket, &report->page.h, pvperfReportSize(report)))
        pvperfMessagesDisconnect(messages);
    return true;
}
