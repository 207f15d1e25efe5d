/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_stats_file.c: totals outlive a backend, are another QEMU's or nobody's
 * when they are not this one's, and a file that a backend spoiled is told apart.
 */
#include "../../../src/qemu/pvperf_stats_file.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test_util.h"

static const pvperfProcessOwner qemu = { 4242, 99 };
static const pvperfProcessOwner other = { 4242, 100 };


static pvperfControlFile *
testMap(const char *dir,
        const pvperfProcessOwner *owner,
        int *fd)
{
    g_autoptr(GError) error = NULL;
    pvperfControlFile *file;

    *fd = pvperfStatsFileOpen(dir, "uuid", owner, &error);
    g_assert_no_error(error);
    file = mmap(NULL, sizeof(*file), PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    g_assert_true(file != MAP_FAILED);
    return file;
}


static void
testUnmap(pvperfControlFile *file,
          int fd)
{
    munmap(file, sizeof(*file));
    close(fd);
}


static void
testGoesOn(void)
{
    char *dir = testDirNew();
    pvperfControlStats stats;
    pvperfControlFile *file;
    int fd;

    g_assert_false(pvperfStatsFileRead(dir, "uuid", &qemu, &stats));
    file = testMap(dir, &qemu, &fd);
    g_assert_true(pvperfStatsFileRead(dir, "uuid", &qemu, &stats));
    g_assert_cmpuint(stats.totals[3].count, ==, 0);
    file->stats.totals[3].count = UINT64_MAX - 5;
    g_assert_true(pvperfStatsFileRead(dir, "uuid", &qemu, &stats));
    g_assert_cmpuint(stats.totals[3].count, ==, UINT64_MAX - 5);
    testUnmap(file, fd);

    file = testMap(dir, &qemu, &fd);
    g_assert_cmpuint(file->stats.totals[3].count, ==, UINT64_MAX - 5);
    testUnmap(file, fd);

    /* another QEMU begins with nothing, and nobody reads the one before */
    g_assert_false(pvperfStatsFileRead(dir, "uuid", &other, &stats));
    file = testMap(dir, &other, &fd);
    g_assert_cmpuint(file->stats.totals[3].count, ==, 0);
    testUnmap(file, fd);
    g_assert_false(pvperfStatsFileRead(dir, "uuid", &qemu, &stats));

    pvperfStatsFileRemove(dir, "uuid");
    g_assert_false(pvperfStatsFileRead(dir, "uuid", &other, &stats));
    testDirRemove(dir);
}


typedef struct _testSpoiled testSpoiled;
struct _testSpoiled {
    const char *name;
    void (*spoil)(pvperfControlFile *file,
                  int fd);
};


static void
testShorter(pvperfControlFile *file,
            int fd)
{
    g_assert_cmpint(ftruncate(fd, 100), ==, 0);
}


static void
testLonger(pvperfControlFile *file,
           int fd)
{
    g_assert_cmpint(ftruncate(fd, 1 << 20), ==, 0);
}


static void
testAnotherEvent(pvperfControlFile *file,
                 int fd)
{
    file->stats.last_refusals[PVPERF_REASON_MAX].event = 1 << 20;
}


static void
testAnotherVersion(pvperfControlFile *file,
                   int fd)
{
    file->version++;
}


static const testSpoiled spoileds[] = {
    { "shorter", testShorter },
    { "longer", testLonger },
    { "an event that there is not", testAnotherEvent },
    { "another version", testAnotherVersion },
};


static void
testSpoil(gconstpointer opaque)
{
    const testSpoiled *spoiled = opaque;
    char *dir = testDirNew();
    pvperfControlStats stats;
    pvperfControlFile *file;
    int fd;

    file = testMap(dir, &qemu, &fd);
    spoiled->spoil(file, fd);
    g_assert_false(pvperfStatsFileRead(dir, "uuid", &qemu, &stats));
    testUnmap(file, fd);

    file = testMap(dir, &qemu, &fd);
    g_assert_true(pvperfStatsFileRead(dir, "uuid", &qemu, &stats));
    testUnmap(file, fd);
    testDirRemove(dir);
}


static void
testNoDirectory(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(pvperfStatsFileOpen("/nonexistent", "uuid", &qemu, &error), ==, -1);
    g_assert_cmpstr(error->message, ==, "cannot make /nonexistent/uuid.stats: No such file or directory");
}


int
main(int argc,
     char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/stats-file/goes on", testGoesOn);
    g_test_add_func("/stats-file/no directory", testNoDirectory);
    for (i = 0; i < G_N_ELEMENTS(spoileds); i++) {
        g_autofree char *path = g_strdup_printf("/stats-file/spoiled/%s", spoileds[i].name);

        g_test_add_data_func(path, &spoileds[i], testSpoil);
    }
    return g_test_run();
}
