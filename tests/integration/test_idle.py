#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a VM costs that has the device and counts nothing: no wake-ups, little memory."""

import time

from harness import Guest, check, check_equal, main, pss_kib, step, wakeups

SECONDS = 5
# libvirtd asks each of its clients every 5 seconds whether it is still there.
ALLOWED = {"pvperf-backend": 0, "pvperf-ivshmem": 0, "virtpvperfd": 2}


def processes(host):
    (backend,) = host.backends()
    return {"pvperf-backend": backend, "pvperf-ivshmem": host.ivshmem.pid, "virtpvperfd": host.daemon.pid}


def check_quiet(host):
    time.sleep(2)
    pids = processes(host)
    before = {name: wakeups(pid) for name, pid in pids.items()}
    time.sleep(SECONDS)
    woken = {name: wakeups(pid) - before[name] for name, pid in pids.items()}
    print("     wake-ups in %d s: %s" % (SECONDS, woken), flush=True)
    check(all(woken[name] <= ALLOWED[name] for name in woken), "woken while nothing is counted: %s", woken)


@step
def before_anything_was_counted(host, guest):
    check_quiet(host)


@step
def after_counting(host, guest):
    check_equal(guest, ("vcpu-clock",), "work hop 2 50")
    check_quiet(host)


@step
def memory(host, guest):
    for name, pid in processes(host).items():
        pss, private = pss_kib(pid)
        print("     %s: PSS %d KiB, private %d KiB" % (name, pss, private), flush=True)
        if name == "pvperf-backend":
            check(pss <= 2048, "a backend's PSS is %d KiB, allowed are 2048", pss)


main(guest=lambda host: Guest(host, max_vcpus=2).up())
