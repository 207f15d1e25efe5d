/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_rig.h: a host for the whole daemon without a VM: a private bus,
 * libvirt's test driver, a keeper that the test plays, a process that sleeps
 * in QEMU's place, and a real backend.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <gio/gio.h>

/* Domains: served by a backend; shut off and without device; without element;
 * with a wrong one. */
#define SERVED "11111111-2222-3333-4444-555555555501"
#define BARE "11111111-2222-3333-4444-555555555502"
#define PLAIN "11111111-2222-3333-4444-555555555503"
#define WRONG "11111111-2222-3333-4444-555555555504"

/* Programs, from the command line. */
extern const char *testDaemonPath;
extern const char *testBackendPath;

typedef struct _testDaemon testDaemon;
struct _testDaemon {
    GTestDBus *bus;
    GDBusConnection *conn;
    char *dir;
    GSubprocess *process;
    int listener;
    int window;                 /* memfd; QEMU has it open, too */
    int keeper;
    pid_t qemu;
    guint signals;
    unsigned int changes;
    char *added;                /* uuid of the last DeviceAdded */
};

/* The daemon, without waiting for it. */
GSubprocess *testSpawn(testDaemon *test,
                       const char *uri,
                       GSubprocessFlags flags);

/* For testRunUntil: it has its name; it came to the keeper; SERVED is "on". */
bool testHasName(gpointer opaque);
bool testTryAccept(gpointer opaque);
bool testServes(gpointer opaque);

/* A fake QEMU, whose main thread is its vCPU 0, and libvirt's word for it. */
void testStartQemu(testDaemon *test);

/* Tell of it, as the keeper does; its connection is 1, or this one, with a
 * window of two vectors; the connection is gone. */
void testTellPeer(testDaemon *test);
void testTellPeerOf(testDaemon *test,
                    uint64_t connection,
                    int window,
                    int doorbell);
void testTellGone(testDaemon *test,
                  uint64_t connection);

/* Only the bus and this side of it; the whole host; its end, which checks that
 * the daemon ended well. */
void testStartBus(testDaemon *test);
void testStart(testDaemon *test);
void testStop(testDaemon *test);

/* A call that may fail; one that must fail with this error. */
GVariant *testCall(testDaemon *test,
                   const char *method,
                   GVariant *args,
                   GError **error);
void testCallFails(testDaemon *test,
                   const char *method,
                   GVariant *args,
                   const char *name,
                   const char *message);

/* A call about properties: its answer, or NULL if it has to fail with this error. */
GVariant *testPropertyCall(testDaemon *test,
                           const char *method,
                           GVariant *args,
                           const char *fails);

/* Value of a property. */
GVariant *testProperty(testDaemon *test,
                       const char *name);
bool testPropertyTrue(testDaemon *test,
                      const char *name);

/* The dictionary of @uuid in an (aa{sv}), or NULL. */
GVariant *testFindDomain(GVariant *reply,
                         const char *uuid);

/* State of a domain in ListDomains, NULL if it is not in it. */
char *testState(testDaemon *test,
                const char *uuid,
                char **reason);

/* Process of the backend of SERVED. */
pid_t testBackendPid(testDaemon *test);
