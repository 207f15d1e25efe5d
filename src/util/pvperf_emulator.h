/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_emulator.h: whether a QEMU has the device that pvperf needs.
 *
 * Some builds leave ivshmem out, and a domain with the device then does not
 * start. libvirt's capabilities do not tell, so the binary itself is asked:
 * by virtpvperfd before it adds the device, in its libvirt thread, and by
 * virsh-pvperf's "check" and "enable".
 */
#pragma once

#include <glib.h>

#include "../conf/pvperf_domain_def.h"

/* Does the binary at @path have ivshmem-doorbell? ABSENT: not known, and @why
 * says why (to be freed). Asked once per binary: another file behind the path
 * (inode, size, time of change) is asked again. Waits at most ten seconds. */
pvperfTristate pvperfEmulatorHasIvshmem(const char *path,
                                        char **why);

/* What a QEMU without the device means and what to do, as one sentence. */
char *pvperfEmulatorExplain(const char *path);
