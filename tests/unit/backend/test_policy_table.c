/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_policy_table.c: every policy, every request, what the guest is told.
 *
 * policies.xml holds elements as operators write them; each goes through the
 * parser and into a backend on fakes (fake_host.h), where a guest then asks for
 * everything there is. The answers are golden/policy-table.txt, for people;
 * PVPERF_REGENERATE=1 writes it anew. Beside it stand rules that know nothing
 * of the code under test: what a class, a list, a limit says, by the element;
 * that every item of the grammar stands in a policy, that every class is
 * allowed and denied somewhere, that every reason occurs. Requests that have
 * nothing to do with the policy are policy_table_requests.c's.
 */
#include <errno.h>
#include <string.h>
#include <libxml/parser.h>

#include "bench_calls.h"
#include "conf/pvperf_domain_grammar.h"
#include "policy_table_requests.h"

#define VCPUS 2

/* More than any burst, and than what CLOSE and HELLO may run up on top. */
#define LATER (1000 * SECOND)

#define LISTED 0x01c2           /* in every raw list of policies.xml */

typedef struct _tableKind tableKind;
struct _tableKind {
    const char *name;
    uint64_t period;
    uint64_t flags;
};

static const tableKind kinds[] = {
    { "count", 0, 0 },
    { "1", 1, 0 },
    { "4000000", 4000000, 0 },
    { "1 Hz", 1, PVPERF_ATTR_FREQ },
    { "4000 Hz", 4000, PVPERF_ATTR_FREQ },
};

static const uint64_t modes[] = {
    0, PVPERF_ATTR_EXCLUDE_USER, PVPERF_ATTR_EXCLUDE_KERNEL,
    PVPERF_ATTR_EXCLUDE_USER | PVPERF_ATTR_EXCLUDE_KERNEL,
};

static tableText table;
static GPtrArray *policies;
static xmlDocPtr document;
static uint32_t classes_allowed;        /* masks: opened somewhere, denied somewhere */
static uint32_t classes_denied;

/* ---- Rules --------------------------------------------------------------------- */

static bool
isSwitchedOff(const tablePolicy *policy)
{
    return policy->def->state == PVPERF_TRISTATE_NO;
}


static bool
isAllowed(const tablePolicy *policy,
          enum pvperf_class klass)
{
    if (policy->def->classes[klass] == PVPERF_TRISTATE_ABSENT)
        return klass != PVPERF_CLASS_RAW;
    return policy->def->classes[klass] == PVPERF_TRISTATE_YES;
}


/* Whatever the mask: another value of these is another event. */
#define RAW_ALWAYS (0xfULL << 32)

/* Event and umask, 18 edge, 23 inv, cmask, and AMD's upper bits of the event:
 * never 16 usr, 17 os, 19 pin, 20 int, 21 AnyThread, 22 enable, nor the rest. */
static bool
isRawBit(uint32_t bit)
{
    return bit < 16 || bit == 18 || bit == 23 || (bit >= 24 && bit < 36);
}


static bool
isListed(const tablePolicy *policy,
         uint64_t config)
{
    const GArray *raw = policy->def->raw;
    uint32_t bit;
    guint i;

    for (bit = 0; bit < 64; bit++) {
        if (config >> bit & 1 && !isRawBit(bit))
            return false;
    }
    for (i = 0; raw && i < raw->len; i++) {
        const pvperfPolicyRaw *entry = &g_array_index(raw, pvperfPolicyRaw, i);

        if ((config & (entry->mask | RAW_ALWAYS)) == entry->config)
            return true;
    }
    return false;
}


/* What an OPEN of a known event has to be told. */
static enum pvperf_reason
ruleOpen(const tablePolicy *policy,
         const pvperfEventInfo *info,
         uint64_t config,
         const tableKind *kind)
{
    bool occurrences = g_str_equal(info->name, "vcpu-switches") || g_str_equal(info->name, "vcpu-migrations");

    if (isSwitchedOff(policy))
        return PVPERF_REASON_STATE;
    if (!isAllowed(policy, info->klass))
        return PVPERF_REASON_CLASS;
    if (info->klass == PVPERF_CLASS_RAW && !isListed(policy, config))
        return PVPERF_REASON_RAW;
    if (!(policy->available & 1U << info->klass))
        return PVPERF_REASON_HOST;
    if (kind->period && !kind->flags && !occurrences && kind->period < policy->def->min_period.value)
        return PVPERF_REASON_MIN_PERIOD;
    if (kind->period && !policy->samples)
        return PVPERF_REASON_UNSUPPORTED;
    return PVPERF_REASON_NONE;
}


/* ---- OPEN of each event ------------------------------------------------------------ */

static void
start(const tablePolicy *policy)
{
    fakeBenchInit(VCPUS);
    bench.backend.classes_available = policy->available;
    g_assert_true(pvperfServePolicy(&bench.backend, &policy->policy));
    g_assert_cmpint(fakeBenchHello(policy->samples ? SAMPLING : 0).ret, ==, 0);
}


static struct guest_perf_attr
attrOf(const pvperfEventInfo *info,
       const tableKind *kind,
       uint64_t exclude)
{
    return (struct guest_perf_attr) {
        .type = info->type,
        .config = info->klass == PVPERF_CLASS_RAW ? LISTED : info->config,
        .sample_period = kind->period,
        .flags = PVPERF_ATTR_EXCLUDE_GUEST | kind->flags | exclude,
    };
}


/* OPEN, and CLOSE if that went well: what is refused leaves nothing behind. */
static struct pvperf_result
tryOpen(struct guest_perf_attr attr)
{
    uint32_t requests = bench.requests;
    struct pvperf_result result;

    bench.now += LATER;
    fakeBenchServe();
    result = openAttr(1, -1, attr);
    g_assert_cmpuint(bench.backend.table.open, ==, result.ret == 0);
    if (result.ret < 0)
        g_assert_cmpuint(bench.requests, ==, requests);
    else
        closeEvent(1);
    return result;
}


/* In all modes; they change nothing, and reach the daemon if they mean something. */
static struct pvperf_result
tryModes(const tablePolicy *policy,
         const pvperfEventInfo *info,
         const tableKind *kind)
{
    struct pvperf_result result = { 0 };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(modes); i++) {
        uint32_t requests = bench.requests;

        result = tryOpen(attrOf(info, kind, modes[i]));
        tableCheckShown(result);
        g_assert_cmpstr(pvperfReasonName(result.reason), ==,
                        pvperfReasonName(ruleOpen(policy, info, LISTED, kind)));
        if (result.ret < 0)
            continue;
        g_assert_cmpuint(bench.requests, ==, requests + 1);
        g_assert_cmpuint(bench.asked.events[0].modes, ==, info->klass == PVPERF_CLASS_VCPU ? 0 : modes[i]);
        g_assert_cmpstr(pvperfEventGet(bench.asked.events[0].event)->name, ==, info->name);
    }
    return result;
}


/* An event, or a run of a class's events that are answered alike. */
static void
tableRun(const tablePolicy *policy,
         int first,
         int last,
         const struct pvperf_result *results)
{
    const char *from = pvperfEventGet(first)->name;
    const char *to = pvperfEventGet(last)->name;
    g_autofree char *run = g_strdup_printf("%s .. %s (%d)", from, to, last - first + 1);
    size_t i;

    tableBegin(&table, policy->name, first == last ? from : run);
    for (i = 0; i < G_N_ELEMENTS(kinds); i++)
        tableEnter(&table, kinds[i].name, results[i]);
}


static void
tableEvents(const tablePolicy *policy)
{
    struct pvperf_result results[PVPERF_EVENTS_MAX][G_N_ELEMENTS(kinds)];
    int first = 0;
    int event;
    size_t i;

    memset(results, 0, sizeof(results));
    start(policy);
    for (event = 0; event < pvperfEventCount(); event++) {
        const pvperfEventInfo *info = pvperfEventGet(event);

        for (i = 0; i < G_N_ELEMENTS(kinds); i++) {
            results[event][i] = tryModes(policy, info, &kinds[i]);
            if (results[event][i].ret == 0)
                classes_allowed |= 1U << info->klass;
            if (results[event][i].reason == PVPERF_REASON_CLASS)
                classes_denied |= 1U << info->klass;
        }
        if (pvperfEventGet(first)->klass == info->klass &&
            memcmp(results[first], results[event], sizeof(results[first])) == 0)
            continue;
        tableRun(policy, first, event - 1, results[first]);
        first = event;
    }
    tableRun(policy, first, event - 1, results[first]);
    fakeBenchFree();
}


/* A number of the PMU, and that with each of its bits flipped. */
static void
tableRaw(const tablePolicy *policy,
         uint64_t config)
{
    const pvperfEventInfo *raw = pvperfEventGet(pvperfEventFromName("raw"));
    g_autofree char *subject = g_strdup_printf("r%" G_GINT64_MODIFIER "x, with a bit flipped", (guint64)config);
    struct guest_perf_attr attr = { .type = PERF_TYPE_RAW, .config = config };
    struct pvperf_result result;
    uint32_t bit;

    start(policy);
    tableBegin(&table, policy->name, subject);
    tableCase(&table, "none", tryOpen(attr));
    for (bit = 0; bit < 64; bit++) {
        attr.config = config ^ 1ULL << bit;
        result = tryOpen(attr);
        g_assert_cmpuint(result.reason, ==, ruleOpen(policy, raw, attr.config, &kinds[0]));
        if (result.ret == 0)
            g_assert_cmphex(bench.asked.events[0].raw_config, ==, attr.config);
        tableCaseNumber(&table, bit, result);
    }
    fakeBenchFree();
}


/* ---- Limits -------------------------------------------------------------------------- */

/* An event that this policy lets count; false: there is none. */
static bool
findOpenable(const tablePolicy *policy,
             struct guest_perf_attr *attr)
{
    int event = pvperfEventCount();

    while (event-- > 0) {
        *attr = attrOf(pvperfEventGet(event), &kinds[0], 0);
        if (ruleOpen(policy, pvperfEventGet(event), LISTED, &kinds[0]) == PVPERF_REASON_NONE)
            return true;
    }
    return false;
}


/* OPENs until one is refused, and another one in the place of a closed one; as
 * many are open then as may be. */
static uint32_t
tableMax(const tablePolicy *policy,
         struct guest_perf_attr attr)
{
    struct pvperf_result result;
    uint32_t n = 0;

    tableBegin(&table, policy->name, "OPEN, number");
    do {
        bench.now += LATER;
        result = openAttr(n + 1, -1, attr);
        tableCaseNumber(&table, ++n, result);
    } while (result.ret == 0);
    if (policy->def->max.present)
        g_assert_cmpuint(n - 1, ==, policy->def->max.value);
    g_assert_cmpuint(result.reason, ==, PVPERF_REASON_MAX);
    closeEvent(1);
    tableCase(&table, "after a CLOSE", openAttr(1, -1, attr));
    return n - 1;
}


static void
tablePerVcpu(const tablePolicy *policy,
             uint32_t open)
{
    struct pvperf_result result = { 0 };
    uint32_t n = 0;

    bench.now += LATER;
    tableBegin(&table, policy->name, "ENABLE, number");
    while (n < open && result.ret == 0) {
        result = fakeBenchCall(0, ENABLE, ++n);
        tableCaseNumber(&table, n, result);
    }
    if (result.ret == 0)
        return;
    g_assert_cmpuint(n - 1, ==, policy->def->per_vcpu.present ? policy->def->per_vcpu.value : 16);
    g_assert_cmpuint(slot(n, 0).state, ==, PVPERF_SLOT_REFUSED);
    g_assert_cmpint(slot(n, 0).error, ==, result.ret);
    tableCase(&table, "on the other vCPU", fakeBenchCall(1, ENABLE, n));
    call(0, DISABLE, 1);
    tableCase(&table, "after a DISABLE", fakeBenchCall(0, ENABLE, n));
}


/* What may still be done when no request is left. */
static void
tableRateUsedUp(const tablePolicy *policy,
                struct guest_perf_attr attr)
{
    uint32_t control = fakeGuestControl(&bench.guest);
    uint32_t refused = policy->policy.requests_sec ? PVPERF_REASON_RATE : PVPERF_REASON_NONE;
    struct pvperf_result result;

    tableBegin(&table, policy->name, "after that READ");
    result = openAttr(2, -1, attr);
    g_assert_cmpuint(result.reason, ==, refused);
    tableCase(&table, "OPEN", result);
    result = fakeBenchCall(0, ENABLE, 1);
    g_assert_cmpuint(result.reason, ==, refused);
    g_assert_cmpuint(slot(1, 0).state, ==, refused ? PVPERF_SLOT_REFUSED : PVPERF_SLOT_COUNTING);
    tableCase(&table, "ENABLE", result);
    tableCase(&table, "DISABLE", fakeBenchCall(0, DISABLE, 1));
    tableCase(&table, "CLOSE", fakeBenchCall(control, CLOSE, 1));
    tableCase(&table, "HELLO", fakeBenchHello(0));
    bench.now += LATER;
    tableCase(&table, "later OPEN", openAttr(1, -1, attr));
}


static void
tableRate(const tablePolicy *policy,
          struct guest_perf_attr attr)
{
    uint64_t rate = policy->def->requests_sec.present ? policy->def->requests_sec.value : 200000 * VCPUS;
    struct pvperf_result result;
    uint32_t n = 0;

    g_assert_cmpint(fakeBenchHello(0).ret, ==, 0);
    bench.now += LATER;
    g_assert_cmpint(openAttr(1, -1, attr).ret, ==, 0);
    bench.now += LATER;
    tableBegin(&table, policy->name, "READ, number");
    do {
        result = fakeBenchCall(0, READ, 1);
        tableCaseNumber(&table, ++n, result);
    } while (result.ret == 0 && (rate || n < 1000));
    g_assert_cmpuint(n, ==, rate ? MAX(256, rate / 10) + 1 : 1000);
    tableRateUsedUp(policy, attr);
}


static void
tableLimits(const tablePolicy *policy)
{
    struct guest_perf_attr attr;

    if (!findOpenable(policy, &attr))
        return;
    start(policy);
    tablePerVcpu(policy, tableMax(policy, attr));
    tableRate(policy, attr);
    fakeBenchFree();
}


/* ---- A policy that comes while events count --------------------------------------------- */

static void
openOneOfEach(void)
{
    int event;

    for (event = pvperfEventCount() - 1; event >= 0; event--) {
        const pvperfEventInfo *info = pvperfEventGet(event);

        if (event && pvperfEventGet(event - 1)->klass == info->klass)
            continue;
        if (pvperfTableFind(&bench.backend.table, info->klass))
            continue;
        g_assert_cmpint(openAttr(info->klass, -1, attrOf(info, &kinds[0], 0)).ret, ==, 0);
        call(0, ENABLE, info->klass);
    }
    g_assert_cmpuint(bench.backend.table.open, ==, PVPERF_NR_CLASSES);
}


/* What gives something back is served under any policy. */
static void
tableLive(const tablePolicy *policy)
{
    enum pvperf_class klass;

    start(tablePolicyFind(policies, "all"));
    openOneOfEach();
    g_assert_true(pvperfServePolicy(&bench.backend, &policy->policy));
    tableBegin(&table, policy->name, "ENABLE of open events");
    for (klass = 0; klass < PVPERF_NR_CLASSES; klass++) {
        bool on = !isSwitchedOff(policy) && isAllowed(policy, klass);
        struct pvperf_result result = fakeBenchCall(1, ENABLE, klass);

        g_assert_cmpint(result.ret, ==, on ? 0 : -ENOENT);
        g_assert_cmpuint(slot(klass, 0).state, ==, on ? PVPERF_SLOT_COUNTING : PVPERF_SLOT_REFUSED);
        tableCase(&table, pvperfClassName(klass), result);
        call(1, DISABLE, klass);
    }
    for (klass = 0; klass < PVPERF_NR_CLASSES; klass++) {
        call(0, READ, klass);
        call(0, DISABLE, klass);
        closeEvent(klass);
    }
    fakeBenchFree();
}


/* ---- The whole -------------------------------------------------------------------------- */

/* The lines that are in one text and not in the other. */
static void
showDifference(const char *sign,
               const char *text,
               const char *other)
{
    g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_auto(GStrv) others = g_strsplit(other, "\n", -1);
    char **line;

    for (line = others; *line; line++)
        g_hash_table_add(known, *line);
    for (line = lines; *line; line++) {
        if (!g_hash_table_contains(known, *line))
            g_test_message("%s%s", sign, *line);
    }
}


static void
compareGolden(const char *text)
{
    const char *path = g_getenv("PVPERF_POLICY_TABLE");
    g_autofree char *expected = NULL;

    if (g_getenv("PVPERF_REGENERATE"))
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
    g_assert_true(g_file_get_contents(path, &expected, NULL, NULL));
    if (g_str_equal(text, expected))
        return;
    showDifference("-", expected, text);
    showDifference("+", text, expected);
    g_test_fail();
}


static void
testTable(void)
{
    guint i;

    for (i = 0; i < policies->len; i++) {
        const tablePolicy *policy = g_ptr_array_index(policies, i);

        tableEvents(policy);
        tableRaw(policy, LISTED);
        if (policy->policy.nraw > 1) {
            tableRaw(policy, 0xc4);
            tableRaw(policy, 0x3c);
        }
        tableLimits(policy);
        tableLive(policy);
    }
    start(tablePolicyFind(policies, "all"));
    tableRequests(&table);
    fakeBenchFree();
    tableOrder(&table, policies);
    tableHost(&table);
    tableEnd(&table);
    g_test_message("%u requests", table.cases);
    compareGolden(table.text->str);
}


/* Behind the table: no class and no reason is left out. */
static void
testComplete(void)
{
    int i;

    for (i = 0; i < PVPERF_NR_CLASSES; i++) {
        g_test_message("class %s", pvperfClassName(i));
        g_assert_true(classes_allowed & 1U << i);
        g_assert_true(classes_denied & 1U << i);
    }
    for (i = 0; i < PVPERF_NR_REASONS; i++) {
        g_test_message("reason %s", pvperfReasonName(i));
        g_assert_true(table.reasons & 1ULL << i);
    }
}


/* What is not for the guest changes nothing for it, on the way to the same
 * lines: only the name of the policy is another. */
static void
testNotAsked(void)
{
    g_autoptr(GString) bare = g_string_new(NULL);
    g_autoptr(GString) other = g_string_new(NULL);
    g_auto(GStrv) lines = g_strsplit(table.text->str, "\n", -1);
    char **line;

    for (line = lines; *line; line++) {
        if (g_str_has_prefix(*line, "bare "))
            g_string_append(bare, strchr(*line, '|'));
        if (g_str_has_prefix(*line, "not-asked "))
            g_string_append(other, strchr(*line, '|'));
    }
    g_assert_cmpuint(bare->len, >, 1000);
    g_assert_cmpstr(bare->str, ==, other->str);
}


/* ---- The grammar --------------------------------------------------------------------------- */

/* Does an element of this name stand in a policy, with this attribute (or NULL)? */
static bool
stands(xmlNodePtr node,
       const char *name,
       const char *attr)
{
    for (; node; node = xmlNextElementSibling(node)) {
        if (g_str_equal((const char *)node->name, name) &&
            (!attr || xmlHasNsProp(node, BAD_CAST attr, NULL)))
            return true;
        if (stands(xmlFirstElementChild(node), name, attr))
            return true;
    }
    return false;
}


static void
checkElement(const pvperfElement *element)
{
    xmlNodePtr root = xmlDocGetRootElement(document);
    const pvperfElement *child;
    const char *const *attr;

    if (!stands(root, element->name, NULL))
        g_error("no policy of policies.xml has <%s>", element->name);
    for (attr = element->attrs; attr && *attr; attr++) {
        if (!stands(root, element->name, *attr))
            g_error("no policy of policies.xml has %s= in <%s>", *attr, element->name);
    }
    for (child = element->children; child && child->name; child++)
        checkElement(child);
}


static void
testGrammar(void)
{
    checkElement(&pvperfGrammarRoot);
}


int
main(int argc,
     char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    policies = tablePoliciesRead(g_getenv("PVPERF_POLICIES"), VCPUS, &document);
    table.answers = tableAnswersRead(g_getenv("PVPERF_ABI_MANUAL"));
    table.text = g_string_new(NULL);
    g_test_add_func("/policy-table/grammar", testGrammar);
    g_test_add_func("/policy-table/table", testTable);
    g_test_add_func("/policy-table/complete", testComplete);
    g_test_add_func("/policy-table/not-asked", testNotAsked);
    ret = g_test_run();
    g_string_free(table.text, TRUE);
    g_hash_table_unref(table.answers);
    g_ptr_array_unref(policies);
    xmlFreeDoc(document);
    xmlCleanupParser();
    return ret;
}
