/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_backend.c: main() of pvperf-backend, one process per VM.
 *
 * Started by the daemon with a listening socket (pvperf_control.h); everything
 * else comes over that. Gives up all privilege before it accepts a connection,
 * opens nothing by name, and ends with its QEMU.
 */
#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "pvperf_isolate.h"
#include "pvperf_log.h"
#include "pvperf_poll.h"
#include "pvperf_sched.h"

#define PVPERF_RINGS_KIB_MAX (1ULL << 32) /* 4 TiB: as virtpvperfd.conf */

/* Large and alive for the whole process: not on the stack. */
static pvperfMessages messages;

static void
pvperfBackendUsage(FILE *to)
{
    fputs("Usage: pvperf-backend --control-fd N [--max-rings-kib N]\n"
          "       pvperf-backend --print-capabilities | --version | --help\n"
          "\n"
          "Serves one VM's paravirtual perf. Started by virtpvperfd.\n"
          "\n"
          "  --control-fd N         number of the listening SOCK_SEQPACKET socket\n"
          "  --max-rings-kib N      KiB of sample rings that the VM may have; 0: no limit\n"
          "  --print-capabilities   print what this backend can do, as JSON\n"
          "  --version              print the version\n"
          "  --help                 print this\n", to);
}


static void
pvperfBackendPrintCapabilities(void)
{
    printf("{\n"
           "  \"type\": \"pvperf-backend\",\n"
           "  \"version\": \"%s\",\n"
           "  \"abi\": \"%d.%d\",\n"
           "  \"control\": %d,\n"
           "  \"features\": [\"counting\", \"sampling\"]\n"
           "}\n",
           PVPERF_VERSION, PVPERF_VERSION_MAJOR, PVPERF_VERSION_MINOR,
           PVPERF_CONTROL_VERSION);
}


/* The fd's number, or -1 with a line logged. */
static int
pvperfBackendParseFd(const char *text)
{
    int type = 0;
    socklen_t len = sizeof(type);
    char *end;
    long fd;

    errno = 0;
    fd = strtol(text, &end, 10);
    if (errno || end == text || *end || fd < 3 || fd > 65535) {
        pvperfLog("--control-fd '%s': a number from 3 on is allowed", text);
        return -1;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_SEQPACKET) {
        pvperfLog("--control-fd '%s': no SOCK_SEQPACKET socket is open there", text);
        return -1;
    }
    return fd;
}


static bool
pvperfBackendParseKib(const char *text,
                      uint64_t *kib)
{
    char *end;

    errno = 0;
    *kib = strtoull(text, &end, 10);
    if (errno || text[0] < '0' || text[0] > '9' || *end || *kib > PVPERF_RINGS_KIB_MAX) {
        pvperfLog("--max-rings-kib '%s': a number from 0 to %llu is allowed", text, PVPERF_RINGS_KIB_MAX);
        return false;
    }
    return true;
}


int
main(int argc,
     char **argv)
{
    static const struct option options[] = {
        { "control-fd", required_argument, NULL, 'c' },
        { "max-rings-kib", required_argument, NULL, 'm' },
        { "print-capabilities", no_argument, NULL, 'p' },
        { "version", no_argument, NULL, 'V' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    const char *control = NULL;
    uint64_t rings_kib = 0;
    int listen_fd;
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'c':
            control = optarg;
            break;
        case 'm':
            if (!pvperfBackendParseKib(optarg, &rings_kib))
                return EXIT_FAILURE;
            break;
        case 'p':
            pvperfBackendPrintCapabilities();
            return EXIT_SUCCESS;
        case 'V':
            puts("pvperf-backend " PVPERF_VERSION);
            return EXIT_SUCCESS;
        case 'h':
            pvperfBackendUsage(stdout);
            return EXIT_SUCCESS;
        default:
            pvperfBackendUsage(stderr);
            return EXIT_FAILURE;
        }
    }
    if (!control || optind != argc) {
        pvperfBackendUsage(stderr);
        return EXIT_FAILURE;
    }
    listen_fd = pvperfBackendParseFd(control);
    if (listen_fd < 0)
        return EXIT_FAILURE;

    if (!pvperfIsolateLimits(rings_kib * 1024) ||
        !pvperfIsolateFds(listen_fd) ||
        !pvperfIsolateCapabilities() ||
        !pvperfIsolateMemory())
        return EXIT_FAILURE;

    pvperfSchedShortSlices();
    pvperfMessagesInit(&messages, listen_fd, rings_kib * 1024);
    return pvperfPollRun(&messages);
}
