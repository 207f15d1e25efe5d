/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_share.c: a VM's share of the daemon's time, as a table, and over a minute.
 */
#include "../../../src/qemu/pvperf_share.h"

#include <glib.h>

#define MS 1000
#define SECOND (1000 * MS)

/* What each of them took, after a rest behind the one before and its pause. */
static const struct {
    const char *name;
    struct {
        uint64_t rest;
        uint64_t took;
        uint64_t pause;
    } served[4];
} shareCases[] = {
    { "nothing", { { 0, 0, 0 } } },
    { "a burst is let through", { { 0, 150 * MS, 0 }, { 0, 50 * MS, 0 } } },
    { "beyond the burst", { { 0, 200 * MS, 0 }, { 0, 1 * MS, 7 * MS }, { 0, 10 * MS, 70 * MS } } },
    { "after its pause it is served again", { { 0, 201 * MS, 8 * MS }, { 0, 1 * MS, 7 * MS }, { 0, 0, 0 } } },
    { "a longer rest is worth more requests", { { 0, 201 * MS, 8 * MS }, { 16 * MS, 1 * MS, 0 }, { 0, 1 * MS, 0 },
                                                { 0, 1 * MS, 5 * MS } } },
    { "after 1.6 s the whole burst is there again", { { 0, 200 * MS, 0 }, { 1400 * MS, 200 * MS, 0 },
                                                      { 0, 10 * MS, 70 * MS } } },
    { "a rest is worth one burst and no more", { { 60 * SECOND, 200 * MS, 0 }, { 0, 1 * MS, 7 * MS } } },
    { "no pause is longer than half a second", { { 0, 10 * SECOND, 500 * MS }, { 0, 1 * MS, 7 * MS } } },
};


static void
testTable(gconstpointer opaque)
{
    const typeof(shareCases[0]) *c = opaque;
    pvperfShare share = { 0 };
    uint64_t now = 1000 * (uint64_t)SECOND;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(c->served); i++) {
        now += c->served[i].rest + c->served[i].took;
        g_assert_cmpuint(pvperfShareCharge(&share, now, c->served[i].took), ==, c->served[i].pause);
        now += c->served[i].pause;
    }
}


/* One that always asks for more gets its share of any minute, whatever it asks
 * for, and pauses that end late are made up for. */
static void
testMinute(void)
{
    const uint64_t tooks[] = { 20, 50, 300, 2 * MS, 20 * MS };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(tooks); i++) {
        pvperfShare share = { 0 };
        uint64_t served = 0;
        uint64_t now = 0;

        while (now < 60 * (uint64_t)SECOND) {
            uint64_t pause;

            now += tooks[i];
            served += tooks[i];
            pause = pvperfShareCharge(&share, now, tooks[i]);
            now += (pause + MS - 1) / MS * MS;
        }
        g_assert_cmpuint(served, <=, now / PVPERF_SHARE_PART + PVPERF_SHARE_BURST_US + tooks[i]);
        g_assert_cmpuint(served, >=, now / PVPERF_SHARE_PART);
    }
}


int
main(int argc,
     char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(shareCases); i++) {
        g_autofree char *path = g_strdup_printf("/share/%s", shareCases[i].name);

        g_test_add_data_func(path, &shareCases[i], testTable);
    }
    g_test_add_func("/share/minute", testMinute);
    return g_test_run();
}
