/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_keeper_client.c: a keeper that the test plays, well and badly.
 */
#include "../../../src/qemu/pvperf_keeper_client.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../src/ivshmem/pvperf_keeper.h"
#include "../../../src/qemu/pvperf_identity.h"
#include "../../../src/qemu/pvperf_seqpacket.h"
#include "pvperf/abi.h"
#include "test_util.h"

typedef struct _testKeeper testKeeper;
struct _testKeeper {
    char *dir;
    char *path;
    int listener;
    int conn;
    pvperfKeeperClient *client;
    unsigned int ups;
    unsigned int downs;
    unsigned int peers;
    unsigned int gones;
    pvperfPeer *last;
    pid_t process;
    int window;
};


static void
testOnConnected(bool up,
                gpointer opaque)
{
    testKeeper *keeper = opaque;

    if (up)
        keeper->ups++;
    else
        keeper->downs++;
}


static void
testOnPeer(pvperfPeer *peer,
           gpointer opaque)
{
    testKeeper *keeper = opaque;

    keeper->peers++;
    g_clear_pointer(&keeper->last, pvperfPeerUnref);
    keeper->last = pvperfPeerRef(peer);
}


static void
testOnGone(pvperfPeer *peer,
           gpointer opaque)
{
    ((testKeeper *)opaque)->gones++;
}


static const pvperfKeeperHandlers handlers = {
    .connected = testOnConnected,
    .peer = testOnPeer,
    .gone = testOnGone,
};


static void
testListen(testKeeper *keeper)
{
    g_autoptr(GError) error = NULL;

    keeper->listener = pvperfPacketListen(keeper->path, &error);
    g_assert_no_error(error);
    g_assert_cmpint(fcntl(keeper->listener, F_SETFL, O_NONBLOCK), ==, 0);
}


static bool
testTryAccept(gpointer opaque)
{
    testKeeper *keeper = opaque;

    keeper->conn = accept4(keeper->listener, NULL, NULL, SOCK_CLOEXEC);
    return keeper->conn >= 0;
}


static void
testAccept(testKeeper *keeper)
{
    testRunUntil(testTryAccept, keeper);
}


static void
testSetUp(testKeeper *keeper)
{
    memset(keeper, 0, sizeof(*keeper));
    keeper->dir = testDirNew();
    keeper->path = g_build_filename(keeper->dir, "keeper.sock", NULL);
    keeper->process = testSleeper();
    keeper->window = memfd_create("window", MFD_CLOEXEC);
    testListen(keeper);
    keeper->client = pvperfKeeperClientNew(keeper->path, &handlers, keeper);
    testAccept(keeper);
}


static void
testTearDown(testKeeper *keeper)
{
    pvperfKeeperClientFree(keeper->client);
    pvperfPeerUnref(keeper->last);
    if (keeper->process > 0) {
        kill(keeper->process, SIGKILL);
        waitpid(keeper->process, NULL, 0);
    }
    close(keeper->window);
    if (keeper->conn >= 0)
        close(keeper->conn);
    if (keeper->listener >= 0)
        close(keeper->listener);
    g_free(keeper->path);
    testDirRemove(keeper->dir);
}


static void
testSend(testKeeper *keeper,
         const pvperfKeeperMessage *msg,
         size_t size,
         unsigned int nfds)
{
    int fds[PVPERF_PACKET_FDS_MAX] = { 0 };
    unsigned int i;

    for (i = 0; i < nfds; i++)
        fds[i] = i == 0 ? dup(keeper->window) : eventfd(0, EFD_CLOEXEC);
    if (nfds == 3) {
        close(fds[2]);
        fds[2] = syscall(SYS_pidfd_open, keeper->process, 0);
    }
    g_assert_true(pvperfPacketSend(keeper->conn, msg, size, fds, nfds));
    for (i = 0; i < nfds; i++)
        close(fds[i]);
}


static pvperfKeeperMessage
testMessage(testKeeper *keeper,
            pvperfKeeperType type)
{
    pvperfKeeperMessage msg = {
        .size = sizeof(msg),
        .version = PVPERF_KEEPER_VERSION,
        .type = type,
        .connection = 1,
        .pid = keeper->process,
        .uid = 7,
        .vectors = 2,
        .window_size = pvperf_window_size(2),
        .start_time = pvperfIdentityStartTime("/proc", keeper->process),
    };

    return msg;
}


static void
testSendPeer(testKeeper *keeper)
{
    pvperfKeeperMessage msg = testMessage(keeper, PVPERF_KEEPER_PEER);

    testSend(keeper, &msg, sizeof(msg), 3);
    msg = testMessage(keeper, PVPERF_KEEPER_IRQS);
    msg.count = 2;
    testSend(keeper, &msg, sizeof(msg), 2);
}


static void
testSendPlain(testKeeper *keeper,
              pvperfKeeperType type)
{
    pvperfKeeperMessage msg = testMessage(keeper, type);

    testSend(keeper, &msg, sizeof(msg), 0);
}


static bool
testIsUp(gpointer opaque)
{
    return ((testKeeper *)opaque)->ups > 0;
}


static bool
testIsDown(gpointer opaque)
{
    return ((testKeeper *)opaque)->downs > 0;
}


static bool
testHasPeer(gpointer opaque)
{
    return ((testKeeper *)opaque)->peers > 0;
}


static bool
testHasGone(gpointer opaque)
{
    return ((testKeeper *)opaque)->gones > 0;
}


static void
testGood(void)
{
    testKeeper keeper;

    testSetUp(&keeper);
    testSendPeer(&keeper);
    testSendPlain(&keeper, PVPERF_KEEPER_SYNCED);
    testRunUntil(testIsUp, &keeper);
    g_assert_true(pvperfKeeperClientConnected(keeper.client));
    g_assert_cmpuint(keeper.peers, ==, 1);
    g_assert_cmpint(keeper.last->pid, ==, keeper.process);
    g_assert_cmpuint(keeper.last->vectors, ==, 2);
    g_assert_true(pvperfPeerComplete(keeper.last));
    testSendPlain(&keeper, PVPERF_KEEPER_GONE);
    testRunUntil(testHasGone, &keeper);
    testTearDown(&keeper);
}


/* What the daemon hands back next. */
typedef struct _testPacket testPacket;
struct _testPacket {
    testKeeper *keeper;
    pvperfKeeperMessage msg;
    pvperfPacket packet;
};


static bool
testTryReceive(gpointer opaque)
{
    testPacket *got = opaque;

    return pvperfPacketReceive(got->keeper->conn, &got->msg, sizeof(got->msg), &got->packet) ==
        PVPERF_PACKET_GOT;
}


/* The next message is of this type, from first on, with so many descriptors. */
static pvperfKeeperMessage
testHandedBack(testKeeper *keeper,
               pvperfKeeperType type,
               uint32_t first,
               unsigned int nfds)
{
    testPacket got = { .keeper = keeper };

    testRunUntil(testTryReceive, &got);
    g_assert_cmpuint(got.packet.size, ==, sizeof(got.msg));
    g_assert_cmpuint(got.msg.size, ==, sizeof(got.msg));
    g_assert_cmpuint(got.msg.version, ==, PVPERF_KEEPER_VERSION);
    g_assert_cmpuint(got.msg.type, ==, type);
    g_assert_cmpuint(got.msg.connection, ==, 0);
    g_assert_cmpuint(got.msg.first, ==, first);
    g_assert_cmpuint(got.packet.nfds, ==, nfds);
    pvperfPacketCloseFds(&got.packet);
    return got.msg;
}


/* The keeper restarts and knows nothing. */
static void
testForget(testKeeper *keeper)
{
    close(keeper->conn);
    testRunUntil(testIsDown, keeper);
    keeper->ups = 0;
    keeper->downs = 0;
    testAccept(keeper);
    testSendPlain(keeper, PVPERF_KEEPER_SYNCED);
    testRunUntil(testIsUp, keeper);
}


/* The peer stays while it lives and is handed back, to each new keeper once. */
static void
testRestart(void)
{
    testKeeper keeper;
    pvperfKeeperMessage msg;
    unsigned int i;

    testSetUp(&keeper);
    testSendPeer(&keeper);
    testSendPlain(&keeper, PVPERF_KEEPER_SYNCED);
    testRunUntil(testIsUp, &keeper);

    for (i = 0; i < 3; i++) {
        testForget(&keeper);
        msg = testHandedBack(&keeper, PVPERF_KEEPER_PEER, 0, 3);
        g_assert_cmpint(msg.pid, ==, keeper.process);
        g_assert_cmpuint(msg.uid, ==, 7);
        g_assert_cmpuint(msg.vectors, ==, 2);
        g_assert_cmpuint(msg.window_size, ==, pvperf_window_size(2));
        g_assert_cmpuint(msg.start_time, ==, keeper.last->start_time);
        msg = testHandedBack(&keeper, PVPERF_KEEPER_IRQS, 0, 2);
        g_assert_cmpuint(msg.count, ==, 2);
        testSendPeer(&keeper);
        testRunFor(50);
        g_assert_cmpint(recv(keeper.conn, &msg, sizeof(msg), MSG_DONTWAIT), ==, -1);
    }
    g_assert_cmpuint(keeper.peers, ==, 1);
    g_assert_cmpuint(keeper.gones, ==, 0);

    /* its process ends: nobody but the pidfd tells */
    kill(keeper.process, SIGKILL);
    testRunUntil(testHasGone, &keeper);
    testTearDown(&keeper);
}


/* Peers are handed back one after the other, whatever the answer. */
static void
testRefused(void)
{
    testKeeper keeper;
    pid_t first;
    pid_t second = testSleeper();

    testSetUp(&keeper);
    first = keeper.process;
    testSendPeer(&keeper);
    keeper.process = second;
    testSendPeer(&keeper);
    keeper.process = first;
    testSendPlain(&keeper, PVPERF_KEEPER_SYNCED);
    testRunUntil(testIsUp, &keeper);
    g_assert_cmpuint(keeper.peers, ==, 2);

    testForget(&keeper);
    testHandedBack(&keeper, PVPERF_KEEPER_PEER, 0, 3);
    testHandedBack(&keeper, PVPERF_KEEPER_IRQS, 0, 2);
    testRunFor(50);
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*does not take back process*");
    testSendPlain(&keeper, PVPERF_KEEPER_REFUSED);
    g_assert_cmpint(testHandedBack(&keeper, PVPERF_KEEPER_PEER, 0, 3).pid, ==, second);
    testHandedBack(&keeper, PVPERF_KEEPER_IRQS, 0, 2);
    g_test_assert_expected_messages();
    g_assert_cmpuint(keeper.gones, ==, 0);

    /* the connection breaks before the answer: all of it again */
    testForget(&keeper);
    testHandedBack(&keeper, PVPERF_KEEPER_PEER, 0, 3);
    testHandedBack(&keeper, PVPERF_KEEPER_IRQS, 0, 2);
    testTearDown(&keeper);
    kill(second, SIGKILL);
    waitpid(second, NULL, 0);
}


/* While the keeper was away the device was taken out and plugged in again. */
static void
testAnotherWindow(void)
{
    testKeeper keeper;

    testSetUp(&keeper);
    testSendPeer(&keeper);
    testSendPlain(&keeper, PVPERF_KEEPER_SYNCED);
    testRunUntil(testIsUp, &keeper);
    close(keeper.conn);
    testRunUntil(testIsDown, &keeper);
    keeper.ups = 0;
    close(keeper.window);
    keeper.window = memfd_create("another", MFD_CLOEXEC);
    testAccept(&keeper);
    testSendPeer(&keeper);
    testSendPlain(&keeper, PVPERF_KEEPER_SYNCED);
    testRunUntil(testIsUp, &keeper);
    g_assert_cmpuint(keeper.gones, ==, 1);
    g_assert_cmpuint(keeper.peers, ==, 2);
    testTearDown(&keeper);
}


/* The daemon was disconnected and is told everything anew: nothing changes. */
static void
testReplay(void)
{
    testKeeper keeper;

    testSetUp(&keeper);
    testSendPeer(&keeper);
    testSendPlain(&keeper, PVPERF_KEEPER_SYNCED);
    testRunUntil(testIsUp, &keeper);
    close(keeper.conn);
    testRunUntil(testIsDown, &keeper);
    keeper.ups = 0;
    testAccept(&keeper);
    testSendPeer(&keeper);
    testSendPlain(&keeper, PVPERF_KEEPER_SYNCED);
    testRunUntil(testIsUp, &keeper);
    g_assert_cmpuint(keeper.peers, ==, 1);
    g_assert_cmpuint(keeper.gones, ==, 0);
    testSendPlain(&keeper, PVPERF_KEEPER_GONE);
    testRunUntil(testHasGone, &keeper);
    testTearDown(&keeper);
}


/* Peers of many vectors come in several messages. */
static void
testManyVectors(void)
{
    testKeeper keeper;
    pvperfKeeperMessage msg;

    testSetUp(&keeper);
    msg = testMessage(&keeper, PVPERF_KEEPER_PEER);
    msg.vectors = 300;
    msg.window_size = pvperf_window_size(300);
    testSend(&keeper, &msg, sizeof(msg), 3);
    msg.type = PVPERF_KEEPER_IRQS;
    msg.count = PVPERF_KEEPER_FDS_MAX;
    testSend(&keeper, &msg, sizeof(msg), msg.count);
    testRunFor(100);
    g_assert_cmpuint(keeper.peers, ==, 0);
    msg.first = msg.count;
    msg.count = 300 - PVPERF_KEEPER_FDS_MAX;
    testSend(&keeper, &msg, sizeof(msg), msg.count);
    testRunUntil(testHasPeer, &keeper);
    g_assert_cmpuint(keeper.last->nirqs, ==, 300);
    testSendPlain(&keeper, PVPERF_KEEPER_SYNCED);
    testRunUntil(testIsUp, &keeper);

    testForget(&keeper);
    testHandedBack(&keeper, PVPERF_KEEPER_PEER, 0, 3);
    msg = testHandedBack(&keeper, PVPERF_KEEPER_IRQS, 0, PVPERF_KEEPER_FDS_MAX);
    g_assert_cmpuint(msg.count, ==, PVPERF_KEEPER_FDS_MAX);
    testHandedBack(&keeper, PVPERF_KEEPER_IRQS, PVPERF_KEEPER_FDS_MAX, 300 - PVPERF_KEEPER_FDS_MAX);
    testTearDown(&keeper);
}


/* ---- messages that are not of the protocol ---- */

static const struct {
    const char *name;
    pvperfKeeperType type;
    unsigned int nfds;
    size_t size;                /* sent; 0: whole */
    uint32_t told_size;         /* 0: right */
    uint16_t version;           /* 0: right */
    uint32_t vectors;
    uint64_t window_size;       /* 0: right */
    int32_t pid;                /* 0: right */
    uint32_t first;
    uint32_t count;
    bool after_peer;            /* a good PEER comes first */
} badCases[] = {
    { "descriptors with REFUSED", PVPERF_KEEPER_REFUSED, 1, .vectors = 2 },
    { "REFUSED of no process", PVPERF_KEEPER_REFUSED, 0, .vectors = 2, .pid = -1 },
    { "REFUSED in a PEER", PVPERF_KEEPER_REFUSED, 0, .vectors = 2, .after_peer = true },
    { "unknown type", 77, 0, .vectors = 2 },
    { "another version", PVPERF_KEEPER_SYNCED, 0, .version = 1, .vectors = 2 },
    { "another size told", PVPERF_KEEPER_SYNCED, 0, .told_size = 8, .vectors = 2 },
    { "short", PVPERF_KEEPER_SYNCED, 0, .size = 16, .vectors = 2 },
    { "one byte", PVPERF_KEEPER_SYNCED, 0, .size = 1, .vectors = 2 },
    { "descriptors with SYNCED", PVPERF_KEEPER_SYNCED, 1, .vectors = 2 },
    { "PEER without descriptors", PVPERF_KEEPER_PEER, 0, .vectors = 2 },
    { "PEER with too many", PVPERF_KEEPER_PEER, 4, .vectors = 2 },
    { "no vectors", PVPERF_KEEPER_PEER, 3, .vectors = 0, .window_size = 4096 },
    { "too many vectors", PVPERF_KEEPER_PEER, 3, .vectors = PVPERF_MAX_VCPUS + 1, .window_size = 4096 },
    { "wrong window size", PVPERF_KEEPER_PEER, 3, .vectors = 2, .window_size = 4096 },
    { "no process", PVPERF_KEEPER_PEER, 3, .vectors = 2, .pid = -1 },
    { "PEER in a PEER", PVPERF_KEEPER_PEER, 3, .vectors = 2, .after_peer = true },
    { "SYNCED in a PEER", PVPERF_KEEPER_SYNCED, 0, .vectors = 2, .after_peer = true },
    { "IRQS of nobody", PVPERF_KEEPER_IRQS, 2, .vectors = 2, .count = 2 },
    { "too many IRQS", PVPERF_KEEPER_IRQS, 3, .vectors = 2, .count = 3, .after_peer = true },
    { "IRQS out of order", PVPERF_KEEPER_IRQS, 1, .vectors = 2, .first = 1, .count = 1, .after_peer = true },
    { "IRQS that lie about their number", PVPERF_KEEPER_IRQS, 1, .vectors = 2, .count = 2,
      .after_peer = true },
};


static bool
testIsHungUp(gpointer opaque)
{
    testKeeper *keeper = opaque;
    char byte;

    return recv(keeper->conn, &byte, 1, MSG_DONTWAIT) == 0;
}


static void
testBad(gconstpointer opaque)
{
    const typeof(badCases[0]) *bad = opaque;
    testKeeper keeper;
    pvperfKeeperMessage msg;

    testSetUp(&keeper);
    if (bad->after_peer) {
        msg = testMessage(&keeper, PVPERF_KEEPER_PEER);
        testSend(&keeper, &msg, sizeof(msg), 3);
    }
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING,
                          "*sent a message that is not of its protocol (version 2)");
    msg = testMessage(&keeper, bad->type);
    msg.vectors = bad->vectors;
    msg.first = bad->first;
    msg.count = bad->count;
    if (bad->told_size)
        msg.size = bad->told_size;
    if (bad->version)
        msg.version = bad->version;
    if (bad->window_size)
        msg.window_size = bad->window_size;
    if (bad->pid)
        msg.pid = bad->pid;
    testSend(&keeper, &msg, bad->size ? bad->size : sizeof(msg), bad->nfds);
    testRunUntil(testIsHungUp, &keeper);
    g_test_assert_expected_messages();
    g_assert_cmpuint(keeper.peers, ==, 0);

    /* and a good connection afterwards works */
    close(keeper.conn);
    testAccept(&keeper);
    testSendPeer(&keeper);
    testSendPlain(&keeper, PVPERF_KEEPER_SYNCED);
    testRunUntil(testIsUp, &keeper);
    g_assert_cmpuint(keeper.peers, ==, 1);
    testTearDown(&keeper);
}


int
main(int argc,
     char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/keeper/good", testGood);
    g_test_add_func("/keeper/restart", testRestart);
    g_test_add_func("/keeper/refused", testRefused);
    g_test_add_func("/keeper/another window", testAnotherWindow);
    g_test_add_func("/keeper/replay", testReplay);
    g_test_add_func("/keeper/many vectors", testManyVectors);
    for (i = 0; i < G_N_ELEMENTS(badCases); i++) {
        g_autofree char *path = g_strconcat("/keeper/bad/", badCases[i].name, NULL);

        g_test_add_data_func(path, &badCases[i], testBad);
    }
    return g_test_run();
}
