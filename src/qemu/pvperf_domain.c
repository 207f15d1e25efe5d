/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain.c: what is known of a domain, and what people see of it.
 *
 * pvperfDomainUpdate() is the one place where decisions are made; it may be
 * called at any time and does nothing if nothing changed. The backend half is
 * in pvperf_domain_backend.c.
 */
#include "pvperf_domain.h"

#include <string.h>

#include "pvperf_domain_priv.h"
#include "pvperf_stats_file.h"

/* libvirt tells that a domain stopped this long after its connection closed,
 * at most; until then nothing is said of a connection that is missing */
#define PVPERF_ENDED_MS 2000


pvperfDomain *
pvperfDomainNew(const char *uuid,
                const pvperfDomainHost *host)
{
    pvperfDomain *dom = g_new0(pvperfDomain, 1);

    dom->host = host;
    dom->uuid = g_strdup(uuid);
    dom->reason = g_strdup("");
    dom->record = pvperfRecordRead(host->config->state_dir, uuid);
    pvperfDomainAuditNew(dom);
    return dom;
}


void
pvperfDomainFree(pvperfDomain *dom)
{
    if (!dom)
        return;
    g_clear_handle_id(&dom->timer, g_source_remove);
    g_clear_handle_id(&dom->ended, g_source_remove);
    pvperfBackendClientFree(dom->client);
    pvperfDomainAuditFree(dom);
    pvperfSeatLeave(dom->seat, false);
    pvperfProcessFree(dom->process);
    pvperfDomainForgetPlace(dom);
    pvperfReadingFree(dom->reading);
    pvperfPeerUnref(dom->peer);
    pvperfEffectiveClear(&dom->effective);
    g_free(dom->policy_error);
    g_free(dom->kept);
    g_free(dom->backend_error);
    g_free(dom->attempted);
    g_free(dom->attempt_error);
    g_free(dom->reason);
    g_free(dom->uuid);
    g_free(dom);
}


const char *
pvperfDomainName(const pvperfDomain *dom)
{
    return dom->reading && dom->reading->name ? dom->reading->name : dom->uuid;
}


/* ---- what the readings say ---- */

static bool
pvperfDomainXMLHasElement(const pvperfDomainXML *xml)
{
    return xml && xml->place != PVPERF_PLACE_NONE;
}


static const pvperfDomainDef *
pvperfDomainXMLDef(const pvperfDomainXML *xml)
{
    return xml && xml->place == PVPERF_PLACE_METADATA ? xml->def : NULL;
}


const pvperfDomainXML *
pvperfDomainXMLThatCounts(const pvperfDomain *dom)
{
    const pvperfReading *reading = dom->reading;

    if (!reading)
        return NULL;
    if (reading->active &&
        (pvperfDomainXMLHasElement(reading->live) || !reading->config))
        return reading->live;
    return reading->config;
}


const pvperfDomainDef *
pvperfDomainElement(const pvperfDomain *dom)
{
    return pvperfDomainXMLDef(pvperfDomainXMLThatCounts(dom));
}


bool
pvperfDomainMigratable(const pvperfDomain *dom)
{
    const pvperfReading *reading = dom->reading;
    const pvperfDomainDef *def = pvperfDomainElement(dom);

    if (!reading)
        return false;
    if (reading->live && reading->live->device.count > 0)
        return reading->live->device.has_override;
    if (reading->config && reading->config->device.count > 0)
        return reading->config->device.has_override;
    return !def || def->migratable != PVPERF_TRISTATE_NO;
}


bool
pvperfDomainDiffers(const pvperfDomain *dom)
{
    const pvperfReading *reading = dom->reading;
    pvperfDomainDef *live;
    pvperfDomainDef *config;
    pvperfTristate managed;
    bool same;

    if (!reading || !reading->active || !reading->persistent)
        return false;
    live = (pvperfDomainDef *)pvperfDomainXMLDef(reading->live);
    config = (pvperfDomainDef *)pvperfDomainXMLDef(reading->config);
    if (!live || !config)
        return pvperfDomainXMLHasElement(reading->live) != pvperfDomainXMLHasElement(reading->config) ||
            live != config;

    /* managed is the daemon's own note in the persistent XML: no difference */
    managed = live->managed;
    live->managed = config->managed;
    same = pvperfDomainDefEqual(live, config);
    live->managed = managed;
    return !same;
}


/* ---- the device ---- */

static void
pvperfDomainDeviceFacts(const pvperfDomain *dom,
                        pvperfDeviceFacts *facts)
{
    const pvperfReading *reading = dom->reading;

    memset(facts, 0, sizeof(*facts));
    facts->persistent = reading->persistent;
    facts->auto_manage = !dom->host->config->manual && dom->host->host_config->manage_devices;
    facts->keeper = dom->host->keeper;
    facts->record = dom->record;
    facts->attempted = reading->digest && g_strcmp0(dom->attempted, reading->digest) == 0;
    pvperfDeviceFactsFromXML(facts, reading->config);
}


static void
pvperfDomainSetRecord(pvperfDomain *dom,
                      pvperfRecord record)
{
    if (record == dom->record)
        return;
    dom->record = record;
    pvperfRecordWrite(dom->host->config->state_dir, dom->uuid, record);
}


static void
pvperfDomainUpdateDevice(pvperfDomain *dom)
{
    pvperfDeviceFacts facts;

    if (!dom->reading || dom->writing)
        return;
    pvperfDomainDeviceFacts(dom, &facts);
    facts.record = pvperfDeviceNextRecord(&facts);
    if (facts.record == PVPERF_RECORD_REMOVED && dom->record == PVPERF_RECORD_GIVEN)
        g_message("domain %s: somebody took the device out of the XML; it is not added again",
                  pvperfDomainName(dom));
    pvperfDomainSetRecord(dom, facts.record);

    dom->verdict = pvperfDeviceDecide(&facts);
    if (dom->verdict != PVPERF_DEVICE_GIVE && dom->verdict != PVPERF_DEVICE_TAKE)
        return;
    dom->writing = true;
    g_free(dom->attempted);
    dom->attempted = g_strdup(dom->reading->digest);
    dom->host->device(dom, &facts, dom->verdict, dom->host->opaque);
}


static void
pvperfDomainAnnounce(pvperfDomain *dom,
                     bool given)
{
    const char *name = pvperfDomainName(dom);
    g_autofree char *message = NULL;

    if (given)
        message = g_strdup_printf("added <shmem name='" PVPERF_DEVICE_NAME "'> (ivshmem-doorbell, alias "
                                  PVPERF_DEVICE_ALIAS ") and what makes it migratable to the persistent XML; "
                                  "active from the next cold start; to undo: virsh-pvperf disable %s", name);
    else
        message = g_strdup_printf("took <shmem name='" PVPERF_DEVICE_NAME "'> and its override out of the "
                                  "persistent XML, because <pvperf> was taken out of it; gone from the next "
                                  "cold start; to undo: virsh-pvperf enable %s", name);
    g_message("domain %s: %s", name, message);
    dom->host->announce(dom, given, message, dom->host->opaque);
}


void
pvperfDomainDeviceDone(pvperfDomain *dom,
                       pvperfDeviceVerdict verdict,
                       pvperfDeviceOutcome outcome,
                       const GError *error)
{
    bool given = verdict == PVPERF_DEVICE_GIVE;

    dom->writing = false;
    g_clear_pointer(&dom->attempt_error, g_free);
    switch (outcome) {
    case PVPERF_DEVICE_DONE:
        pvperfDomainSetRecord(dom, given ? PVPERF_RECORD_GIVEN : PVPERF_RECORD_NONE);
        pvperfDomainAnnounce(dom, given);
        break;
    case PVPERF_DEVICE_CHANGED:
        /* another XML: its own attempt */
        g_clear_pointer(&dom->attempted, g_free);
        break;
    case PVPERF_DEVICE_OVERTAKEN:
    case PVPERF_DEVICE_UNDONE:
        /* whoever else writes this XML wins, from now on */
        if (given)
            pvperfDomainSetRecord(dom, PVPERF_RECORD_REMOVED);
        /* fall through */
    case PVPERF_DEVICE_FAILED:
        dom->attempt_error = g_strdup_printf("%s the device failed: %s",
                                             given ? "adding" : "taking out", error->message);
        g_warning("domain %s: %s", pvperfDomainName(dom), dom->attempt_error);
        break;
    }
}


/* ---- what people see ---- */

char *
pvperfDomainInvalidReason(const pvperfDomain *dom)
{
    const pvperfDomainXML *xml = pvperfDomainXMLThatCounts(dom);

    switch (xml->place) {
    case PVPERF_PLACE_TOP_LEVEL:
        return g_strdup("<pvperf> stands directly in <domain>: it belongs in <metadata>");
    case PVPERF_PLACE_NO_XMLNS:
        return g_strdup("<pvperf> has no xmlns: write xmlns='" PVPERF_XMLNS "'");
    case PVPERF_PLACE_WRONG_XMLNS:
        return g_strdup("<pvperf> has another xmlns: write xmlns='" PVPERF_XMLNS "'");
    case PVPERF_PLACE_TWICE:
        return g_strdup("there is more than one <pvperf>: libvirt keeps only one");
    case PVPERF_PLACE_NONE:
    case PVPERF_PLACE_METADATA:
        break;
    }
    return g_strdup(xml->def_error ? xml->def_error->message : "the element cannot be read");
}


/* The reason where the table knows only the state. */
static char *
pvperfDomainReason(const pvperfDomain *dom)
{
    if (dom->state == PVPERF_DOMAIN_INVALID)
        return g_strdup_printf("%s%s", dom->policy_error,
                               dom->in_force ? "; what was in force before stays in force" : "");
    return g_strdup_printf("its backend %s; it is started again",
                           dom->backend_error ? dom->backend_error : "ended");
}


static void
pvperfDomainFactsGet(const pvperfDomain *dom,
                     pvperfDomainFacts *facts)
{
    const pvperfReading *reading = dom->reading;

    memset(facts, 0, sizeof(*facts));
    facts->active = reading->active;
    facts->running = reading->running;
    facts->persistent = reading->persistent;
    facts->invalid = dom->policy_error != NULL;
    facts->live_element = pvperfDomainXMLHasElement(reading->live);
    facts->off = dom->in_force && !dom->effective.policy.on;
    facts->live_devices = reading->live ? reading->live->device.count : 0;
    facts->short_device = facts->live_devices == 1 &&
        reading->live->device.vectors < reading->live->max_vcpus;
    facts->config_devices = reading->config ? reading->config->device.count : 0;
    facts->keeper = dom->host->keeper;
    facts->peer = dom->peer != NULL;
    facts->backend = dom->backend;
    facts->countable = dom->host->classes_available != 0;
    facts->ready = dom->client && pvperfBackendClientReady(dom->client);
    facts->verdict = dom->verdict;
}


static void
pvperfDomainUpdateState(pvperfDomain *dom)
{
    pvperfDomainFacts facts;
    pvperfDomainState state;
    const char *text;
    g_autofree char *reason = NULL;
    bool listed = dom->reading && (pvperfDomainXMLHasElement(dom->reading->live) ||
                                   pvperfDomainXMLHasElement(dom->reading->config));
    bool was_listed = dom->listed;

    dom->listed = listed;
    if (!listed || dom->ended)
        return;
    pvperfDomainFactsGet(dom, &facts);
    state = pvperfDomainStateDecide(&facts, &text);
    if (state == PVPERF_DOMAIN_UNMANAGED && dom->attempt_error)
        reason = g_strdup(dom->attempt_error);
    else
        reason = g_strdup(text);

    if (!reason) {
        dom->state = state;
        reason = pvperfDomainReason(dom);
    } else if (!*reason && dom->in_force && dom->effective.remarks) {
        g_free(reason);
        reason = g_strdup(dom->effective.remarks);
    }
    if (was_listed && state == dom->state && strcmp(reason, dom->reason) == 0)
        return;
    dom->state = state;
    g_free(dom->reason);
    dom->reason = g_steal_pointer(&reason);
    g_message("domain %s: %s%s%s", pvperfDomainName(dom), pvperfDomainStateName(state),
              *dom->reason ? ": " : "", dom->reason);
    dom->host->changed(dom, dom->host->opaque);
}


/* ---- what comes in ---- */

void
pvperfDomainUpdate(pvperfDomain *dom)
{
    pvperfDomainUpdatePolicy(dom);
    pvperfDomainUpdateBackend(dom);
    pvperfDomainUpdateDevice(dom);
    pvperfDomainUpdateState(dom);
}


void
pvperfDomainSetReading(pvperfDomain *dom,
                       pvperfReading *reading)
{
    pvperfReadingFree(dom->reading);
    dom->reading = reading;
    g_clear_handle_id(&dom->ended, g_source_remove);
    pvperfDomainUpdate(dom);
}


static gboolean
pvperfDomainNotEnded(gpointer opaque)
{
    pvperfDomain *dom = opaque;

    dom->ended = 0;
    pvperfDomainUpdate(dom);
    return G_SOURCE_REMOVE;
}


void
pvperfDomainSetPeer(pvperfDomain *dom,
                    pvperfPeer *peer)
{
    if (dom->peer == peer)
        return;
    g_clear_handle_id(&dom->ended, g_source_remove);
    if (dom->peer) {
        g_clear_pointer(&dom->peer, pvperfPeerUnref);
        pvperfStatsFileRemove(dom->host->config->backend_dir, dom->uuid);
        dom->ended = g_timeout_add(PVPERF_ENDED_MS, pvperfDomainNotEnded, dom);
        pvperfDomainUpdate(dom);
    }
    if (peer) {
        g_clear_handle_id(&dom->ended, g_source_remove);
        dom->peer = pvperfPeerRef(peer);
        pvperfDomainUpdate(dom);
    }
}
