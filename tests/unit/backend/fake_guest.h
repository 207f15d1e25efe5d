/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake_guest.h: the guest's side of the window, without a guest.
 *
 * Posts frames and looks at answers and slots as a driver would, well-behaved
 * or not. Knows nothing of who serves the window: tests give it one that a
 * backend process maps, or one that they serve themselves.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pvperf/abi.h"

typedef struct _fakeGuest fakeGuest;
struct _fakeGuest {
    int window_fd;              /* memfd, sealed */
    int doorbell_fd;            /* eventfd */
    uint8_t *base;
    uint64_t size;
    uint32_t nr_vcpus;
    uint64_t session;           /* what frames carry */
    uint32_t *submitted;        /* [nr_vcpus + 1] */
    uint64_t rings;             /* doorbells rung */
};

/* What an OPEN asks for. */
typedef struct _fakeOpen fakeOpen;
struct _fakeOpen {
    int32_t id;
    uint32_t row;
    uint32_t vcpu;
    bool bound;
    bool sibling;               /* of leader */
    uint32_t leader;
    struct guest_perf_attr attr;
};

/* An attr of class vcpu. */
struct guest_perf_attr fakeAttrVcpu(enum pvperf_vcpu_event event);

void fakeGuestInit(fakeGuest *guest,
                   uint32_t nr_vcpus);
void fakeGuestFree(fakeGuest *guest);

struct pvperf_header *fakeGuestHeader(const fakeGuest *guest);
struct pvperf_area *fakeGuestArea(const fakeGuest *guest,
                                  uint32_t area);
uint32_t fakeGuestControl(const fakeGuest *guest);

/* A consistent copy of a slot. */
struct guest_perf_event fakeGuestSlot(const fakeGuest *guest,
                                      uint32_t row,
                                      uint32_t vcpu);

/* Frames; session is filled in by fakeGuestPut(). */
struct pvperf_frame fakeFrame(uint32_t op,
                              uint64_t id);
struct pvperf_frame fakeFrameOpen(fakeGuest *guest,
                                  const fakeOpen *open);

/* Writes a frame behind the last one, unpublished; its number. */
uint32_t fakeGuestPut(fakeGuest *guest,
                      uint32_t area,
                      struct pvperf_frame frame);

/* Publishes what was put, and rings if the host asks for it. */
void fakeGuestPublish(fakeGuest *guest,
                      uint32_t area);

/* True once frame number n is served. */
bool fakeGuestDone(const fakeGuest *guest,
                   uint32_t area,
                   uint32_t n);
struct pvperf_result fakeGuestResult(const fakeGuest *guest,
                                     uint32_t area,
                                     uint32_t n);
