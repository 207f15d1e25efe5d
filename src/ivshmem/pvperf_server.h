/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_server.h: what the parts of pvperf-ivshmem share.
 *
 * One thread, one epoll set. Every fd in it carries a pvperfWatch; events are
 * taken one at a time, so that an event can free any watch but those of events
 * that are still to come.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pvperf_handback.h"
#include "pvperf_handshake.h"
#include "pvperf_peer.h"
#include "pvperf_quota.h"

typedef enum {
    PVPERF_WATCH_LISTEN_VMM,
    PVPERF_WATCH_LISTEN_KEEPER,
    PVPERF_WATCH_SIGNAL,
    PVPERF_WATCH_CONNECTION,    /* owner: pvperfConnection */
    PVPERF_WATCH_PROCESS,       /* owner: pvperfConnection */
    PVPERF_WATCH_CLIENT,        /* owner: pvperfClient */
} pvperfWatchKind;

typedef struct {
    pvperfWatchKind kind;
    void *owner;
    int fd;
} pvperfWatch;

/* A VMM that is connected. */
typedef struct _pvperfConnection pvperfConnection;
struct _pvperfConnection {
    pvperfConnection *next;     /* in order of number */
    pvperfConnection *previous;
    uint64_t number;            /* from 1, rising; 0: a dead window */
    pvperfPeerIdentity identity;
    pvperfHandshake *handshake;
    pvperfWatch socket;         /* fd -1: handed back by the daemon */
    pvperfWatch process;        /* fd: the pidfd, of known peers */
    int64_t retryAt;            /* ms; INT64_MAX: not waiting to retry */
    int64_t giveUpAt;           /* ms; INT64_MAX: never */
};

typedef struct _pvperfClient pvperfClient;

#define PVPERF_WINDOW_SIZES 48          /* shared windows by the binary logarithm of their size */
#define PVPERF_SPARES 8

typedef struct {
    int epoll;
    const char *qemuRunDir;
    pvperfWatch listenVmm;
    pvperfWatch listenKeeper;
    pvperfWatch signals;
    pvperfConnection *first;
    pvperfConnection *last;
    uint64_t lastNumber;
    pvperfClient *clients;
    pvperfQuota quota;
    int shared[PVPERF_WINDOW_SIZES];    /* the dead windows beyond the quota */
    int spares[PVPERF_SPARES];          /* fds to give up when there are no more */
} pvperfServer;

/* Before anybody can connect, so that one who does may end it in good order. */
void pvperfServerBlockSignals(void);

/* pvperf_server.c */
bool pvperfServerInit(pvperfServer *server,
                      const char *qemuRunDir,
                      int listenVmm,
                      int listenKeeper);
int pvperfServerRun(pvperfServer *server);
int64_t pvperfNow(void);
bool pvperfWatchAdd(pvperfServer *server,
                    pvperfWatch *watch,
                    uint32_t events);
void pvperfWatchChange(pvperfServer *server,
                       pvperfWatch *watch,
                       uint32_t events);
void pvperfWatchClose(pvperfServer *server,
                      pvperfWatch *watch);
void pvperfLog(const char *format,
               ...) __attribute__((format(printf, 1, 2)));

/* pvperf_connection.c */
bool pvperfConnectionInit(pvperfServer *server);
void pvperfConnectionAccept(pvperfServer *server);
void pvperfConnectionEvent(pvperfServer *server,
                           pvperfConnection *connection,
                           uint32_t events);
void pvperfConnectionClose(pvperfServer *server,
                           pvperfConnection *connection);
/* Keeps a peer that the daemon hands back, and takes over what is in it; else
 * why not. */
const char *pvperfConnectionAdopt(pvperfServer *server,
                                  pvperfHandback *handback);
int64_t pvperfConnectionDeadline(const pvperfServer *server);
void pvperfConnectionTimeout(pvperfServer *server,
                             int64_t now);

/* pvperf_keeper.c */
void pvperfKeeperAccept(pvperfServer *server);
void pvperfKeeperEvent(pvperfServer *server,
                       pvperfClient *client,
                       uint32_t events);
void pvperfKeeperAnnounce(pvperfServer *server);
void pvperfKeeperGone(pvperfServer *server,
                      uint64_t number);
int64_t pvperfKeeperDeadline(const pvperfServer *server);
void pvperfKeeperTimeout(pvperfServer *server,
                         int64_t now);
