/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain.h: one domain of libvirt, as far as it concerns us.
 *
 * Owned by the driver, lives on the main context. Brings together what libvirt
 * says (readings), what the keeper says (the peer) and the backend, and
 * carries out what the tables of pvperf_domain_state.h and the rules of
 * pvperf_device.h decide.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "pvperf_audit.h"
#include "pvperf_backend_client.h"
#include "pvperf_cgroup.h"
#include "pvperf_config.h"
#include "pvperf_device.h"
#include "pvperf_domain_reading.h"
#include "pvperf_domain_state.h"
#include "pvperf_groups.h"
#include "pvperf_host_config.h"
#include "pvperf_peer.h"
#include "pvperf_process.h"

typedef struct _pvperfDomain pvperfDomain;

/* What a domain needs of the driver. */
typedef struct _pvperfDomainHost pvperfDomainHost;
struct _pvperfDomainHost {
    const pvperfConfig *config;
    const pvperfHostConfig *host_config; /* as last read */
    pvperfGroups *groups;
    bool keeper;                /* pvperf-ivshmem is there */
    uint32_t classes_available;
    gpointer opaque;

    /* have the device given or taken (pvperfLibvirtDevice) */
    void (*device)(pvperfDomain *dom,
                   const pvperfDeviceFacts *facts,
                   pvperfDeviceVerdict verdict,
                   gpointer opaque);
    /* state or reason changed */
    void (*changed)(pvperfDomain *dom,
                    gpointer opaque);
    /* no backend is left: the domain may be forgotten */
    void (*settled)(pvperfDomain *dom,
                    gpointer opaque);
    /* the persistent XML was changed: @given or taken, @message for people */
    void (*announce)(pvperfDomain *dom,
                     bool given,
                     const char *message,
                     gpointer opaque);
};

struct _pvperfDomain {
    const pvperfDomainHost *host;
    char *uuid;
    pvperfReading *reading;     /* NULL: libvirt has not told yet */
    pvperfPeer *peer;
    guint ended;                /* timer: QEMU hung up, and libvirt is about to tell */

    /* backend */
    pvperfBackendState backend;
    pvperfProcess *process;
    pvperfBackendClient *client;
    pvperfPeer *served;         /* the process's, which may outlive `peer` */
    pvperfCgroup *cgroup;       /* NULL: in none of its VM */
    char *place_trouble;        /* what was last said about quota or CPUs */
    char *backend_error;        /* how it ended, or why it did not start */
    unsigned int failures;
    gint64 started;             /* monotonic time of the last start */
    guint timer;
    pvperfAudit *audit;
    guint audit_timer;          /* a minute after a line is not over */

    /* policy */
    bool in_force;              /* the effective one is; it may be from before a change that was refused */
    int in_force_id;            /* of the domain when it came into force */
    pvperfEffective effective;
    char *policy_error;         /* why the element that counts is refused, or NULL */
    pvperfSeat *seat;           /* in its group, while it has a backend; or NULL */
    pvperfGroupLimits group_limits;
    char *kept;                 /* what stands in the file beside the backend */

    /* device */
    pvperfRecord record;
    pvperfDeviceVerdict verdict;
    char *attempted;            /* digest of the XML that was tried last */
    char *attempt_error;
    bool writing;               /* a device job is on its way */

    /* what people see */
    bool listed;                /* has a <pvperf>, live or persistent */
    pvperfDomainState state;
    char *reason;
};

pvperfDomain *pvperfDomainNew(const char *uuid,
                              const pvperfDomainHost *host);
void pvperfDomainFree(pvperfDomain *dom);

const char *pvperfDomainName(const pvperfDomain *dom);

/* What is in force, NULL if nothing is. */
const pvperfPolicy *pvperfDomainPolicy(const pvperfDomain *dom);

/* What it counted since its QEMU started, as it was when its backend was last
 * asked, or ended; false if it is not running or never had a backend. */
bool pvperfDomainStoredStats(const pvperfDomain *dom,
                             pvperfControlStats *stats);

/* The element that counts: the live one of an active domain, else the
 * persistent one; NULL if none is valid. */
const pvperfDomainDef *pvperfDomainElement(const pvperfDomain *dom);

/* Whether the device can be (or is) saved and migrated, and whether the live
 * and the persistent element say different things. */
bool pvperfDomainMigratable(const pvperfDomain *dom);
bool pvperfDomainDiffers(const pvperfDomain *dom);

/* Takes over @reading. */
void pvperfDomainSetReading(pvperfDomain *dom,
                            pvperfReading *reading);
void pvperfDomainSetPeer(pvperfDomain *dom,
                         pvperfPeer *peer);
void pvperfDomainReset(pvperfDomain *dom,
                       const char *why);
void pvperfDomainDeviceDone(pvperfDomain *dom,
                            pvperfDeviceVerdict verdict,
                            pvperfDeviceOutcome outcome,
                            const GError *error);

/* Something of the host changed: decide again. */
void pvperfDomainUpdate(pvperfDomain *dom);
