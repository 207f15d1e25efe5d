/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_audit.c: what backends tell at which times, and the lines that come of it.
 */
#include "../../../src/qemu/pvperf_audit.h"

#include <glib.h>

typedef enum {
    BEGIN,                      /* a backend is connected to */
    NOTE,
    TELL,                       /* a minute is over, nothing new */
    END,
} testWhat;

typedef struct _testStep testStep;
struct _testStep {
    gint64 second;
    testWhat what;
    enum pvperf_reason reason;
    uint64_t total;
    uint64_t told;
    uint64_t count;             /* expected line; 0: none */
    gint64 deadline;            /* expected, in seconds; 0: none */
};

typedef struct _testCase testCase;
struct _testCase {
    const char *name;
    testStep steps[12];         /* up to one at second 0 */
};

#define AT(s, w) .second = (s), .what = (w)
#define SAYS(r, all, before) .reason = PVPERF_REASON_##r, .total = (all), .told = (before)

static const testCase cases[] = {
    { "one line, then quiet", {
        { AT(100, BEGIN) },
        { AT(100, NOTE), SAYS(MAX, 1, 0), .count = 1, .deadline = 160 },
        { AT(101, TELL), .deadline = 160 },
        { AT(160, TELL) },
        { AT(161, TELL) } } },
    { "what came in between is told after the minute", {
        { AT(100, BEGIN) },
        { AT(100, NOTE), SAYS(MAX, 1, 0), .count = 1, .deadline = 160 },
        { AT(110, NOTE), SAYS(MAX, 300, 0), .deadline = 160 },
        { AT(159, NOTE), SAYS(MAX, 500, 0), .deadline = 160 },
        { AT(160, TELL), .count = 499, .deadline = 220 },
        { AT(220, TELL) } } },
    { "the answer after the minute has news", {
        { AT(100, BEGIN) },
        { AT(100, NOTE), SAYS(MAX, 1, 0), .count = 1, .deadline = 160 },
        { AT(160, NOTE), SAYS(MAX, 500, 0), .count = 499, .deadline = 220 },
        { AT(220, NOTE), SAYS(MAX, 500, 500) },
        { AT(230, NOTE), SAYS(MAX, 501, 500), .count = 1, .deadline = 290 } } },
    { "each reason has a minute of its own", {
        { AT(100, BEGIN) },
        { AT(100, NOTE), SAYS(MAX, 1, 0), .count = 1, .deadline = 160 },
        { AT(130, NOTE), SAYS(CLASS, 7, 0), .count = 7, .deadline = 160 },
        { AT(140, NOTE), SAYS(CLASS, 8, 0), .deadline = 160 },
        { AT(160, TELL), .deadline = 190 },
        { AT(190, TELL), .count = 1, .deadline = 250 } } },
    { "the same again is no news", {
        { AT(100, BEGIN) },
        { AT(100, NOTE), SAYS(MAX, 0, 0) },
        { AT(100, NOTE), SAYS(MAX, 5, 0), .count = 5, .deadline = 160 },
        { AT(200, NOTE), SAYS(MAX, 5, 0) } } },
    { "a backend that fails over and over", {
        { AT(100, BEGIN) },
        { AT(100, NOTE), SAYS(MAX, 1, 0), .count = 1, .deadline = 160 },
        { AT(101, BEGIN), .deadline = 160 },
        { AT(101, NOTE), SAYS(MAX, 9, 0), .deadline = 160 },
        { AT(102, BEGIN), .deadline = 160 },
        { AT(102, NOTE), SAYS(MAX, 10, 0), .deadline = 160 },
        { AT(160, TELL), .count = 19, .deadline = 220 } } },
    { "a total that goes back begins anew", {
        { AT(100, BEGIN) },
        { AT(100, NOTE), SAYS(MAX, 50, 0), .count = 50, .deadline = 160 },
        { AT(170, NOTE), SAYS(MAX, 3, 0), .count = 3, .deadline = 230 } } },
    { "an earlier daemon was told", {
        { AT(100, BEGIN) },
        { AT(100, NOTE), SAYS(MAX, 50, 50) },
        { AT(101, NOTE), SAYS(CLASS, 50, 48), .count = 2, .deadline = 161 },
        { AT(102, NOTE), SAYS(MAX, 51, 50), .count = 1, .deadline = 161 } } },
    { "told more than there is", {
        { AT(100, BEGIN) },
        { AT(100, NOTE), SAYS(MAX, 4, 9), .count = 4, .deadline = 160 } } },
    { "the end tells the rest", {
        { AT(100, BEGIN) },
        { AT(100, NOTE), SAYS(MAX, 1, 0), .count = 1, .deadline = 160 },
        { AT(110, NOTE), SAYS(MAX, 4, 0), .deadline = 160 },
        { AT(111, END), .count = 3 } } },
    { "the end has nothing to tell", {
        { AT(100, BEGIN) },
        { AT(100, END) } } },
    { "numbers without sense", {
        { AT(100, BEGIN) },
        { AT(100, NOTE), SAYS(MAX, UINT64_MAX, 0), .count = UINT64_MAX, .deadline = 160 },
        { AT(101, NOTE), SAYS(MAX, 0, 0), .deadline = 160 },
        { AT(102, NOTE), SAYS(MAX, 5, UINT64_MAX), .deadline = 160 },
        { AT(160, TELL), .count = 5, .deadline = 220 } } },
};

static uint64_t lineCount;
static char *lineText;
static pvperfAuditLine lineLast;


static void
testOnLine(const pvperfAuditLine *line,
           gpointer opaque)
{
    g_assert_true(opaque == &lineCount);
    g_assert_cmpuint(line->count, >, 0);
    lineCount += line->count;
    lineLast = *line;
    g_free(lineText);
    lineText = g_strdup(line->text);
}


static void
testSteps(gconstpointer opaque)
{
    const testCase *test = opaque;
    pvperfAudit *audit = pvperfAuditNew(testOnLine, &lineCount);
    size_t i;

    for (i = 0; test->steps[i].second; i++) {
        const testStep *step = &test->steps[i];
        const pvperfControlRefusal last = { .told = step->told, .event = PVPERF_EVENT_NONE };
        gint64 now = step->second * G_TIME_SPAN_SECOND;

        lineCount = 0;
        switch (step->what) {
        case BEGIN:
            pvperfAuditBegin(audit);
            break;
        case NOTE:
            pvperfAuditNote(audit, step->reason, step->total, &last, now);
            break;
        case TELL:
            pvperfAuditTell(audit, now);
            break;
        case END:
            pvperfAuditEnd(audit);
            break;
        }
        g_test_message("step %zu", i);
        g_assert_cmpuint(lineCount, ==, step->count);
        if (step->what != END)
            g_assert_cmpint(pvperfAuditDeadline(audit, now), ==, step->deadline * G_TIME_SPAN_SECOND);
    }
    pvperfAuditFree(audit);
}


/* Many seconds of a backend that sends whatever it can. */
static void
testFlood(void)
{
    pvperfAudit *audit = pvperfAuditNew(testOnLine, &lineCount);
    const pvperfControlRefusal last = { .event = PVPERF_EVENT_NONE };
    unsigned int lines = 0;
    unsigned int i;

    for (i = 0; i < 60000; i++) {
        lineCount = 0;
        if (i % 7 == 0)
            pvperfAuditBegin(audit);
        pvperfAuditNote(audit, PVPERF_REASON_RATE, g_test_rand_int(), &last,
                        G_TIME_SPAN_SECOND + i * (G_TIME_SPAN_SECOND / 100));
        lines += lineCount > 0;
    }
    g_assert_cmpuint(lines, ==, 10);
    pvperfAuditFree(audit);
}


/* ---- sentences ---- */

typedef struct _testSentence testSentence;
struct _testSentence {
    enum pvperf_reason reason;
    const char *event;          /* NULL: not known */
    uint64_t raw_config;
    uint64_t limit;
    uint64_t total;
    bool notice;
    const char *text;
};

static const testSentence sentences[] = {
    { PVPERF_REASON_STATE, "cycles", 0, 0, 1, true,
      "refused 1 request: state: perf is switched off for this VM (state off); last event: cycles" },
    { PVPERF_REASON_CLASS, "cache-misses", 0, 0, 2, true,
      "refused 2 requests: class: the operator does not allow this class of events (class cache); "
      "last event: cache-misses" },
    { PVPERF_REASON_RAW, "raw", 0x1c3, 0, 1, true,
      "refused 1 request: raw: this raw event is not on the operator's list (class raw); "
      "last event: raw 0x1c3" },
    { PVPERF_REASON_MAX, "instructions", 0, 512, 17, true,
      "refused 17 requests: max: as many events are open as the operator allows this VM "
      "(events max 512); last event: instructions" },
    { PVPERF_REASON_PER_VCPU, "vcpu-clock", 0, 16, 1, false,
      "refused 1 request: per_vcpu: as many events are counting on this vCPU as the operator allows "
      "(events per_vcpu 16); last event: vcpu-clock" },
    { PVPERF_REASON_RATE, NULL, 0, 200000, 3, true,
      "refused 3 requests: requests_sec: more requests per second than the operator allows this VM "
      "(requests_sec 200000)" },
    { PVPERF_REASON_MIN_PERIOD, "cycles", 0, 10000, 1, true,
      "refused 1 request: min_period: the sample period is below the operator's minimum "
      "(min_period 10000); last event: cycles" },
    { PVPERF_REASON_HOST, "branches", 0, 0, 1, false,
      "refused 1 request: host: the host has no such event; last event: branches" },
    { PVPERF_REASON_MALFORMED, NULL, 0, 0, 1, true,
      "refused 1 request: malformed: the request is malformed" },
    { PVPERF_REASON_SESSION, NULL, 0, 0, 1, false,
      "refused 1 request: session: the request belongs to an earlier session" },
};


static void
testSentences(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(sentences); i++) {
        const testSentence *expected = &sentences[i];
        pvperfAudit *audit = pvperfAuditNew(testOnLine, &lineCount);
        pvperfControlStats stats = { 0 };
        pvperfControlRefusal *last = &stats.last_refusals[expected->reason];

        last->event = expected->event ? pvperfEventFromName(expected->event) : PVPERF_EVENT_NONE;
        last->raw_config = expected->raw_config;
        last->limit = expected->limit;
        stats.refusals[expected->reason] = expected->total;
        pvperfAuditNoteStats(audit, &stats, G_TIME_SPAN_HOUR);
        g_assert_cmpstr(lineText, ==, expected->text);
        g_assert_cmpint(lineLast.reason, ==, expected->reason);
        g_assert_cmpint(lineLast.notice, ==, expected->notice);
        g_assert_cmpuint(lineLast.limit, ==, expected->limit);

        stats.refusals[expected->reason] += 499;
        pvperfAuditNoteStats(audit, &stats, 2 * G_TIME_SPAN_HOUR);
        g_assert_true(g_str_has_prefix(lineText, "refused 499 more requests: "));
        pvperfAuditFree(audit);
    }
    g_clear_pointer(&lineText, g_free);
}


int
main(int argc,
     char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/audit/", cases[i].name, NULL);

        g_test_add_data_func(path, &cases[i], testSteps);
    }
    g_test_add_func("/audit/flood", testFlood);
    g_test_add_func("/audit/sentences", testSentences);
    return g_test_run();
}
