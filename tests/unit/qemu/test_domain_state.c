/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_domain_state.c: the lifecycle cell by cell, and the state that people
 * see, each situation a line.
 */
#include "../../../src/qemu/pvperf_domain_state.h"

#include <string.h>

#define N PVPERF_BACKEND_NONE
#define U PVPERF_BACKEND_UP
#define B PVPERF_BACKEND_BACKOFF
#define E PVPERF_BACKEND_ENDING
#define R PVPERF_BACKEND_RENEW

static const struct {
    pvperfBackendState state;
    pvperfBackendEvent event;
    pvperfBackendAction action;
    pvperfBackendState next;
} cells[] = {
    { N, PVPERF_EVENT_WANTED, PVPERF_ACTION_START, U },
    { N, PVPERF_EVENT_UNWANTED, PVPERF_ACTION_NONE, N },
    { N, PVPERF_EVENT_DIED, PVPERF_ACTION_NONE, N },
    { N, PVPERF_EVENT_TIMER, PVPERF_ACTION_NONE, N },
    { N, PVPERF_EVENT_RESET, PVPERF_ACTION_NONE, N },
    { U, PVPERF_EVENT_WANTED, PVPERF_ACTION_NONE, U },
    { U, PVPERF_EVENT_UNWANTED, PVPERF_ACTION_STOP, E },
    { U, PVPERF_EVENT_DIED, PVPERF_ACTION_ARM, B },
    { U, PVPERF_EVENT_TIMER, PVPERF_ACTION_NONE, U },
    { U, PVPERF_EVENT_RESET, PVPERF_ACTION_SESSION, U },
    { B, PVPERF_EVENT_WANTED, PVPERF_ACTION_NONE, B },
    { B, PVPERF_EVENT_UNWANTED, PVPERF_ACTION_DISARM, N },
    { B, PVPERF_EVENT_DIED, PVPERF_ACTION_NONE, B },
    { B, PVPERF_EVENT_TIMER, PVPERF_ACTION_START, U },
    { B, PVPERF_EVENT_RESET, PVPERF_ACTION_NONE, B },
    { E, PVPERF_EVENT_WANTED, PVPERF_ACTION_NONE, R },
    { E, PVPERF_EVENT_UNWANTED, PVPERF_ACTION_NONE, E },
    { E, PVPERF_EVENT_DIED, PVPERF_ACTION_NONE, N },
    { E, PVPERF_EVENT_TIMER, PVPERF_ACTION_NONE, E },
    { E, PVPERF_EVENT_RESET, PVPERF_ACTION_NONE, E },
    { R, PVPERF_EVENT_WANTED, PVPERF_ACTION_NONE, R },
    { R, PVPERF_EVENT_UNWANTED, PVPERF_ACTION_NONE, E },
    { R, PVPERF_EVENT_DIED, PVPERF_ACTION_START, U },
    { R, PVPERF_EVENT_TIMER, PVPERF_ACTION_NONE, R },
    { R, PVPERF_EVENT_RESET, PVPERF_ACTION_NONE, R },
};


static void
testCells(void)
{
    size_t i;

    g_assert_cmpuint(G_N_ELEMENTS(cells), ==, PVPERF_NR_BACKEND_STATES * PVPERF_NR_BACKEND_EVENTS);
    for (i = 0; i < G_N_ELEMENTS(cells); i++) {
        const pvperfLifecycleCell *cell = pvperfLifecycle(cells[i].state, cells[i].event);

        g_test_message("%s, event %d", pvperfBackendStateName(cells[i].state), cells[i].event);
        g_assert_cmpint(cell->action, ==, cells[i].action);
        g_assert_cmpint(cell->next, ==, cells[i].next);
    }
}


/* Whatever happens, a backend is started only where none is: never two. */
static void
testNeverTwo(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    pvperfBackendState state = PVPERF_BACKEND_NONE;
    bool alive = false;
    int i;

    for (i = 0; i < 100000; i++) {
        pvperfBackendEvent event = g_rand_int_range(rand, 0, PVPERF_NR_BACKEND_EVENTS);
        const pvperfLifecycleCell *cell;

        if (event == PVPERF_EVENT_DIED) {
            if (!alive)
                continue;
            alive = false;
        }
        cell = pvperfLifecycle(state, event);
        if (cell->action == PVPERF_ACTION_START) {
            g_assert_false(alive);
            alive = true;
        }
        if (cell->action == PVPERF_ACTION_STOP || cell->action == PVPERF_ACTION_SESSION)
            g_assert_true(alive);
        state = cell->next;
        g_assert_cmpint(alive, ==, state == PVPERF_BACKEND_UP || state == PVPERF_BACKEND_ENDING ||
                        state == PVPERF_BACKEND_RENEW);
    }
}


static void
testBackoff(void)
{
    g_assert_cmpuint(pvperfBackendBackoff(1), ==, 0);
    g_assert_cmpuint(pvperfBackendBackoff(2), ==, 250);
    g_assert_cmpuint(pvperfBackendBackoff(3), ==, 500);
    g_assert_cmpuint(pvperfBackendBackoff(9), ==, 30000);
    g_assert_cmpuint(pvperfBackendBackoff(10), ==, 30000);
    g_assert_cmpuint(pvperfBackendBackoff(4000000000U), ==, 30000);
}


/* ---- what people see ---- */

/* A running domain that is served; each case overrides some of it. */
#pragma GCC diagnostic ignored "-Woverride-init"
#define SERVED .active = true, .running = true, .persistent = true, .live_element = true, \
    .live_devices = 1, .config_devices = 1, .keeper = true, .peer = true, \
    .backend = PVPERF_BACKEND_UP, .ready = true, .countable = true
#define SHUT_OFF .persistent = true, .keeper = true, .config_devices = 1

static const struct {
    const char *name;
    pvperfDomainFacts facts;
    pvperfDomainState state;
    const char *reason;         /* its beginning; NULL: the caller's */
} views[] = {
    { "served", { SERVED }, PVPERF_DOMAIN_ON, "" },
    { "off", { SERVED, .off = true }, PVPERF_DOMAIN_OFF, "" },
    { "invalid", { SERVED, .invalid = true }, PVPERF_DOMAIN_INVALID, NULL },
    { "backend not ready", { SERVED, .ready = false }, PVPERF_DOMAIN_UNAVAILABLE,
      "its backend is being started" },
    { "backend died", { SERVED, .ready = false, .backend = PVPERF_BACKEND_BACKOFF },
      PVPERF_DOMAIN_UNAVAILABLE, NULL },
    { "backend ends", { SERVED, .ready = false, .backend = PVPERF_BACKEND_ENDING },
      PVPERF_DOMAIN_UNAVAILABLE, "its backend is being replaced" },
    { "backend renewed", { SERVED, .ready = false, .backend = PVPERF_BACKEND_RENEW },
      PVPERF_DOMAIN_UNAVAILABLE, "its backend is being replaced" },
    { "no backend yet", { SERVED, .ready = false, .backend = PVPERF_BACKEND_NONE },
      PVPERF_DOMAIN_UNAVAILABLE, "its backend is being started" },
    { "started paused", { SERVED, .running = false, .ready = false, .backend = PVPERF_BACKEND_NONE },
      PVPERF_DOMAIN_ON, "the domain is paused" },
    { "more vCPUs than vectors", { SERVED, .short_device = true }, PVPERF_DOMAIN_ON,
      "the device has fewer vectors" },
    { "host without rights", { SERVED, .countable = false }, PVPERF_DOMAIN_UNAVAILABLE,
      "the host can count nothing" },
    { "keeper lost", { SERVED, .keeper = false }, PVPERF_DOMAIN_ON, "" },
    { "no connection", { SERVED, .peer = false, .backend = PVPERF_BACKEND_NONE, .ready = false },
      PVPERF_DOMAIN_UNAVAILABLE, "pvperf-ivshmem does not know QEMU's connection" },
    { "no connection yet", { SERVED, .running = false, .peer = false, .backend = PVPERF_BACKEND_NONE },
      PVPERF_DOMAIN_UNAVAILABLE, "QEMU has not connected" },
    { "no connection, no keeper",
      { SERVED, .peer = false, .keeper = false, .backend = PVPERF_BACKEND_NONE, .ready = false },
      PVPERF_DOMAIN_UNAVAILABLE, "pvperf-ivshmem is not running" },
    { "given while it runs", { SERVED, .live_devices = 0, .peer = false, .backend = PVPERF_BACKEND_NONE },
      PVPERF_DOMAIN_PENDING_RESTART, "shut the domain down and start it again" },
    { "being given while it runs",
      { SERVED, .live_devices = 0, .config_devices = 0, .verdict = PVPERF_DEVICE_GIVE },
      PVPERF_DOMAIN_PENDING_RESTART, "the device is being added" },
    { "element only persistent", { SERVED, .live_element = false },
      PVPERF_DOMAIN_PENDING_RESTART, "only the persistent XML has the element" },
    { "transient without device",
      { SERVED, .persistent = false, .live_devices = 0, .config_devices = 0,
        .verdict = PVPERF_DEVICE_TRANSIENT },
      PVPERF_DOMAIN_UNMANAGED, "the domain is transient" },
    { "two devices", { SERVED, .live_devices = 2 }, PVPERF_DOMAIN_INVALID, "the XML has more than one" },
    { "two devices persistent", { SERVED, .config_devices = 2 }, PVPERF_DOMAIN_INVALID,
      "the XML has more than one" },
    { "shut off", { SHUT_OFF }, PVPERF_DOMAIN_ON, "" },
    { "shut off, off", { SHUT_OFF, .off = true }, PVPERF_DOMAIN_OFF, "" },
    { "shut off, invalid", { SHUT_OFF, .invalid = true }, PVPERF_DOMAIN_INVALID, NULL },
    { "shut off, no keeper", { SHUT_OFF, .keeper = false }, PVPERF_DOMAIN_UNAVAILABLE,
      "pvperf-ivshmem is not running: a domain with the device does not start" },
    { "shut off, being given", { SHUT_OFF, .config_devices = 0, .verdict = PVPERF_DEVICE_GIVE },
      PVPERF_DOMAIN_ON, "the device is being added" },
    { "shut off, waits", { SHUT_OFF, .config_devices = 0, .keeper = false,
      .verdict = PVPERF_DEVICE_WAIT_KEEPER }, PVPERF_DOMAIN_UNAVAILABLE, "pvperf-ivshmem is not running" },
    { "shut off, managed='no'", { SHUT_OFF, .config_devices = 0, .verdict = PVPERF_DEVICE_NOT_MANAGED },
      PVPERF_DOMAIN_UNMANAGED, "managed='no'" },
    { "shut off, manual", { SHUT_OFF, .config_devices = 0, .verdict = PVPERF_DEVICE_MANUAL },
      PVPERF_DOMAIN_UNMANAGED, "the daemon runs with --manage-devices=manual" },
    { "shut off, taken out", { SHUT_OFF, .config_devices = 0, .verdict = PVPERF_DEVICE_WAS_REMOVED },
      PVPERF_DOMAIN_UNMANAGED, "the device was taken out" },
    { "shut off, failed", { SHUT_OFF, .config_devices = 0, .verdict = PVPERF_DEVICE_ATTEMPTED },
      PVPERF_DOMAIN_UNMANAGED, "adding the device to this XML failed" },
};


static void
testView(gconstpointer opaque)
{
    const typeof(views[0]) *view = opaque;
    const char *reason = "unset";
    pvperfDomainState state = pvperfDomainStateDecide(&view->facts, &reason);

    g_assert_cmpint(state, ==, view->state);
    if (!view->reason)
        g_assert_null(reason);
    else if (!*view->reason)
        g_assert_cmpstr(reason, ==, "");
    else
        g_assert_true(g_str_has_prefix(reason, view->reason));
}


int
main(int argc,
     char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lifecycle/cells", testCells);
    g_test_add_func("/lifecycle/never two", testNeverTwo);
    g_test_add_func("/lifecycle/back-off", testBackoff);
    for (i = 0; i < G_N_ELEMENTS(views); i++) {
        g_autofree char *path = g_strconcat("/view/", views[i].name, NULL);

        g_test_add_data_func(path, &views[i], testView);
    }
    return g_test_run();
}
