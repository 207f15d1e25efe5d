/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * policy_table.c: reading policies, writing lines.
 *
 * A line is "policy | subject | ways -> answer". Ways that are answered alike
 * stand in one line in the order in which they were asked, lines of one subject
 * in the order of their first way.
 */
#include <errno.h>
#include <string.h>
#include <libxml/parser.h>

#include "policy_table.h"

typedef struct _tableLine tableLine;
struct _tableLine {
    char *answer;
    GString *ways;
    bool numbered;              /* the last way is a number: a run from first to last */
    uint32_t first;
    uint32_t last;
};

/* ---- What is read ------------------------------------------------------------- */

static void
policyFree(void *data)
{
    tablePolicy *policy = data;

    g_free(policy->name);
    pvperfDomainDefFree(policy->def);
    g_free(policy);
}


static tablePolicy *
policyRead(xmlNodePtr node,
           unsigned int nr_vcpus)
{
    tablePolicy *policy = g_new0(tablePolicy, 1);
    g_autofree char *host = (char *)xmlGetNoNsProp(node, BAD_CAST "host");
    g_autofree char *driver = (char *)xmlGetNoNsProp(node, BAD_CAST "driver");
    g_autoptr(GError) error = NULL;

    policy->name = (char *)xmlGetNoNsProp(node, BAD_CAST "name");
    policy->def = pvperfDomainDefParseNode(xmlFirstElementChild(node), &error);
    g_assert_no_error(error);
    pvperfDomainDefPolicy(policy->def, nr_vcpus, &policy->policy);
    policy->available = host ? 1U << pvperfClassFromName(host) : (1U << PVPERF_NR_CLASSES) - 1;
    policy->samples = g_strcmp0(driver, "counting") != 0;
    return policy;
}


GPtrArray *
tablePoliciesRead(const char *path,
                  unsigned int nr_vcpus,
                  xmlDocPtr *doc)
{
    GPtrArray *policies = g_ptr_array_new_with_free_func(policyFree);
    xmlNodePtr node;

    *doc = xmlReadFile(path, NULL, XML_PARSE_NONET);
    g_assert_nonnull(*doc);
    for (node = xmlFirstElementChild(xmlDocGetRootElement(*doc)); node; node = xmlNextElementSibling(node))
        g_ptr_array_add(policies, policyRead(node, nr_vcpus));
    return policies;
}


const tablePolicy *
tablePolicyFind(const GPtrArray *policies,
                const char *name)
{
    guint i;

    for (i = 0; i < policies->len; i++) {
        const tablePolicy *policy = g_ptr_array_index(policies, i);

        if (g_str_equal(policy->name, name))
            return policy;
    }
    g_assert_not_reached();
}


GHashTable *
tableAnswersRead(const char *path)
{
    GHashTable *answers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GRegex) row = g_regex_new("^``(-E[A-Z]+)`` +``([a-z_]+)`` ", G_REGEX_MULTILINE, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_regex_match(row, text, 0, &match);
    for (; g_match_info_matches(match); g_match_info_next(match, NULL)) {
        g_autofree char *number = g_match_info_fetch(match, 1);
        g_autofree char *reason = g_match_info_fetch(match, 2);

        g_hash_table_add(answers, g_strconcat(number, " ", reason, NULL));
    }
    g_assert_cmpuint(g_hash_table_size(answers), >, 10);
    return answers;
}


/* ---- Answers ------------------------------------------------------------------- */

static const char *
errnoName(int ret)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {
        { EINVAL, "-EINVAL" }, { ENOENT, "-ENOENT" }, { EBUSY, "-EBUSY" }, { EAGAIN, "-EAGAIN" },
        { ESTALE, "-ESTALE" }, { ENOMEM, "-ENOMEM" }, { EOPNOTSUPP, "-EOPNOTSUPP" },
        { EPROTONOSUPPORT, "-EPROTONOSUPPORT" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        if (ret == -names[i].number)
            return names[i].name;
    }
    g_error("%d is no errno that the manual knows", ret);
}


static bool
hasLimit(uint32_t reason)
{
    return reason == PVPERF_REASON_MAX || reason == PVPERF_REASON_PER_VCPU ||
        reason == PVPERF_REASON_RATE || reason == PVPERF_REASON_MIN_PERIOD;
}


void
tableCheckShown(struct pvperf_result result)
{
    const struct pvperf_policy_line *line = &fakeGuestHeader(&bench.guest)->policy;

    if (result.ret == 0 || result.reason == PVPERF_REASON_SESSION || result.reason == PVPERF_REASON_PER_VCPU)
        return;
    g_assert_cmpuint(line->last_refusal, ==, result.reason);
    g_assert_cmpuint(line->last_refusal_limit, ==, result.limit);
}


static char *
answerText(tableText *table,
           struct pvperf_result result)
{
    g_autofree char *answer = NULL;

    g_assert_cmpint(result.ret, <=, 0);
    g_assert_cmpuint(result.reason, <, PVPERF_NR_REASONS);
    table->reasons |= 1ULL << result.reason;
    table->cases++;
    if (result.ret == 0) {
        g_assert_cmpuint(result.reason, ==, PVPERF_REASON_NONE);
        g_assert_cmpuint(result.limit, ==, 0);
        return g_strdup("ok");
    }

    answer = g_strdup_printf("%s %s", errnoName(result.ret), pvperfReasonName(result.reason));
    if (!g_hash_table_contains(table->answers, answer))
        g_error("%s is no answer of docs/abi.rst", answer);
    g_assert_cmpint(result.limit != 0, ==, hasLimit(result.reason));
    if (!result.limit)
        return g_steal_pointer(&answer);
    return g_strdup_printf("%s %" G_GUINT64_FORMAT, answer, (guint64)result.limit);
}


/* ---- Lines --------------------------------------------------------------------- */

static void
lineFree(void *data)
{
    tableLine *line = data;

    g_free(line->answer);
    g_string_free(line->ways, TRUE);
    g_free(line);
}


void
tableBegin(tableText *table,
           const char *policy,
           const char *subject)
{
    tableEnd(table);
    table->policy = g_strdup(policy);
    table->subject = g_strdup(subject);
    table->lines = g_ptr_array_new_with_free_func(lineFree);
}


/* Completes a run of numbers. */
static void
lineEndRun(tableLine *line)
{
    if (line->numbered && line->last != line->first)
        g_string_append_printf(line->ways, "-%u", line->last);
    line->numbered = false;
}


void
tableEnd(tableText *table)
{
    guint i;

    for (i = 0; table->lines && i < table->lines->len; i++) {
        tableLine *line = g_ptr_array_index(table->lines, i);

        lineEndRun(line);
        g_string_append_printf(table->text, "%-15s | %-45s | %s -> %s\n",
                               table->policy, table->subject, line->ways->str, line->answer);
    }
    g_clear_pointer(&table->lines, g_ptr_array_unref);
    g_clear_pointer(&table->policy, g_free);
    g_clear_pointer(&table->subject, g_free);
}


static tableLine *
lineOf(tableText *table,
       struct pvperf_result result)
{
    g_autofree char *answer = answerText(table, result);
    tableLine *line;
    guint i;

    for (i = 0; i < table->lines->len; i++) {
        line = g_ptr_array_index(table->lines, i);
        if (g_str_equal(line->answer, answer))
            return line;
    }
    line = g_new0(tableLine, 1);
    line->answer = g_steal_pointer(&answer);
    line->ways = g_string_new(NULL);
    g_ptr_array_add(table->lines, line);
    return line;
}


static void
lineAdd(tableLine *line,
        const char *way)
{
    lineEndRun(line);
    g_string_append_printf(line->ways, "%s%s", line->ways->len ? ", " : "", way);
}


void
tableEnter(tableText *table,
           const char *way,
           struct pvperf_result result)
{
    lineAdd(lineOf(table, result), way);
}


void
tableCase(tableText *table,
          const char *way,
          struct pvperf_result result)
{
    tableCheckShown(result);
    tableEnter(table, way, result);
}


void
tableCaseNumber(tableText *table,
                uint32_t number,
                struct pvperf_result result)
{
    tableLine *line = lineOf(table, result);
    char text[16];

    tableCheckShown(result);
    if (!line->numbered || line->last + 1 != number) {
        g_snprintf(text, sizeof(text), "%u", number);
        lineAdd(line, text);
        line->numbered = true;
        line->first = number;
    }
    line->last = number;
}
