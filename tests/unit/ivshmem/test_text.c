/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_text.c: pvperf-ivshmem's pure parts, case by case.
 *
 * Command lines and status XML as data; every text also cut short at every
 * byte, where the sanitizers watch the bounds; the quota against a clock of
 * its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ivshmem/pvperf_quota.h"
#include "ivshmem/pvperf_vectors.h"

static int failures;

#define CHECK(what, got, expected) \
    do { \
        unsigned long got_ = (unsigned long)(got); \
        unsigned long expected_ = (unsigned long)(expected); \
        if (got_ != expected_) { \
            printf("%s: %s is %lu, expected %lu\n", what, #got, got_, expected_); \
            failures++; \
        } \
    } while (0)

/* Arguments are separated and ended by '|' here, by NUL in /proc/PID/cmdline. */
static const struct {
    const char *args;
    uint32_t ours;              /* our device only */
    uint32_t any;
    uint32_t smp;
} commands[] = {
    { "", 0, 0, 0 },
    { "qemu|", 0, 0, 0 },
    { "qemu|-device|", 0, 0, 0 },
    { "qemu|-device|{\"driver\":\"ivshmem-doorbell\",\"id\":\"ua-pvperf\",\"vectors\":4}|", 4, 4, 0 },
    { "qemu|-device|{\"vectors\" : 4 , \"id\":\"ua-pvperf\", \"driver\":\"ivshmem-doorbell\"}|", 4, 4, 0 },
    { "qemu|-device|{\"x\":{\"vectors\":[1,\"}\"]},\"driver\":\"ivshmem-doorbell\","
      "\"id\":\"ua-pvperf\",\"vectors\":3}|", 3, 3, 0 },
    { "qemu|-device|{\"driver\":\"ivshmem-doorbell\",\"id\":\"ua\\u002dpvperf\",\"vectors\":4}|", 0, 4, 0 },
    { "qemu|-device|{\"driver\":\"e1000\",\"id\":\"ua-pvperf\",\"vectors\":4}|", 0, 0, 0 },
    { "qemu|-device|{\"driver\":\"ivshmem-doorbell\",\"id\":\"ua-pvperf\",\"vectors\":\"4\"}|", 4, 4, 0 },
    { "qemu|-device|{\"driver\":\"ivshmem-doorbell\",\"id\":\"ua-pvperf\",\"vectors\":-4}|", 0, 0, 0 },
    { "qemu|-device|{\"driver\":\"ivshmem-doorbell\",\"id\":\"ua-pvperf\",\"vectors\":99999999999}|", 1024, 1024, 0 },
    { "qemu|-device|{\"driver\":\"ivshmem-doorbell\",\"id\":\"ua-pvperf\"}|", 1, 1, 0 },
    { "qemu|-device|ivshmem-doorbell,vectors=7,id=ua-pvperf|", 7, 7, 0 },
    { "qemu|--device|driver=ivshmem-doorbell,id=ua-pvperf,vectors=7|", 7, 7, 0 },
    { "qemu|-device|ivshmem-doorbell,id=a,,vectors=3,vectors=7|", 0, 7, 0 },
    { "qemu|-device|ivshmem-doorbell,id=a,vectors=3|-device|ivshmem-doorbell,id=b,vectors=5|", 0, 0, 0 },
    { "qemu|-device|ivshmem-doorbell,id=a,vectors=3|-device|ivshmem-doorbell,id=ua-pvperf,vectors=5|", 5, 5, 0 },
    { "qemu|-device|ivshmem-doorbell,id=ua-pvperf,vectors=7x|", 0, 0, 0 },
    { "qemu|-name|-device|ivshmem-plain,id=ua-pvperf|-smp|2|", 0, 0, 2 },
    { "qemu|-smp|2,maxcpus=4,sockets=4,cores=1,threads=1|", 0, 0, 4 },
    { "qemu|-smp|cpus=3,maxcpus=8|", 0, 0, 8 },
    { "qemu|-smp|maxcpus=4096|", 0, 0, 1024 },
    { "qemu|-smp|", 0, 0, 0 },
    { "qemu|-smp|many|", 0, 0, 0 },
};

#define SHMEM "<shmem name='pvperf' role='master'><model type='ivshmem-doorbell'/><msi vectors='6'/></shmem>"

static const struct {
    const char *xml;
    uint32_t pid;
    uint32_t vectors;
} statuses[] = {
    { "", 0, 0 },
    { "<domstatus state='running' pid='42'/>", 42, 0 },
    { "<?xml version='1.0'?>\n<!-- <domstatus pid='1'> -->\n<domstatus pid=\"42\">", 42, 0 },
    { "<domain><domstatus pid='1'/></domain>", 0, 0 },
    { "<domstatus state='a pid=' xpid='1' pid='42'>", 42, 0 },
    { "<domstatus pid='4x'>", 0, 0 },
    { "<domstatus pid='-4'>", 0, 0 },
    { "<domstatus pid='123456789012345678901234567890'>", 0, 0 },
    { "<domstatus pid='7'><domain><devices>" SHMEM "</devices></domain></domstatus>", 7, 6 },
    { "<domstatus pid='7'><domain><metadata><devices>" SHMEM "</devices></metadata>"
      "<devices/></domain></domstatus>", 7, 0 },
    { "<domstatus pid='7'><domain><metadata><![CDATA[<devices>]]></metadata>"
      "<devices><a b='>'/><shmem name='x'><msi vectors='1'/></shmem>" SHMEM "</devices></domain></domstatus>", 7, 6 },
    { "<domstatus pid='7'><x><domain><devices>" SHMEM "</devices></domain></x></domstatus>", 7, 0 },
    { "<domstatus pid='7'><domain><devices><shmem name='pvperf'/><msi vectors='3'/></devices></domain>"
      "</domstatus>", 7, 0 },
    { "<domstatus pid='7'><domain><devices><shmem name='pvperf'><msi vectors='9999'/></shmem>", 7, 1024 },
    { "<domstatus pid='7'><domain></domain><devices>" SHMEM "</devices></domstatus>", 7, 0 },
    { "</domstatus></domstatus><domstatus pid='7'>", 0, 0 },
};

/* A copy that ends where its memory ends, so that a sanitizer sees one byte more. */
static char *
copyOf(const char *text,
       size_t length)
{
    char *copy = malloc(length ? length : 1);

    if (!copy)
        abort();
    memcpy(copy, text, length);
    return copy;
}

static void
testCommands(void)
{
    size_t i;

    for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        size_t length = strlen(commands[i].args);
        size_t cut;
        size_t j;

        for (cut = 0; cut <= length; cut++) {
            char *args = copyOf(commands[i].args, cut);
            uint32_t ours;
            uint32_t any;
            uint32_t smp;

            for (j = 0; j < cut; j++) {
                if (args[j] == '|')
                    args[j] = '\0';
            }
            ours = pvperfVectorsFromArguments(args, cut, false);
            any = pvperfVectorsFromArguments(args, cut, true);
            smp = pvperfVectorsFromSmp(args, cut);
            free(args);
            if (cut < length)
                continue;
            CHECK(commands[i].args, ours, commands[i].ours);
            CHECK(commands[i].args, any, commands[i].any);
            CHECK(commands[i].args, smp, commands[i].smp);
        }
    }
}

static void
testStatuses(void)
{
    size_t i;

    for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        size_t length = strlen(statuses[i].xml);
        size_t cut;

        for (cut = 0; cut <= length; cut++) {
            char *xml = copyOf(statuses[i].xml, cut);
            uint32_t pid = pvperfPidFromStatus(xml, cut);
            uint32_t vectors = pvperfVectorsFromStatus(xml, cut);

            free(xml);
            if (cut < length)
                continue;
            CHECK(statuses[i].xml, pid, statuses[i].pid);
            CHECK(statuses[i].xml, vectors, statuses[i].vectors);
        }
    }
}

static unsigned int
takeMany(pvperfQuota *quota,
         uid_t uid,
         int64_t now,
         unsigned int n,
         unsigned int *warnings)
{
    unsigned int taken = 0;

    for (; n > 0; n--) {
        bool warn;

        taken += pvperfQuotaTake(quota, uid, now, &warn);
        *warnings += warn;
    }
    return taken;
}

static void
testQuota(void)
{
    static pvperfQuota quota;
    unsigned int warnings = 0;
    uid_t uid;

    CHECK("burst", takeMany(&quota, 1, 1000, 100, &warnings), PVPERF_QUOTA_BURST);
    CHECK("burst", warnings, 1);
    CHECK("other user", takeMany(&quota, 2, 1000, 5, &warnings), 5);
    CHECK("too early", takeMany(&quota, 1, 1099, 1, &warnings), 0);
    CHECK("rate", takeMany(&quota, 1, 2000, 100, &warnings), PVPERF_QUOTA_PER_SECOND);
    CHECK("windows", takeMany(&quota, 1, 100000, 100, &warnings),
          PVPERF_QUOTA_WINDOWS - PVPERF_QUOTA_BURST - PVPERF_QUOTA_PER_SECOND);
    CHECK("full", takeMany(&quota, 1, 200000, 1, &warnings), 0);
    pvperfQuotaGive(&quota, 1);
    CHECK("given back", takeMany(&quota, 1, 200000, 2, &warnings), 1);
    pvperfQuotaGive(&quota, 77);

    for (uid = 1000; uid < 1000 + PVPERF_QUOTA_USERS; uid++)
        takeMany(&quota, uid, 200000, 1, &warnings);
    warnings = 0;
    CHECK("table full", takeMany(&quota, 5000, 200000, 1, &warnings), 0);
    pvperfQuotaGive(&quota, 1000);
    CHECK("still its rate", takeMany(&quota, 5000, 200000, 1, &warnings), 0);
    CHECK("forgotten", takeMany(&quota, 5000, 300000, 1, &warnings), 1);
}

int
main(void)
{
    testCommands();
    testStatuses();
    testQuota();
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
