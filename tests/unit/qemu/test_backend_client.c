/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_backend_client.c: a backend that the test plays, well and badly.
 */
#include "../../../src/qemu/pvperf_backend_client.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <gio/gio.h>

#include "../../../src/qemu/pvperf_backend_client_priv.h"
#include "../../../src/qemu/pvperf_seqpacket.h"
#include "test_util.h"

#define VECTORS 300             /* two IRQS messages */

typedef struct _testBackend testBackend;
struct _testBackend {
    char *dir;
    char *path;
    int listener;
    int conn;
    pvperfPeer *peer;
    pvperfPolicy policy;
    pvperfBackendClient *client;
    bool ready;
    pvperfControlRefused refused;
    unsigned int told;          /* REFUSED and STATS */
    char *broken;
    bool hostile;
    /* last message received */
    _Alignas(uint64_t) char buffer[PVPERF_CONTROL_MAX];
    pvperfPacket packet;
    /* answers */
    bool answered;
    bool fresh;
    guint records;
    GIOErrorEnum code;
    pvperfControlStats stats;
};


static void
testOnReady(gpointer opaque)
{
    ((testBackend *)opaque)->ready = true;
}


static void
testOnBroken(const char *why,
             bool hostile,
             gpointer opaque)
{
    testBackend *backend = opaque;

    g_assert_null(backend->broken);
    backend->broken = g_strdup(why);
    backend->hostile = hostile;
}


static void
testOnRefused(const pvperfControlRefused *refused,
              gpointer opaque)
{
    testBackend *backend = opaque;

    backend->refused = *refused;
    backend->told++;
}


static void
testOnAnyStats(const pvperfControlStats *stats,
               gpointer opaque)
{
    testBackend *backend = opaque;

    g_assert_cmpuint(stats->h.type, ==, PVPERF_CONTROL_STATS);
    backend->told++;
}


static const pvperfBackendHandlers handlers = {
    .ready = testOnReady,
    .broken = testOnBroken,
    .refused = testOnRefused,
    .stats = testOnAnyStats,
};


static pvperfPeer *
testPeer(void)
{
    const int fds[] = { memfd_create("window", MFD_CLOEXEC), eventfd(0, EFD_CLOEXEC),
                        syscall(SYS_pidfd_open, getpid(), 0) };
    pvperfPeer *peer = pvperfPeerNew(1, getpid(), 1, getuid(), VECTORS, pvperf_window_size(VECTORS), fds);

    while (peer->nirqs < VECTORS)
        peer->irqs[peer->nirqs++] = eventfd(0, EFD_CLOEXEC);
    return peer;
}


static void
testSetUp(testBackend *backend)
{
    g_autoptr(GError) error = NULL;

    memset(backend, 0, sizeof(*backend));
    backend->dir = testDirNew();
    backend->path = g_build_filename(backend->dir, "backend.sock", NULL);
    backend->listener = pvperfPacketListen(backend->path, &error);
    g_assert_no_error(error);
    backend->peer = testPeer();
    pvperfPolicyInitDefault(&backend->policy, VECTORS);
    backend->client = pvperfBackendClientNew(backend->path, backend->peer, -1, &backend->policy,
                                             1U << PVPERF_CLASS_VCPU, &handlers, backend, &error);
    g_assert_no_error(error);
    backend->conn = accept4(backend->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    g_assert_cmpint(backend->conn, >=, 0);
}


static void
testTearDown(testBackend *backend)
{
    pvperfBackendClientFree(backend->client);
    pvperfPeerUnref(backend->peer);
    if (backend->conn >= 0)
        close(backend->conn);
    close(backend->listener);
    g_free(backend->broken);
    g_free(backend->path);
    testDirRemove(backend->dir);
}


static void
testSend(testBackend *backend,
         void *msg,
         size_t size,
         pvperfControlType type,
         uint64_t cookie)
{
    pvperfControlHeader *header = msg;

    header->size = size;
    header->version = PVPERF_CONTROL_VERSION;
    header->type = type;
    header->cookie = cookie;
    g_assert_true(pvperfPacketSend(backend->conn, msg, size, NULL, 0));
}


static bool
testArrived(gpointer opaque)
{
    testBackend *backend = opaque;

    return pvperfPacketReceive(backend->conn, backend->buffer, sizeof(backend->buffer),
                               &backend->packet) == PVPERF_PACKET_GOT;
}


/* The next message from the daemon; its descriptors are counted and closed. */
static const pvperfControlHeader *
testReceive(testBackend *backend,
            pvperfControlType type,
            size_t size,
            unsigned int nfds)
{
    const pvperfControlHeader *header = (const void *)backend->buffer;

    testRunUntil(testArrived, backend);
    g_assert_cmpuint(header->type, ==, type);
    g_assert_cmpuint(backend->packet.size, ==, size);
    g_assert_cmpuint(header->size, ==, size);
    g_assert_cmpuint(header->version, ==, PVPERF_CONTROL_VERSION);
    g_assert_cmpuint(backend->packet.nfds, ==, nfds);
    pvperfPacketCloseFds(&backend->packet);
    return header;
}


static bool
testIsReady(gpointer opaque)
{
    return ((testBackend *)opaque)->ready;
}


static bool
testIsBroken(gpointer opaque)
{
    return ((testBackend *)opaque)->broken != NULL;
}


static bool
testIsAnswered(gpointer opaque)
{
    return ((testBackend *)opaque)->answered;
}


static uint64_t
testHandshake(testBackend *backend)
{
    pvperfControlHello hello = { .set_up = 0 };
    const pvperfControlSetup *setup;
    const pvperfControlIrqs *irqs;
    const pvperfControlSession *session;

    testSend(backend, &hello, sizeof(hello), PVPERF_CONTROL_HELLO, 0);
    testRunUntil(testIsReady, backend);
    setup = (const void *)testReceive(backend, PVPERF_CONTROL_SETUP, sizeof(*setup), 3);
    g_assert_cmpuint(setup->nr_vcpus, ==, VECTORS);
    g_assert_cmpuint(setup->window_size, ==, pvperf_window_size(VECTORS));
    g_assert_cmpuint(setup->classes_available, ==, 1U << PVPERF_CLASS_VCPU);
    irqs = (const void *)testReceive(backend, PVPERF_CONTROL_IRQS, sizeof(*irqs), PVPERF_CONTROL_FDS_MAX);
    g_assert_cmpuint(irqs->first, ==, 0);
    irqs = (const void *)testReceive(backend, PVPERF_CONTROL_IRQS, sizeof(*irqs),
                                     VECTORS - PVPERF_CONTROL_FDS_MAX);
    g_assert_cmpuint(irqs->first, ==, PVPERF_CONTROL_FDS_MAX);
    testReceive(backend, PVPERF_CONTROL_POLICY, sizeof(pvperfControlPolicy), 0);
    session = (const void *)testReceive(backend, PVPERF_CONTROL_SESSION, sizeof(*session), 0);
    g_assert_cmpuint(session->session, !=, 0);
    return session->session;
}


static void
testSetup(void)
{
    testBackend backend;
    const pvperfControlSession *session;
    const pvperfControlPolicy *policy;
    uint64_t first;

    testSetUp(&backend);
    first = testHandshake(&backend);

    pvperfBackendClientNewSession(backend.client);
    session = (const void *)testReceive(&backend, PVPERF_CONTROL_SESSION, sizeof(*session), 0);
    g_assert_cmpuint(session->session, !=, 0);
    g_assert_cmpuint(session->session, !=, first);

    /* the same policy is not sent again, another one is */
    pvperfBackendClientPolicy(backend.client, &backend.policy);
    backend.policy.max = 7;
    pvperfBackendClientPolicy(backend.client, &backend.policy);
    policy = (const void *)testReceive(&backend, PVPERF_CONTROL_POLICY, sizeof(*policy), 0);
    g_assert_cmpuint(policy->policy.max, ==, 7);

    pvperfBackendClientHostDown(backend.client);
    session = (const void *)testReceive(&backend, PVPERF_CONTROL_SESSION, sizeof(*session), 0);
    g_assert_cmpuint(session->session, ==, 0);
    testTearDown(&backend);
}


/* One that serves is only told the policy and its group, and goes on. */
static void
testAdopt(void)
{
    testBackend backend;
    pvperfControlHello hello = { .set_up = 1, .session = 5 };

    testSetUp(&backend);
    testSend(&backend, &hello, sizeof(hello), PVPERF_CONTROL_HELLO, 0);
    testReceive(&backend, PVPERF_CONTROL_POLICY, sizeof(pvperfControlPolicy), 0);
    /* that it is in none, because an earlier daemon may have said otherwise */
    testReceive(&backend, PVPERF_CONTROL_GROUP, sizeof(pvperfControlGroup), 0);
    testRunFor(50);
    g_assert_false(testArrived(&backend));
    testTearDown(&backend);
}


/* The page is sent with the first message and with another line, limits alone. */
static void
testGroup(void)
{
    const size_t size = sizeof(pvperfControlGroup);
    pvperfGroupLimits limits = { .max = 5 };
    const pvperfControlGroup *group;
    testBackend backend;

    testSetUp(&backend);
    testHandshake(&backend);
    pvperfBackendClientGroup(backend.client, STDERR_FILENO, 3, &limits);
    group = (const void *)testReceive(&backend, PVPERF_CONTROL_GROUP, size, 1);
    g_assert_cmpuint(group->joined, ==, 1);
    g_assert_cmpuint(group->member, ==, 3);
    g_assert_cmpuint(group->limits.max, ==, 5);
    pvperfBackendClientGroup(backend.client, STDERR_FILENO, 3, &limits);
    limits.max = 6;
    pvperfBackendClientGroup(backend.client, STDERR_FILENO, 3, &limits);
    group = (const void *)testReceive(&backend, PVPERF_CONTROL_GROUP, size, 0);
    g_assert_cmpuint(group->limits.max, ==, 6);
    pvperfBackendClientGroup(backend.client, STDERR_FILENO, 4, &limits);
    testReceive(&backend, PVPERF_CONTROL_GROUP, size, 1);
    pvperfBackendClientGroup(backend.client, -1, 0, NULL);
    group = (const void *)testReceive(&backend, PVPERF_CONTROL_GROUP, size, 0);
    g_assert_cmpuint(group->joined, ==, 0);
    g_assert_cmpuint(group->limits.max, ==, 0);
    testTearDown(&backend);
}


/* ---- the broker, seen from the backend ---- */

static void
testOpenRefused(void)
{
    testBackend backend;
    pvperfControlOpen open = { .vcpu = 1, .count = 1 };
    const pvperfControlOpened *opened;

    testSetUp(&backend);
    testHandshake(&backend);
    open.events[0].event = pvperfEventFromName("vcpu-clock");
    testSend(&backend, &open, sizeof(open), PVPERF_CONTROL_OPEN, 77);
    opened = (const void *)testReceive(&backend, PVPERF_CONTROL_OPENED, sizeof(*opened), 0);
    /* this process has no vCPU threads */
    g_assert_cmpuint(opened->h.cookie, ==, 77);
    g_assert_cmpint(opened->ret, ==, -EAGAIN);
    g_assert_cmpuint(opened->count, ==, 0);
    testTearDown(&backend);
}


/* An OPEN and its answer, which has to wait for @ms at least. */
static void
testOpenTakes(testBackend *backend,
              unsigned int ms)
{
    pvperfControlOpen open = { .vcpu = 1, .count = 1 };
    gint64 start = g_get_monotonic_time();

    open.events[0].event = pvperfEventFromName("vcpu-clock");
    testSend(backend, &open, sizeof(open), PVPERF_CONTROL_OPEN, 1);
    testReceive(backend, PVPERF_CONTROL_OPENED, sizeof(pvperfControlOpened), 0);
    g_assert_cmpint(g_get_monotonic_time() - start, >=, ms * 1000);
}


/* It has used as much as one ever owes. */
static void
testOverdraw(testBackend *backend)
{
    backend->client->share.paid_at = g_get_monotonic_time() + PVPERF_SHARE_BURST_US * PVPERF_SHARE_PART +
        PVPERF_SHARE_PAUSE_US;
}


/* One that used more than its share waits, and loses nothing; another does not. */
static void
testShare(void)
{
    testBackend backend;
    testBackend other;

    testSetUp(&backend);
    testSetUp(&other);
    testHandshake(&backend);
    testHandshake(&other);
    testOverdraw(&backend);
    testOpenTakes(&backend, 0);
    testOpenTakes(&other, 0);
    g_assert_cmpuint(other.client->pause_timer, ==, 0);
    testOverdraw(&backend);
    testOpenTakes(&backend, 10);

    /* and may go meanwhile, from either side */
    g_assert_cmpuint(backend.client->pause_timer, !=, 0);
    testTearDown(&other);
    close(backend.conn);
    backend.conn = -1;
    testRunUntil(testIsBroken, &backend);
    g_assert_false(backend.hostile);
    testTearDown(&backend);
}


/* ---- questions ---- */

static void
testOnEvents(GArray *records,
             const GError *error,
             gpointer opaque)
{
    testBackend *backend = opaque;

    backend->answered = true;
    backend->records = records ? records->len : 0;
    backend->code = error ? (GIOErrorEnum)error->code : 0;
}


static void
testOnStats(const pvperfControlStats *stats,
            bool fresh,
            gpointer opaque)
{
    testBackend *backend = opaque;

    backend->answered = true;
    backend->fresh = fresh;
    backend->stats = *stats;
}


static void
testSendEvents(testBackend *backend,
               uint64_t cookie,
               uint64_t cursor,
               uint32_t count)
{
    g_autofree pvperfControlEvents *events = g_new0(pvperfControlEvents, 1);
    uint32_t i;

    events->cursor = cursor;
    events->count = count;
    for (i = 0; i < count; i++)
        events->records[i].id = i;
    testSend(backend, events, offsetof(pvperfControlEvents, records) + count * sizeof(events->records[0]),
             PVPERF_CONTROL_EVENTS, cookie);
}


static void
testEvents(void)
{
    testBackend backend;
    const pvperfControlQuery *query;
    uint64_t cookie;

    testSetUp(&backend);
    testHandshake(&backend);
    pvperfBackendClientQueryEvents(backend.client, testOnEvents, &backend);
    query = (const void *)testReceive(&backend, PVPERF_CONTROL_QUERY, sizeof(*query), 0);
    cookie = query->h.cookie;
    g_assert_cmpuint(query->cursor, ==, 0);
    testSendEvents(&backend, cookie, 256, 256);
    query = (const void *)testReceive(&backend, PVPERF_CONTROL_QUERY, sizeof(*query), 0);
    g_assert_cmpuint(query->cursor, ==, 256);
    g_assert_cmpuint(query->h.cookie, ==, cookie);
    testSendEvents(&backend, cookie, 0, 3);
    testRunUntil(testIsAnswered, &backend);
    g_assert_cmpuint(backend.records, ==, 259);
    g_assert_cmpint(backend.code, ==, 0);

    /* an answer to nobody is let go */
    testSendEvents(&backend, cookie, 0, 3);
    testRunFor(50);
    g_assert_null(backend.broken);
    testTearDown(&backend);
}


static void
testStats(void)
{
    testBackend backend;
    pvperfControlStats stats = { .open = 3 };
    const pvperfControlHeader *question;

    testSetUp(&backend);
    testHandshake(&backend);
    pvperfBackendClientQueryStats(backend.client, testOnStats, &backend);
    question = testReceive(&backend, PVPERF_CONTROL_GET_STATS, sizeof(*question), 0);
    testSend(&backend, &stats, sizeof(stats), PVPERF_CONTROL_STATS, question->cookie);
    testRunUntil(testIsAnswered, &backend);
    g_assert_true(backend.fresh);
    g_assert_cmpuint(backend.stats.open, ==, 3);
    g_assert_cmpuint(backend.told, ==, 1);

    /* no answer: the last one, marked */
    backend.answered = false;
    pvperfBackendClientQueryStats(backend.client, testOnStats, &backend);
    testRunUntil(testIsAnswered, &backend);
    g_assert_false(backend.fresh);
    g_assert_cmpuint(backend.stats.open, ==, 3);

    backend.answered = false;
    pvperfBackendClientQueryEvents(backend.client, testOnEvents, &backend);
    testRunUntil(testIsAnswered, &backend);
    g_assert_cmpint(backend.code, ==, G_IO_ERROR_TIMED_OUT);

    /* the backend ends: who waits is told at once */
    backend.answered = false;
    pvperfBackendClientQueryEvents(backend.client, testOnEvents, &backend);
    pvperfBackendClientFree(g_steal_pointer(&backend.client));
    g_assert_true(backend.answered);
    g_assert_cmpint(backend.code, ==, G_IO_ERROR_CLOSED);
    testTearDown(&backend);
}


static bool
testIsTold(gpointer opaque)
{
    return ((testBackend *)opaque)->told > 0;
}


/* Without being asked, about events that are known and that are not. */
static void
testRefused(void)
{
    const int events[] = { PVPERF_EVENT_NONE, 0, pvperfEventCount() - 1 };
    testBackend backend;
    size_t i;

    testSetUp(&backend);
    testHandshake(&backend);
    for (i = 0; i < G_N_ELEMENTS(events); i++) {
        pvperfControlRefused refused = {
            .reason = PVPERF_REASON_MAX,
            .total = 17,
            .last = { .event = events[i], .limit = 4 },
        };

        backend.told = 0;
        testSend(&backend, &refused, sizeof(refused), PVPERF_CONTROL_REFUSED, 0);
        testRunUntil(testIsTold, &backend);
        g_assert_cmpuint(backend.refused.reason, ==, PVPERF_REASON_MAX);
        g_assert_cmpuint(backend.refused.total, ==, 17);
        g_assert_cmpint(backend.refused.last.event, ==, events[i]);
        g_assert_cmpuint(backend.refused.last.limit, ==, 4);
    }
    g_assert_null(backend.broken);
    testTearDown(&backend);
}


/* ---- backends that do not keep to it ---- */

typedef struct _testBadMessage testBadMessage;
struct _testBadMessage {
    const char *name;
    pvperfControlType type;
    size_t size;                /* sent */
    uint32_t told_size;         /* 0: as sent */
    uint16_t version;           /* 0: right */
    bool before_hello;
    unsigned int nfds;
    uint32_t count;             /* EVENTS: told */
    uint32_t reason;            /* REFUSED; STATS: of the last refusal that has event */
    int32_t id;
    int32_t event;
    uint32_t vcpu;
    uint32_t state;
    uint64_t cursor;
    const char *why;
};

#define EVENTS(n) (offsetof(pvperfControlEvents, records) + (n) * sizeof(pvperfControlRecord))
#define REFUSED sizeof(pvperfControlRefused)
#define NOT_OF_IT "sent a message that is not of the protocol"

static const testBadMessage badMessages[] = {
    { "unknown type", 99, 64, .why = NOT_OF_IT },
    { "a daemon's type", PVPERF_CONTROL_SETUP, sizeof(pvperfControlSetup), .why = NOT_OF_IT },
    { "shorter than a header", PVPERF_CONTROL_STATS, 8, .why = NOT_OF_IT },
    { "size lies", PVPERF_CONTROL_STATS, sizeof(pvperfControlStats), .told_size = 16, .why = NOT_OF_IT },
    { "another version", PVPERF_CONTROL_STATS, sizeof(pvperfControlStats), .version = 2, .why = NOT_OF_IT },
    { "short STATS", PVPERF_CONTROL_STATS, sizeof(pvperfControlStats) - 8, .why = NOT_OF_IT },
    { "short OPEN", PVPERF_CONTROL_OPEN, 32, .why = NOT_OF_IT },
    { "HELLO twice", PVPERF_CONTROL_HELLO, sizeof(pvperfControlHello), .why = NOT_OF_IT },
    { "OPEN before HELLO", PVPERF_CONTROL_OPEN, sizeof(pvperfControlOpen), .before_hello = true,
      .why = NOT_OF_IT },
    { "short HELLO", PVPERF_CONTROL_HELLO, 16, .before_hello = true, .why = NOT_OF_IT },
    { "too large", PVPERF_CONTROL_STATS, PVPERF_CONTROL_MAX + 1,
      .why = "sent a message that is too large" },
    { "descriptors", PVPERF_CONTROL_STATS, sizeof(pvperfControlStats), .nfds = 1,
      .why = "sent file descriptors" },
    { "descriptors alone", 0, 0, .nfds = 1, .why = "sent file descriptors" },
    { "EVENTS shorter than told", PVPERF_CONTROL_EVENTS, EVENTS(1), .count = 2, .why = NOT_OF_IT },
    { "EVENTS longer than told", PVPERF_CONTROL_EVENTS, EVENTS(2), .count = 1, .why = NOT_OF_IT },
    { "more EVENTS than fit", PVPERF_CONTROL_EVENTS, EVENTS(1), .count = 0x40000001, .why = NOT_OF_IT },
    { "negative id", PVPERF_CONTROL_EVENTS, EVENTS(1), .count = 1, .id = -1, .why = NOT_OF_IT },
    { "id too large", PVPERF_CONTROL_EVENTS, EVENTS(1), .count = 1, .id = PVPERF_MAX_IDS, .why = NOT_OF_IT },
    { "unknown event", PVPERF_CONTROL_EVENTS, EVENTS(1), .count = 1, .event = 1000, .why = NOT_OF_IT },
    { "negative event", PVPERF_CONTROL_EVENTS, EVENTS(1), .count = 1, .event = -1, .why = NOT_OF_IT },
    { "unknown vCPU", PVPERF_CONTROL_EVENTS, EVENTS(1), .count = 1, .vcpu = VECTORS, .why = NOT_OF_IT },
    { "short REFUSED", PVPERF_CONTROL_REFUSED, REFUSED - 8, .reason = PVPERF_REASON_MAX, .why = NOT_OF_IT },
    { "long REFUSED", PVPERF_CONTROL_REFUSED, REFUSED + 8, .reason = PVPERF_REASON_MAX, .why = NOT_OF_IT },
    { "REFUSED before HELLO", PVPERF_CONTROL_REFUSED, REFUSED, .reason = PVPERF_REASON_MAX,
      .before_hello = true, .why = NOT_OF_IT },
    { "refused for no reason", PVPERF_CONTROL_REFUSED, REFUSED, .reason = PVPERF_REASON_NONE, .why = NOT_OF_IT },
    { "unknown reason", PVPERF_CONTROL_REFUSED, REFUSED, .reason = PVPERF_NR_REASONS, .why = NOT_OF_IT },
    { "reason far too large", PVPERF_CONTROL_REFUSED, REFUSED, .reason = UINT32_MAX, .why = NOT_OF_IT },
    { "unknown event refused", PVPERF_CONTROL_REFUSED, REFUSED, .reason = PVPERF_REASON_MAX,
      .event = 1000, .why = NOT_OF_IT },
    { "negative event refused", PVPERF_CONTROL_REFUSED, REFUSED, .reason = PVPERF_REASON_MAX,
      .event = -2, .why = NOT_OF_IT },
    { "unknown event in STATS", PVPERF_CONTROL_STATS, sizeof(pvperfControlStats),
      .reason = PVPERF_REASON_BROKER, .event = 1000, .why = NOT_OF_IT },
    { "negative event in STATS", PVPERF_CONTROL_STATS, sizeof(pvperfControlStats),
      .reason = PVPERF_REASON_NONE, .event = -2, .why = NOT_OF_IT },
    { "unknown state", PVPERF_CONTROL_EVENTS, EVENTS(1), .count = 1, .state = 4, .why = NOT_OF_IT },
};


static void
testBad(gconstpointer opaque)
{
    const testBadMessage *bad = opaque;
    testBackend backend;
    g_autofree char *buffer = g_malloc0(PVPERF_CONTROL_MAX + 64);
    pvperfControlHeader *header = (pvperfControlHeader *)buffer;
    pvperfControlEvents *events = (pvperfControlEvents *)buffer;
    pvperfControlRefused *refused = (pvperfControlRefused *)buffer;
    pvperfControlStats *stats = (pvperfControlStats *)buffer;
    int fd = dup(0);
    int after;

    testSetUp(&backend);
    if (!bad->before_hello)
        testHandshake(&backend);
    header->size = bad->told_size ? bad->told_size : bad->size;
    header->version = bad->version ? bad->version : PVPERF_CONTROL_VERSION;
    header->type = bad->type;
    if (bad->type == PVPERF_CONTROL_EVENTS) {
        events->count = bad->count;
        events->cursor = bad->cursor;
        events->records[0].id = bad->id;
        events->records[0].event = bad->event;
        events->records[0].vcpu = bad->vcpu;
        events->records[0].state = bad->state;
    }
    if (bad->type == PVPERF_CONTROL_REFUSED) {
        refused->reason = bad->reason;
        refused->last.event = bad->event;
    }
    if (bad->type == PVPERF_CONTROL_STATS)
        stats->last_refusals[bad->reason].event = bad->event;
    g_assert_true(pvperfPacketSend(backend.conn, buffer, bad->size, &fd, bad->nfds));
    /* whatever came along is closed: the lowest one that is free is so again */
    after = dup(0);
    close(after);
    testRunUntil(testIsBroken, &backend);
    g_assert_cmpint(dup(0), ==, after);
    close(after);
    g_assert_cmpstr(backend.broken, ==, bad->why);
    g_assert_true(backend.hostile);
    g_assert_false(pvperfBackendClientReady(backend.client));
    close(fd);
    testTearDown(&backend);
}


static void
testEndlessEvents(void)
{
    testBackend backend;
    const pvperfControlHeader *query;

    testSetUp(&backend);
    testHandshake(&backend);
    pvperfBackendClientQueryEvents(backend.client, testOnEvents, &backend);
    query = testReceive(&backend, PVPERF_CONTROL_QUERY, sizeof(pvperfControlQuery), 0);
    testSendEvents(&backend, query->cookie, 1, 0);
    testRunUntil(testIsBroken, &backend);
    g_assert_true(backend.hostile);
    testTearDown(&backend);
}


static void
testHangUp(void)
{
    testBackend backend;

    testSetUp(&backend);
    testHandshake(&backend);
    close(backend.conn);
    backend.conn = -1;
    testRunUntil(testIsBroken, &backend);
    g_assert_cmpstr(backend.broken, ==, "hung up");
    g_assert_false(backend.hostile);
    testTearDown(&backend);
}


/* It does not read: the daemon never waits, and gives it up. */
static void
testFullSocket(void)
{
    testBackend backend;
    int i;

    testSetUp(&backend);
    testHandshake(&backend);
    for (i = 0; i < 100000 && pvperfBackendClientReady(backend.client); i++)
        pvperfBackendClientNewSession(backend.client);
    g_assert_cmpint(i, <, 100000);
    testRunUntil(testIsBroken, &backend);
    g_assert_true(backend.hostile);
    g_assert_true(g_str_has_prefix(backend.broken, "cannot be sent to"));
    testTearDown(&backend);
}


int
main(int argc,
     char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/backend/set-up", testSetup);
    g_test_add_func("/backend/adopt", testAdopt);
    g_test_add_func("/backend/group", testGroup);
    g_test_add_func("/backend/open refused", testOpenRefused);
    g_test_add_func("/backend/share", testShare);
    g_test_add_func("/backend/events", testEvents);
    g_test_add_func("/backend/stats", testStats);
    g_test_add_func("/backend/refused", testRefused);
    for (i = 0; i < G_N_ELEMENTS(badMessages); i++) {
        g_autofree char *path = g_strconcat("/backend/bad/", badMessages[i].name, NULL);

        g_test_add_data_func(path, &badMessages[i], testBad);
    }
    g_test_add_func("/backend/bad/endless events", testEndlessEvents);
    g_test_add_func("/backend/hang up", testHangUp);
    g_test_add_func("/backend/full socket", testFullSocket);
    return g_test_run();
}
