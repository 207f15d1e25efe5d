/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_domain_xml.c: <pvperf>, alone or within a whole domain XML.
 *
 * What parses is valid, formats, and parses again to the same; the policy that it
 * makes, told as an element, makes the same policy again. A domain XML
 * takes the device once, and gives it back.
 */
#include "conf/pvperf_domain_xml.h"
#include "conf/pvperf_policy_text.h"
#include "fuzz.h"

#define VCPUS 4

static pvperfDomainDef *
again(const char *text)
{
    g_autoptr(GError) error = NULL;
    pvperfDomainDef *def = pvperfDomainDefParseString(text, &error);

    if (!def)
        fprintf(stderr, "%s\n%s\n", text, error->message);
    fuzzExpect(def);
    return def;
}


static void
checkElement(const pvperfDomainDef *def)
{
    g_autofree char *with = pvperfDomainDefFormat(def, true);
    g_autofree char *without = pvperfDomainDefFormat(def, false);
    g_autoptr(pvperfDomainDef) second = again(with);
    g_autoptr(pvperfDomainDef) third = again(without);
    g_autoptr(pvperfDomainDef) told = NULL;
    g_autofree char *element = NULL;
    pvperfPolicy policy;
    pvperfPolicy same;

    fuzzExpect(pvperfDomainDefValidate(def, NULL));
    fuzzExpect(pvperfDomainDefEqual(def, second) && pvperfDomainDefEqual(def, third));
    memset(&policy, 0, sizeof(policy));
    memset(&same, 0, sizeof(same));
    pvperfDomainDefPolicy(def, VCPUS, &policy);
    element = pvperfPolicyTextElement(&policy, def->group_name);
    told = again(element);
    pvperfDomainDefPolicy(told, VCPUS, &same);
    fuzzExpect(memcmp(&policy, &same, sizeof(policy)) == 0);
}


static void
checkDomain(const char *xml)
{
    g_autoptr(pvperfDomainXML) dom = pvperfDomainXMLParse(xml, NULL);
    g_autoptr(pvperfDomainXML) given = NULL;
    g_autoptr(pvperfDomainXML) taken = NULL;
    g_autofree char *with = NULL;
    g_autofree char *without = NULL;

    if (!dom)
        return;
    fuzzExpect(!dom->def || !dom->def_error);
    if (dom->def)
        checkElement(dom->def);
    with = pvperfDomainXMLAddDevice(xml, "/run/libvirt/pvperf/ivshmem.sock", NULL);
    if (!with)
        return;
    given = pvperfDomainXMLParse(with, NULL);
    fuzzExpect(given && given->def && given->device.count == 1 && given->device.has_alias);
    without = pvperfDomainXMLRemoveDevice(with, false, NULL);
    taken = without ? pvperfDomainXMLParse(without, NULL) : NULL;
    fuzzExpect(taken && taken->def && taken->device.count == 0);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data,
                       size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(pvperfDomainDef) def = NULL;

    if (strstr(text, "<domain")) {
        checkDomain(text);
        return 0;
    }
    def = pvperfDomainDefParseString(text, NULL);
    if (def)
        checkElement(def);
    return 0;
}
