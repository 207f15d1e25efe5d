/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_ivshmem.c: main() of pvperf-ivshmem, the keeper of the windows.
 *
 * QEMU's ivshmem-doorbell device connects to a server while a VM starts, and
 * a server that is missing or silent keeps the VM from starting. So this is a
 * process of its own that does nothing else: it answers at once, from itself
 * alone, and keeps each VM's memory and eventfds for the daemon that may come
 * later, go, and come again. C library only; one thread; nothing that blocks.
 *
 * docs/ivshmem.rst is its theory of operation.
 */
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pvperf_listen.h"
#include "pvperf_server.h"

typedef struct {
    char socket[PATH_MAX];
    char keeperSocket[PATH_MAX];
    char qemuRunDir[PATH_MAX];
    bool session;
} pvperfOptions;

static void
pvperfUsage(FILE *out)
{
    fputs("Usage: pvperf-ivshmem [OPTION]...\n"
          "Keep the paravirtual perf device of every VM of this host.\n"
          "\n"
          "  --socket PATH         where VMs connect\n"
          "                        (/run/libvirt/pvperf/ivshmem.sock)\n"
          "  --keeper-socket PATH  where the daemon connects\n"
          "                        (/run/libvirt/pvperf/keeper.sock)\n"
          "  --qemu-run-dir DIR    libvirt's status XML of running VMs\n"
          "                        (/run/libvirt/qemu)\n"
          "  --session             the user's own VMs: the same below\n"
          "                        $XDG_RUNTIME_DIR/libvirt\n"
          "  --version             print the version and exit\n"
          "  --help                print this help and exit\n"
          "\n"
          "Sockets passed by a service manager (LISTEN_FDS) named 'ivshmem' and\n"
          "'keeper' are used instead of the paths.\n", out);
}

static bool
pvperfOptionsPath(char *path,
                  const char *value,
                  const char *option)
{
    if (value[0] != '/' || strlen(value) >= PATH_MAX) {
        pvperfLog("%s: '%s' is not an absolute path", option, value);
        return false;
    }
    memcpy(path, value, strlen(value) + 1);
    return true;
}

/* Fills in what the command line has not said. */
static bool
pvperfOptionsDefaults(pvperfOptions *options)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    const char *base = "/run";

    if (options->session) {
        if (!runtime || runtime[0] != '/' || strlen(runtime) > PATH_MAX / 2) {
            pvperfLog("--session needs XDG_RUNTIME_DIR, an absolute path");
            return false;
        }
        base = runtime;
    }
    if (!options->socket[0])
        snprintf(options->socket, PATH_MAX, "%s/libvirt/pvperf/ivshmem.sock", base);
    if (!options->keeperSocket[0])
        snprintf(options->keeperSocket, PATH_MAX, "%s/libvirt/pvperf/keeper.sock", base);
    if (!options->qemuRunDir[0])
        snprintf(options->qemuRunDir, PATH_MAX, "%s/libvirt/qemu%s", base,
                 options->session ? "/run" : "");
    return true;
}

/* -1: go on; else the exit status. */
static int
pvperfOptionsParse(pvperfOptions *options,
                   int argc,
                   char **argv)
{
    static const struct option table[] = {
        { "socket", required_argument, NULL, 's' },
        { "keeper-socket", required_argument, NULL, 'k' },
        { "qemu-run-dir", required_argument, NULL, 'q' },
        { "session", no_argument, NULL, 'S' },
        { "version", no_argument, NULL, 'V' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    bool good = true;
    int c;

    while (good && (c = getopt_long(argc, argv, "", table, NULL)) != -1) {
        switch (c) {
        case 's':
            good = pvperfOptionsPath(options->socket, optarg, "--socket");
            break;
        case 'k':
            good = pvperfOptionsPath(options->keeperSocket, optarg, "--keeper-socket");
            break;
        case 'q':
            good = pvperfOptionsPath(options->qemuRunDir, optarg, "--qemu-run-dir");
            break;
        case 'S':
            options->session = true;
            break;
        case 'V':
            puts("pvperf-ivshmem " PVPERF_VERSION);
            return EXIT_SUCCESS;
        case 'h':
            pvperfUsage(stdout);
            return EXIT_SUCCESS;
        default:
            good = false;
        }
    }
    if (good && optind < argc) {
        pvperfLog("unknown argument '%s'", argv[optind]);
        good = false;
    }
    if (!good) {
        fputs("Try 'pvperf-ivshmem --help'.\n", stderr);
        return 2;
    }
    return pvperfOptionsDefaults(options) ? -1 : 2;
}

/* A VM of n vCPUs takes n + 4 fds; a host may have many. */
static void
pvperfRaiseLimits(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int
main(int argc,
     char **argv)
{
    static pvperfOptions options;
    static pvperfServer server;
    pvperfListener listeners[2];
    int rc = pvperfOptionsParse(&options, argc, argv);

    if (rc >= 0)
        return rc;
    /* VMs run as the user that the operator chose for each, with no group in
     * common; who may have a window that is served is decided by identity, not
     * by this mode. One's own session has VMs of one's own user only. */
    listeners[0] = (pvperfListener) {
        options.socket, SOCK_STREAM, options.session ? 0600 : 0666, "ivshmem", -1, -1,
    };
    listeners[1] = (pvperfListener) {
        options.keeperSocket, SOCK_SEQPACKET, 0600, "keeper", -1, -1,
    };

    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    umask(0022);
    pvperfRaiseLimits();

    rc = EXIT_FAILURE;
    pvperfServerBlockSignals();
    if (pvperfListenActivated(listeners, 2) &&
        (listeners[0].fd >= 0 || pvperfListenOpen(&listeners[0])) &&
        (listeners[1].fd >= 0 || pvperfListenOpen(&listeners[1]))) {
        if (!pvperfServerInit(&server, options.qemuRunDir, listeners[0].fd, listeners[1].fd))
            pvperfLog("cannot start: out of memory or file descriptors");
        else if (pvperfServerRun(&server) == 0)
            rc = EXIT_SUCCESS;
    }
    pvperfListenClose(&listeners[0]);
    pvperfListenClose(&listeners[1]);
    return rc;
}
