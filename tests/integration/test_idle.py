#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a VM costs that has the device and counts nothing: no wake-ups, little memory."""

import time

from harness import Guest, check, check_equal, main, pss_kib, step, wakeups

SECONDS = 5


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
    check(not any(woken.values()), "woken while nothing is counted: %s", woken)


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
            check(private <= 2048, "a backend's private memory is %d KiB, allowed are 2048", private)


main(guest=lambda host: Guest(host, max_vcpus=2).up())
