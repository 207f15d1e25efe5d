/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_affinity.c: the rule as a table, and real threads.
 */
#include "../../../src/qemu/pvperf_affinity.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_util.h"

#define NVCPUS 4

/* Lists of CPUs as libvirt writes them. */
static const struct {
    const char *name;
    const char *emulator;
    const char *vcpus[NVCPUS];
    const char *cpus;
} chooseCases[] = {
    { "no vCPU yet", "0-3", { NULL }, "0-3" },
    { "nothing is pinned", "0-7", { "0-7", "0-7" }, "0-7" },
    { "emulatorpin alone", "0-1", { "0-7", "0-7" }, "0-1" },
    { "vCPUs pinned elsewhere", "0-1", { "2", "3", "4-5" }, "0-1" },
    { "vCPUs pinned, the emulator not", "0-7", { "2", "3" }, "0-1,4-7" },
    { "one vCPU pinned", "0-7", { "0-7", "3" }, "0-2,4-7" },
    { "two on one CPU", "0-3", { "1", "1" }, "0,2-3" },
    { "a pinned vCPU reaches beyond the emulator", "0-3", { "3-4" }, "0-2" },
    { "nothing is left", "0-1", { "0", "1" }, "0-1" },
    { "all on one CPU", "0", { "0", "0" }, "0" },
    { "many CPUs", "0,1100-1103", { "1101", "0" }, "1100,1102-1103" },
    { "many CPUs, all dedicated", "4094-4095", { "4094", "4095" }, "4094-4095" },
};

#define TEST_SIZE CPU_ALLOC_SIZE(4096)


static cpu_set_t *
testMask(const char *list)
{
    cpu_set_t *set = g_malloc0(TEST_SIZE);
    g_auto(GStrv) ranges = g_strsplit(list, ",", -1);
    char **range;

    for (range = ranges; *range; range++) {
        const char *dash = strchr(*range, '-');
        int cpu = atoi(*range);
        int last = dash ? atoi(dash + 1) : cpu;

        for (; cpu <= last; cpu++)
            CPU_SET_S(cpu, TEST_SIZE, set);
    }
    return set;
}


static void
testChoose(gconstpointer opaque)
{
    const typeof(chooseCases[0]) *c = opaque;
    g_autofree cpu_set_t *emulator = testMask(c->emulator);
    g_autofree cpu_set_t *wanted = testMask(c->cpus);
    g_autofree cpu_set_t *cpus = g_malloc0(TEST_SIZE);
    g_autoptr(GPtrArray) vcpus = g_ptr_array_new_with_free_func(g_free);
    size_t i;

    for (i = 0; i < NVCPUS && c->vcpus[i]; i++)
        g_ptr_array_add(vcpus, testMask(c->vcpus[i]));
    pvperfAffinityChoose(TEST_SIZE, emulator, (const cpu_set_t *const *)vcpus->pdata, vcpus->len, cpus);
    g_assert_true(CPU_EQUAL_S(TEST_SIZE, cpus, wanted));
}


static void
testPin(pid_t pid,
        int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    g_assert_cmpint(sched_setaffinity(pid, sizeof(set), &set), ==, 0);
}


static void
testFollow(void)
{
    g_autoptr(GError) error = NULL;
    cpu_set_t all, set;
    pid_t qemu, backend;
    int last = CPU_SETSIZE - 1;

    if (sched_getaffinity(0, sizeof(all), &all) < 0) {
        g_test_skip("more CPUs than this test has room for");
        return;
    }
    while (!CPU_ISSET(last, &all))
        last--;
    qemu = testSleeper();
    backend = testSleeper();
    testPin(qemu, last);
    g_assert_true(pvperfAffinityFollow("/proc", qemu, backend, &error));
    g_assert_no_error(error);
    g_assert_cmpint(sched_getaffinity(backend, sizeof(set), &set), ==, 0);
    g_assert_cmpint(CPU_COUNT(&set), ==, 1);
    g_assert_true(CPU_ISSET(last, &set));

    g_assert_cmpint(sched_setaffinity(qemu, sizeof(all), &all), ==, 0);
    g_assert_true(pvperfAffinityFollow("/proc", qemu, backend, &error));
    g_assert_cmpint(sched_getaffinity(backend, sizeof(set), &set), ==, 0);
    g_assert_true(CPU_EQUAL(&set, &all));

    kill(qemu, SIGKILL);
    waitpid(qemu, NULL, 0);
    g_assert_false(pvperfAffinityFollow("/proc", qemu, backend, &error));
    g_assert_nonnull(strstr(error->message, "cannot ask for the CPUs"));
    kill(backend, SIGKILL);
    waitpid(backend, NULL, 0);
}


int
main(int argc,
     char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(chooseCases); i++) {
        g_autofree char *path = g_strdup_printf("/affinity/choose/%s", chooseCases[i].name);

        g_test_add_data_func(path, &chooseCases[i], testChoose);
    }
    g_test_add_func("/affinity/follow", testFollow);
    return g_test_run();
}
