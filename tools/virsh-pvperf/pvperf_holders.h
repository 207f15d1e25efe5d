/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_holders.h: where else a domain's device lives on.
 *
 * A managed save image and snapshots carry the XML of their time: restoring or
 * reverting brings the device back. Only what libvirt itself knows is found;
 * a file written by "virsh save" is not.
 */
#pragma once

#include "pvperf_shell.h"

/* One sentence each on what of @dom still holds our device; never NULL. */
GPtrArray *pvperfHoldersList(virDomainPtr dom);
