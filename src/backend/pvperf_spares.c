/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_spares.c: host events that the guest closed, kept for the next OPEN.
 *
 * A short array in the order of arrival: it is searched from the young end,
 * where a program that opens and closes finds what it left, and one that goes
 * leaves no hole.
 */
#include <string.h>

#include "pvperf_spares.h"

bool
pvperfSparesPut(pvperfSpares *spares,
                const pvperfSpare *spare)
{
    if (spares->n == PVPERF_SPARES)
        return false;
    spares->spare[spares->n++] = *spare;
    return true;
}


static int
pvperfSparesRemove(pvperfSpares *spares,
                   uint32_t i)
{
    int fd = spares->spare[i].fd;

    spares->n--;
    memmove(&spares->spare[i], &spares->spare[i + 1],
            (spares->n - i) * sizeof(spares->spare[0]));
    return fd;
}


bool
pvperfSparesTake(pvperfSpares *spares,
                 const pvperfSpareKind *kind,
                 pvperfSpare *spare)
{
    uint32_t i;

    for (i = spares->n; i > 0; i--) {
        const pvperfSpareKind *have = &spares->spare[i - 1].kind;

        if (have->event == kind->event && have->vcpu == kind->vcpu &&
            have->modes == kind->modes && have->raw_config == kind->raw_config) {
            *spare = spares->spare[i - 1];
            pvperfSparesRemove(spares, i - 1);
            return true;
        }
    }
    return false;
}


int
pvperfSparesExpired(pvperfSpares *spares,
                    uint64_t now)
{
    if (spares->n == 0 || spares->spare[0].until > now)
        return -1;
    return pvperfSparesRemove(spares, 0);
}


int
pvperfSparesOfVcpu(pvperfSpares *spares,
                   uint32_t vcpu)
{
    uint32_t i;

    for (i = 0; i < spares->n; i++) {
        if (spares->spare[i].kind.vcpu == vcpu)
            return pvperfSparesRemove(spares, i);
    }
    return -1;
}


uint64_t
pvperfSparesDeadline(const pvperfSpares *spares)
{
    return spares->n ? spares->spare[0].until : 0;
}
