/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_device_rules.c: when a domain gets its device, and what is remembered
 * of it. Pure: called on the main context, and once more in the libvirt thread
 * on the XML that is about to be changed.
 */
#include "pvperf_device.h"

#define PVPERF_DEVICE_TEXT(constant, text) [constant] = text,
static const char *const verdictTexts[] = {
    PVPERF_DEVICE_VERDICTS(PVPERF_DEVICE_TEXT)
};
#undef PVPERF_DEVICE_TEXT


const char *
pvperfDeviceVerdictText(pvperfDeviceVerdict verdict)
{
    return verdict < PVPERF_NR_DEVICE_VERDICTS ? verdictTexts[verdict] : "";
}


void
pvperfDeviceFactsFromXML(pvperfDeviceFacts *facts,
                         const pvperfDomainXML *config)
{
    facts->element = config && config->place == PVPERF_PLACE_METADATA && config->def;
    facts->invalid = config && config->place != PVPERF_PLACE_NONE && !facts->element;
    facts->managed = facts->element ? config->def->managed : PVPERF_TRISTATE_ABSENT;
    facts->migratable = facts->element ? config->def->migratable : PVPERF_TRISTATE_ABSENT;
    facts->devices = config ? config->device.count : 0;
    facts->has_override = config && config->device.has_override;
    facts->vectors_match = config && config->device.vectors == config->max_vcpus;
}


/* The device is there, and given by us or with our knowledge: does it still
 * fit the element? */
static bool
pvperfDeviceFits(const pvperfDeviceFacts *facts)
{
    return facts->vectors_match &&
        (facts->has_override || facts->migratable == PVPERF_TRISTATE_NO);
}


pvperfDeviceVerdict
pvperfDeviceDecide(const pvperfDeviceFacts *facts)
{
    bool managed = facts->auto_manage && facts->managed != PVPERF_TRISTATE_NO;

    if (facts->devices > 1)
        return PVPERF_DEVICE_TOO_MANY;
    if (facts->invalid)
        return PVPERF_DEVICE_NOTHING;
    if (!facts->element) {
        if (facts->devices == 0)
            return facts->persistent ? PVPERF_DEVICE_NO_ELEMENT : PVPERF_DEVICE_TRANSIENT;
        if (facts->auto_manage && facts->record == PVPERF_RECORD_GIVEN && !facts->attempted)
            return PVPERF_DEVICE_TAKE;
        return PVPERF_DEVICE_NOTHING;
    }
    if (facts->devices == 1 &&
        (facts->record != PVPERF_RECORD_GIVEN || facts->attempted ||
         !managed || pvperfDeviceFits(facts)))
        return PVPERF_DEVICE_NOTHING;

    if (facts->managed == PVPERF_TRISTATE_NO)
        return PVPERF_DEVICE_NOT_MANAGED;
    if (!facts->auto_manage)
        return PVPERF_DEVICE_MANUAL;
    if (facts->record == PVPERF_RECORD_REMOVED)
        return PVPERF_DEVICE_WAS_REMOVED;
    if (facts->attempted)
        return PVPERF_DEVICE_ATTEMPTED;
    if (!facts->keeper)
        return PVPERF_DEVICE_WAIT_KEEPER;
    return PVPERF_DEVICE_GIVE;
}


pvperfRecord
pvperfDeviceNextRecord(const pvperfDeviceFacts *facts)
{
    if (facts->invalid)
        return facts->record;
    if (facts->element && facts->devices > 0)
        return facts->managed == PVPERF_TRISTATE_YES ? PVPERF_RECORD_GIVEN : PVPERF_RECORD_NONE;
    if (facts->element)
        return facts->record == PVPERF_RECORD_NONE ? PVPERF_RECORD_NONE : PVPERF_RECORD_REMOVED;
    return facts->devices > 0 ? facts->record : PVPERF_RECORD_NONE;
}
