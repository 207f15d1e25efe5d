/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmm.h: a VM of one vCPU, on /dev/kvm of an arm64 kernel.
 *
 * The vCPU's thread bears the name that QEMU would give it. It stands still
 * until it is told what to run; the test goes on meanwhile. There is one VM in
 * the process.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Rounds of the guest of guest.S. */
typedef struct _vmmWork vmmWork;
struct _vmmWork {
    uint64_t kernel_turns;      /* of the loop in EL1, each round; at least 1 */
    uint64_t user_turns;        /* of the loop in EL0, each round; at least 1 */
    uint64_t rounds;
    uint64_t host_turns;        /* of a loop of the thread itself, before each round */
};

/* What the guest executes for that: in EL1 the load, two instructions a turn,
 * two moves and the return; in EL0 two instructions a turn and the call. The
 * store that ends a round is not executed: it traps. */
#define VMM_KERNEL_REST 4
#define VMM_USER_REST 1

static inline uint64_t
vmmKernelInstructions(const vmmWork *work)
{
    return work->rounds * (2 * work->kernel_turns + VMM_KERNEL_REST);
}


static inline uint64_t
vmmUserInstructions(const vmmWork *work)
{
    return work->rounds * (2 * work->user_turns + VMM_USER_REST);
}


/* Creates the VM and starts its thread, on this CPU only; runs one round. */
void vmmStart(int cpu);

/* Lets the guest run, and does not wait for it. */
void vmmBegin(const vmmWork *work);

/* The guest has done what it was told. */
bool vmmDone(void);
void vmmWait(void);

static inline void
vmmRun(const vmmWork *work)
{
    vmmBegin(work);
    vmmWait();
}


/* Where in the guest an instruction is. */
bool vmmInKernel(uint64_t ip);
bool vmmInUser(uint64_t ip);
