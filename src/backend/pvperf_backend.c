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
#include <string.h>
#include <sys/socket.h>

#include "pvperf_isolate.h"
#include "pvperf_log.h"
#include "pvperf_poll.h"
#include "pvperf_sched.h"

#define PVPERF_RINGS_KIB_MAX (1ULL << 32) /* 4 TiB: as virtpvperfd.conf */

typedef struct _pvperfBackendOptions pvperfBackendOptions;
struct _pvperfBackendOptions {
    int listen_fd;
    int net_fd;                 /* -1: a network namespace of its own */
    uid_t uid;                  /* PVPERF_KEEP_USER: as it was started */
    gid_t gid;
    uint64_t rings_kib;
    pvperfSeccompAction seccomp;
};

/* Large and alive for the whole process: not on the stack. */
static pvperfMessages messages;

static void
pvperfBackendUsage(FILE *to)
{
    fputs("Usage: pvperf-backend --control-fd N [OPTION...]\n"
          "       pvperf-backend --print-capabilities | --version | --help\n"
          "\n"
          "Serves one VM's paravirtual perf. Started by virtpvperfd.\n"
          "\n"
          "  --control-fd N         number of the listening SOCK_SEQPACKET socket\n"
          "  --max-rings-kib N      KiB of sample rings that the VM may have; 0: no limit\n"
          "  --netns-fd N           number of a network namespace to be in; otherwise a new one\n"
          "  --user UID:GID         numbers of the user and group to become\n"
          "  --seccomp action=X     of a system call that is not allowed: kill (default), log, none\n"
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
           "  \"features\": [\"counting\", \"sampling\", \"seccomp\", \"user\"]\n"
           "}\n",
           PVPERF_VERSION, PVPERF_VERSION_MAJOR, PVPERF_VERSION_MINOR,
           PVPERF_CONTROL_VERSION);
}


/* A number in all of text, up to max. */
static bool
pvperfBackendParseNumber(const char *text,
                         uint64_t max,
                         uint64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoull(text, &end, 10);
    return !errno && text[0] >= '0' && text[0] <= '9' && !*end && *number <= max;
}


/* The fd's number, or -1 with a line logged. */
static int
pvperfBackendParseFd(const char *option,
                     const char *text)
{
    uint64_t fd;

    if (pvperfBackendParseNumber(text, 65535, &fd) && fd >= 3)
        return fd;
    pvperfLog("%s '%s': a number from 3 to 65535 is allowed", option, text);
    return -1;
}


static bool
pvperfBackendParseKib(const char *text,
                      uint64_t *kib)
{
    if (pvperfBackendParseNumber(text, PVPERF_RINGS_KIB_MAX, kib))
        return true;
    pvperfLog("--max-rings-kib '%s': a number from 0 to %llu is allowed", text, PVPERF_RINGS_KIB_MAX);
    return false;
}


static bool
pvperfBackendParseUser(const char *text,
                       pvperfBackendOptions *options)
{
    char user[16];
    uint64_t uid;
    uint64_t gid;
    int colon;

    if (sscanf(text, "%15[0-9]:%n", user, &colon) == 1 && text[colon - 1] == ':' &&
        pvperfBackendParseNumber(user, UINT32_MAX - 1, &uid) &&
        pvperfBackendParseNumber(text + colon, UINT32_MAX - 1, &gid)) {
        options->uid = uid;
        options->gid = gid;
        return true;
    }
    pvperfLog("--user '%s': UID:GID, two numbers, is allowed", text);
    return false;
}


static bool
pvperfBackendParseSeccomp(const char *text,
                          pvperfSeccompAction *action)
{
    static const char *const words[] = {
        [PVPERF_SECCOMP_KILL] = "action=kill",
        [PVPERF_SECCOMP_LOG] = "action=log",
        [PVPERF_SECCOMP_NONE] = "action=none",
    };
    size_t i;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            *action = i;
            return true;
        }
    }
    pvperfLog("--seccomp '%s': action=kill, action=log and action=none are allowed", text);
    return false;
}


static bool
pvperfBackendIsControl(int fd)
{
    int type = 0;
    socklen_t len = sizeof(type);

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET)
        return true;
    pvperfLog("--control-fd '%d': no SOCK_SEQPACKET socket is open there", fd);
    return false;
}


/* -1: serve; else the exit status. */
static int
pvperfBackendParse(int argc,
                   char **argv,
                   pvperfBackendOptions *parsed)
{
    static const struct option options[] = {
        { "control-fd", required_argument, NULL, 'c' },
        { "max-rings-kib", required_argument, NULL, 'm' },
        { "netns-fd", required_argument, NULL, 'n' },
        { "user", required_argument, NULL, 'u' },
        { "seccomp", required_argument, NULL, 's' },
        { "print-capabilities", no_argument, NULL, 'p' },
        { "version", no_argument, NULL, 'V' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    bool ok = true;
    int c;

    while (ok && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'c':
            parsed->listen_fd = pvperfBackendParseFd("--control-fd", optarg);
            ok = parsed->listen_fd >= 0 && pvperfBackendIsControl(parsed->listen_fd);
            break;
        case 'm':
            ok = pvperfBackendParseKib(optarg, &parsed->rings_kib);
            break;
        case 'n':
            parsed->net_fd = pvperfBackendParseFd("--netns-fd", optarg);
            ok = parsed->net_fd >= 0;
            break;
        case 'u':
            ok = pvperfBackendParseUser(optarg, parsed);
            break;
        case 's':
            ok = pvperfBackendParseSeccomp(optarg, &parsed->seccomp);
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
    if (ok && (parsed->listen_fd < 0 || optind != argc)) {
        pvperfBackendUsage(stderr);
        ok = false;
    }
    return ok ? -1 : EXIT_FAILURE;
}


/* Nothing comes from outside yet. Privilege goes in the order in which the stages need it. */
static bool
pvperfBackendIsolate(const pvperfBackendOptions *options)
{
    return pvperfIsolateNamespaces(options->net_fd, options->uid == PVPERF_KEEP_USER) &&
           pvperfIsolateFds(options->listen_fd) &&
           pvperfIsolateLimits(options->rings_kib * 1024) &&
           pvperfIsolateUser(options->uid, options->gid) &&
           pvperfIsolateMemory();
}


int
main(int argc,
     char **argv)
{
    pvperfBackendOptions options = {
        .listen_fd = -1,
        .net_fd = -1,
        .uid = PVPERF_KEEP_USER,
        .seccomp = PVPERF_SECCOMP_KILL,
    };
    int status = pvperfBackendParse(argc, argv, &options);

    if (status >= 0)
        return status;
    if (!pvperfBackendIsolate(&options))
        return EXIT_FAILURE;

    pvperfSchedShortSlices();
    pvperfMessagesInit(&messages, options.listen_fd, options.rings_kib * 1024);
    if (!pvperfPollStart(&messages) || !pvperfIsolateSystemCalls(options.seccomp))
        return EXIT_FAILURE;
    return pvperfPollRun();
}
