/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guest.S: a guest whose every instruction is known.
 *
 * Runs in EL1 with the MMU off. A round: so many turns of a loop in EL1, so
 * many in EL0, a supervisor call back, a store to where no memory is, which
 * gives the VMM control. vmm.h says how many instructions that is.
 *
 * On entry x0 is the mailbox (turns in EL1, turns in EL0), x20 the address
 * without memory. Position independent; the VMM copies it.
 */
    .section .rodata
    .balign 4096
    .global vmmGuestCode, vmmGuestEntry, vmmGuestKernel, vmmGuestKernelEnd
    .global vmmGuestUser, vmmGuestUserEnd, vmmGuestCodeEnd

vmmGuestCode:
    .org    vmmGuestCode + 0x400    /* synchronous, from EL0 */
    str     xzr, [x20]
vmmGuestKernel:
    ldp     x2, x3, [x0]
1:  subs    x2, x2, #1
    b.ne    1b
    msr     elr_el1, x4
    msr     spsr_el1, x5
    eret
vmmGuestKernelEnd:

vmmGuestUser:
1:  subs    x3, x3, #1
    b.ne    1b
    svc     #0
vmmGuestUserEnd:

vmmGuestEntry:
    adr     x1, vmmGuestCode
    msr     vbar_el1, x1
    adr     x4, vmmGuestUser
    mov     x5, #0x3c0              /* EL0, interrupts masked */
    b       vmmGuestKernel
    .balign 4096
vmmGuestCodeEnd:
