/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake_vm.h: a VM around a real pvperf-backend process, without QEMU and
 * without the daemon.
 *
 * A sleeping child stands for QEMU; the caller's own thread stands for all
 * vCPU threads, so that real software events count it. The daemon's side of
 * the control socket is served by whoever waits for an answer, in the same
 * thread: nothing runs that a test did not start.
 */
#pragma once

#include <sys/types.h>

#include "fake_guest.h"
#include "pvperf_control.h"

typedef enum {
    FAKE_BROKER_REAL,           /* opens real events on this thread */
    FAKE_BROKER_REFUSES,        /* answers -EACCES, host_rights */
    FAKE_BROKER_SILENT,         /* takes requests and says nothing */
} fakeBroker;

typedef struct _fakeVm fakeVm;
struct _fakeVm {
    fakeGuest guest;
    pid_t qemu;
    int qemu_fd;                /* pidfd */
    pid_t backend;
    char *path;                 /* of the control socket */
    int control;                /* the daemon's end; -1: no daemon */
    fakeBroker broker;
    uint32_t requests;          /* OPENs that came from the backend */
    pvperfPolicy policy;
    pvperfControlHello hello;   /* of the present connection */
    pid_t tid;                  /* thread that is counted ... */
    const pid_t *tids;          /* ... unless each vCPU has one of its own */
};

/* Starts a backend, sets it up and gives it a session. */
void fakeVmStart(fakeVm *vm,
                 const char *backend,
                 uint32_t nr_vcpus);

/* The same without SETUP and what follows it. */
void fakeVmSpawn(fakeVm *vm,
                 const char *backend,
                 uint32_t nr_vcpus);
void fakeVmSetup(fakeVm *vm);

/* Ends QEMU and waits for the backend; its wait status, or -1 if it is still
 * there after two seconds (it is killed then). */
int fakeVmStop(fakeVm *vm);
int fakeVmWaitBackend(fakeVm *vm);

/* The daemon's side. */
void fakeVmConnect(fakeVm *vm);
void fakeVmDisconnect(fakeVm *vm);
void fakeVmSend(fakeVm *vm,
                pvperfControlHeader *message,
                uint32_t size,
                const int *fds,
                uint32_t nfds);
void fakeVmSendPolicy(fakeVm *vm);
void fakeVmSendSession(fakeVm *vm,
                       uint64_t session);

/* Serves one message from the backend if there is one within so many ms. Into
 * packet (PVPERF_CONTROL_MAX bytes) if it is no OPEN; true if it was none. */
bool fakeVmServe(fakeVm *vm,
                 int timeout_ms,
                 void *packet);

/* Waits for a message of this type, serving OPENs; false after a second. */
bool fakeVmExpect(fakeVm *vm,
                  pvperfControlType type,
                  void *packet);
bool fakeVmStats(fakeVm *vm,
                 pvperfControlStats *stats);

/* The guest's side: calls that wait, serving the daemon's side meanwhile. A
 * ret of -ETIMEDOUT is the fake's own: two seconds went by. */
struct pvperf_result fakeVmWait(fakeVm *vm,
                                uint32_t area,
                                uint32_t n);
struct pvperf_result fakeVmCall(fakeVm *vm,
                                uint32_t area,
                                uint32_t op,
                                uint64_t id);
struct pvperf_result fakeVmOpen(fakeVm *vm,
                                const fakeOpen *open);
