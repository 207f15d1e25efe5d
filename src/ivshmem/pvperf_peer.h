/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_peer.h: who has connected, and how many vectors its device has.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
    pid_t pid;                  /* 0: in a pid namespace that we do not see */
    uid_t uid;
    int pidfd;                  /* -1 unless known */
    uint64_t startTime;         /* field 22 of /proc/PID/stat */
    uint32_t vectors;           /* 1 .. PVPERF_MAX_VCPUS */
    bool known;                 /* a QEMU of the libvirt whose run directory this is */
    const char *why;            /* when it is not known: why not */
} pvperfPeerIdentity;

/* False: the socket tells nothing at all of its peer. The caller owns pidfd. */
bool pvperfPeerIdentify(int socket,
                        const char *qemuRunDir,
                        pvperfPeerIdentity *identity);

/* The same of an identity that somebody else tells, pidfd included: whether it
 * is known, and why not. */
void pvperfPeerVerify(const char *qemuRunDir,
                      pvperfPeerIdentity *identity);
