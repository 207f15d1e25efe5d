/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_worker.c: a thread and its queue.
 *
 * The worker is referenced by its owner and by its thread: a thread that
 * hangs in libvirt when the daemon ends keeps what it uses.
 */
#include "pvperf_worker.h"

typedef struct _pvperfJob pvperfJob;
struct _pvperfJob {
    pvperfWorker *worker;
    pvperfWorkerFunc run;       /* NULL: the thread ends */
    pvperfWorkerFunc done;
    GDestroyNotify destroy;
    gpointer data;
};

struct _pvperfWorker {
    gatomicrefcount refs;
    GAsyncQueue *queue;
    GMutex lock;
    GCond ended_cond;
    bool ended;
    bool stopping;              /* main context only: results are dropped */
};


static void
pvperfWorkerUnref(pvperfWorker *worker)
{
    if (!g_atomic_ref_count_dec(&worker->refs))
        return;
    g_async_queue_unref(worker->queue);
    g_mutex_clear(&worker->lock);
    g_cond_clear(&worker->ended_cond);
    g_free(worker);
}


static void
pvperfJobFree(pvperfJob *job)
{
    if (job->data && job->destroy)
        job->destroy(job->data);
    pvperfWorkerUnref(job->worker);
    g_free(job);
}


static gboolean
pvperfWorkerDone(gpointer opaque)
{
    pvperfJob *job = opaque;

    if (!job->worker->stopping && job->done)
        job->done(g_steal_pointer(&job->data));
    return G_SOURCE_REMOVE;
}


static gpointer
pvperfWorkerThread(gpointer opaque)
{
    pvperfWorker *worker = opaque;
    bool last = false;

    while (!last) {
        pvperfJob *job = g_async_queue_pop(worker->queue);

        last = !job->run;
        if (job->run)
            job->run(job->data);
        if (last)
            pvperfJobFree(job);
        else
            g_idle_add_full(G_PRIORITY_DEFAULT, pvperfWorkerDone, job,
                            (GDestroyNotify)pvperfJobFree);
    }

    g_mutex_lock(&worker->lock);
    worker->ended = true;
    g_cond_signal(&worker->ended_cond);
    g_mutex_unlock(&worker->lock);
    pvperfWorkerUnref(worker);
    return NULL;
}


pvperfWorker *
pvperfWorkerNew(const char *name)
{
    pvperfWorker *worker = g_new0(pvperfWorker, 1);

    g_atomic_ref_count_init(&worker->refs);
    g_atomic_ref_count_inc(&worker->refs);
    worker->queue = g_async_queue_new_full((GDestroyNotify)pvperfJobFree);
    g_mutex_init(&worker->lock);
    g_cond_init(&worker->ended_cond);
    g_thread_unref(g_thread_new(name, pvperfWorkerThread, worker));
    return worker;
}


void
pvperfWorkerPush(pvperfWorker *worker,
                 pvperfWorkerFunc run,
                 pvperfWorkerFunc done,
                 GDestroyNotify destroy,
                 gpointer data)
{
    pvperfJob *job = g_new0(pvperfJob, 1);

    g_atomic_ref_count_inc(&worker->refs);
    job->worker = worker;
    job->run = run;
    job->done = done;
    job->destroy = destroy;
    job->data = data;
    g_async_queue_push(worker->queue, job);
}


bool
pvperfWorkerStop(pvperfWorker *worker,
                 gint64 timeout_us)
{
    gint64 deadline = g_get_monotonic_time() + timeout_us;
    bool ended;

    worker->stopping = true;
    pvperfWorkerPush(worker, NULL, NULL, NULL, NULL);

    g_mutex_lock(&worker->lock);
    while (!worker->ended &&
           g_cond_wait_until(&worker->ended_cond, &worker->lock, deadline))
        ;
    ended = worker->ended;
    g_mutex_unlock(&worker->lock);
    pvperfWorkerUnref(worker);
    return ended;
}
