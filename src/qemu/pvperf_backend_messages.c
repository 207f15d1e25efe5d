/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_backend_messages.c: what a backend sends, and the questions that it
 * answers.
 *
 * A question has a deadline; an answer that comes later finds no question and
 * is dropped. Counts and indices in an answer are checked here, so that who
 * asked may use them.
 */
#include "pvperf_backend_client_priv.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <gio/gio.h>

#include "pvperf_broker.h"
#include "pvperf_stats_file.h"

#define PVPERF_ANSWER_TIMEOUT_MS 1000
/* of one answer, whatever a backend claims: 14 MiB, 2048 events on 128 vCPUs */
#define PVPERF_RECORDS_MAX 262144

typedef struct _pvperfBackendQuestion pvperfBackendQuestion;
struct _pvperfBackendQuestion {
    pvperfBackendClient *client;
    uint64_t cookie;
    guint timer;
    pvperfBackendEventsFunc events;
    pvperfBackendStatsFunc stats;
    gpointer opaque;
    GArray *records;            /* pages so far */
};


/* ---- questions ---- */

static pvperfBackendQuestion *
pvperfBackendQuestionFind(pvperfBackendClient *client,
                          uint64_t cookie)
{
    GList *link;

    for (link = client->questions->head; link; link = link->next) {
        pvperfBackendQuestion *question = link->data;

        if (question->cookie == cookie)
            return question;
    }
    return NULL;
}


/* Answer and forget @question; @code 0 is success. */
static void
pvperfBackendQuestionEnd(pvperfBackendQuestion *question,
                         GIOErrorEnum code,
                         bool ok)
{
    g_autoptr(GError) error = NULL;

    g_queue_remove(question->client->questions, question);
    g_clear_handle_id(&question->timer, g_source_remove);
    if (question->stats) {
        question->stats(&question->client->stats, ok, question->opaque);
    } else {
        if (!ok)
            error = g_error_new(G_IO_ERROR, code, code == G_IO_ERROR_TIMED_OUT ?
                                "its backend did not answer in %d ms" :
                                "its backend ended", PVPERF_ANSWER_TIMEOUT_MS);
        question->events(ok ? question->records : NULL, error, question->opaque);
    }
    g_clear_pointer(&question->records, g_array_unref);
    g_free(question);
}


static gboolean
pvperfBackendQuestionTimeout(gpointer opaque)
{
    pvperfBackendQuestion *question = opaque;

    question->timer = 0;
    pvperfBackendQuestionEnd(question, G_IO_ERROR_TIMED_OUT, false);
    return G_SOURCE_REMOVE;
}


static pvperfBackendQuestion *
pvperfBackendQuestionNew(pvperfBackendClient *client,
                         gpointer opaque)
{
    pvperfBackendQuestion *question = g_new0(pvperfBackendQuestion, 1);

    question->client = client;
    question->cookie = ++client->cookie;
    question->opaque = opaque;
    question->timer = g_timeout_add(PVPERF_ANSWER_TIMEOUT_MS, pvperfBackendQuestionTimeout, question);
    g_queue_push_tail(client->questions, question);
    return question;
}


void
pvperfBackendClientDropQuestions(pvperfBackendClient *client)
{
    pvperfBackendQuestion *question;

    while ((question = g_queue_peek_head(client->questions)))
        pvperfBackendQuestionEnd(question, G_IO_ERROR_CLOSED, false);
}


static void
pvperfBackendClientSendQuery(pvperfBackendClient *client,
                             uint64_t cookie,
                             uint64_t cursor)
{
    pvperfControlQuery msg = { .cursor = cursor };

    pvperfBackendClientSend(client, &msg.h, sizeof(msg), PVPERF_CONTROL_QUERY, cookie, NULL, 0);
}


void
pvperfBackendClientQueryEvents(pvperfBackendClient *client,
                               pvperfBackendEventsFunc func,
                               gpointer opaque)
{
    pvperfBackendQuestion *question = pvperfBackendQuestionNew(client, opaque);

    question->events = func;
    question->records = g_array_new(FALSE, FALSE, sizeof(pvperfControlRecord));
    pvperfBackendClientSendQuery(client, question->cookie, 0);
}


void
pvperfBackendClientQueryStats(pvperfBackendClient *client,
                              pvperfBackendStatsFunc func,
                              gpointer opaque)
{
    pvperfBackendQuestion *question = pvperfBackendQuestionNew(client, opaque);
    pvperfControlHeader msg;

    question->stats = func;
    pvperfBackendClientSend(client, &msg, sizeof(msg), PVPERF_CONTROL_GET_STATS,
                            question->cookie, NULL, 0);
}


/* ---- answers ---- */

static bool
pvperfBackendOnEvents(pvperfBackendClient *client,
                      const pvperfControlEvents *msg,
                      size_t size)
{
    pvperfBackendQuestion *question;
    uint32_t i;

    if (size < offsetof(pvperfControlEvents, records) ||
        msg->count > PVPERF_CONTROL_RECORDS_MAX ||
        size != offsetof(pvperfControlEvents, records) + msg->count * sizeof(msg->records[0]))
        return false;
    for (i = 0; i < msg->count; i++) {
        const pvperfControlRecord *record = &msg->records[i];

        if (record->id < 0 || record->id >= PVPERF_MAX_IDS || !pvperfEventGet(record->event) ||
            record->vcpu >= client->peer->vectors || record->state > PVPERF_SLOT_REFUSED)
            return false;
    }

    question = pvperfBackendQuestionFind(client, msg->h.cookie);
    if (!question || !question->events)
        return true;
    g_array_append_vals(question->records, msg->records, msg->count);
    if (question->records->len > PVPERF_RECORDS_MAX || (msg->cursor && !msg->count))
        return false;
    if (msg->cursor)
        pvperfBackendClientSendQuery(client, question->cookie, msg->cursor);
    else
        pvperfBackendQuestionEnd(question, 0, true);
    return true;
}


static bool
pvperfBackendOnRefused(pvperfBackendClient *client,
                       const pvperfControlRefused *msg,
                       size_t size)
{
    if (size != sizeof(*msg) || msg->reason == PVPERF_REASON_NONE ||
        msg->reason >= PVPERF_NR_REASONS || !pvperfRefusalIsSound(&msg->last))
        return false;
    client->handlers.refused(msg, client->opaque);
    return true;
}


static bool
pvperfBackendOnStats(pvperfBackendClient *client,
                     const pvperfControlStats *msg,
                     size_t size)
{
    pvperfBackendQuestion *question;

    if (size != sizeof(*msg) || !pvperfStatsAreSound(msg))
        return false;
    client->stats = *msg;
    client->handlers.stats(&client->stats, client->opaque);
    question = pvperfBackendQuestionFind(client, msg->h.cookie);
    if (question && question->stats)
        pvperfBackendQuestionEnd(question, 0, true);
    return true;
}


static bool
pvperfBackendOnOpen(pvperfBackendClient *client,
                    const pvperfControlOpen *msg,
                    size_t size)
{
    pvperfControlOpened answer = { .ret = 0 };
    int fds[PVPERF_BROKER_FDS];
    const pvperfBrokerTarget target = {
        .proc = "/proc",
        .pid = client->peer->pid,
        .pidfd = client->peer->pidfd,
        .nr_vcpus = client->peer->vectors,
        .tids = client->tids,
        .policy = &client->policy,
        .open = pvperfBrokerPerfEventOpen,
    };

    if (size != sizeof(*msg))
        return false;
    pvperfBrokerOpen(&target, msg, &answer, fds);
    if (answer.ret < 0)
        g_info("open for process %d, vCPU %u, refused: %s, member %u", client->peer->pid,
               msg->vcpu, pvperfReasonName(answer.reason), answer.failed);
    pvperfBackendClientSend(client, &answer.h, sizeof(answer), PVPERF_CONTROL_OPENED,
                            msg->h.cookie, fds, answer.count);
    while (answer.count > 0)
        close(fds[--answer.count]);
    return true;
}


bool
pvperfBackendClientMessage(pvperfBackendClient *client,
                           size_t size)
{
    const pvperfControlHeader *header = (const pvperfControlHeader *)client->buffer;
    const void *msg = client->buffer;

    if (size < sizeof(*header) || header->size != size ||
        header->version != PVPERF_CONTROL_VERSION)
        return false;

    if (header->type == PVPERF_CONTROL_HELLO) {
        if (client->ready || size != sizeof(pvperfControlHello))
            return false;
        pvperfBackendClientHello(client, msg);
        return true;
    }
    if (!client->ready)
        return false;
    switch ((pvperfControlType)header->type) {
    case PVPERF_CONTROL_OPEN:
        return pvperfBackendOnOpen(client, msg, size);
    case PVPERF_CONTROL_EVENTS:
        return pvperfBackendOnEvents(client, msg, size);
    case PVPERF_CONTROL_STATS:
        return pvperfBackendOnStats(client, msg, size);
    case PVPERF_CONTROL_REFUSED:
        return pvperfBackendOnRefused(client, msg, size);
    default:
        return false;
    }
}
