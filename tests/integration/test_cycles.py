#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real VM starts, stops, reboots, loses its device and its driver again and again: nothing of it stays.

The thousand are tests/unit/qemu/test_cycles.c and tests/unit/ivshmem, on fakes;
these are the same with stock libvirt, QEMU and a kernel.
"""

import os

from harness import Guest, bare, check_equal, find, main, step, wait_for

EVENTS = ("vcpu-clock", "vcpu-switches")
STARTS, RESETS, RELOADS = 6, 6, 20
BUSY = "perf stat -a -e pvperf/vcpu-clock/ -- sleep 1000 >/dev/null 2>&1 &"
DIRECTORIES = ("/run/libvirt/pvperf", "/var/lib/libvirt/pvperf")


def links(pid):
    """Kinds of open files of a process, without numbers."""
    kinds = {}
    for name in os.listdir("/proc/%d/fd" % pid):
        try:
            target = os.readlink("/proc/%d/fd/%s" % (pid, name)).split(":[")[0]
        except FileNotFoundError:
            continue
        kinds[target] = kinds.get(target, 0) + 1
    return kinds


def files():
    return sorted(os.path.join(where, name) for top in DIRECTORIES
                  for where, _, names in os.walk(top) for name in names)


def groups():
    """Control groups that the private host's libvirt has for VMs."""
    found = []
    for top, _, _ in os.walk("/sys/fs/cgroup"):
        if "pvperf-private" in top and top.endswith("/pvperf"):
            found.append(top)
    return found


def holds(host):
    """All that our processes hold for VMs."""
    return {
        "fds of virtpvperfd": links(host.daemon.pid),
        "fds of pvperf-ivshmem": links(host.ivshmem.pid),
        "backends": find("pvperf-backend"),
        "files": files(),
        "groups": groups(),
    }


def same(host, before, what):
    def differs():
        now = holds(host)
        return [(key, before[key], now[key]) for key in before if before[key] != now[key]]
    wait_for(lambda: not differs(), "nothing to be left of %s: %s" % (what, differs()))


@step
def started_and_destroyed(host, guest):
    guest.destroy()
    wait_for(lambda: not host.backends(), "the backend to end")
    before = holds(host)
    for _ in range(STARTS):
        guest.start()
        guest.wait_driver()
        guest.run(BUSY)
        guest.destroy()
    same(host, before, "%d starts" % STARTS)
    guest.start()
    guest.wait_driver()


@step
def reset_and_rebooted(host, guest):
    check_equal(guest, EVENTS, "work burn 50")
    before = holds(host)
    for number in range(RESETS):
        guest.run(BUSY)
        if number % 2:
            guest.run("(sleep 0.2; reboot -f) >/dev/null 2>&1 &")
        else:
            host.virsh("reset", guest.name)
        guest.wait_ready()
        guest.wait_driver()
    guest.wait_closed()
    check_equal(guest, EVENTS, "work burn 50")
    same(host, before, "%d resets" % RESETS)


@step
def driver_reloaded(host, guest):
    check_equal(guest, EVENTS, "work burn 50")
    before = holds(host)
    for _ in range(RELOADS):
        guest.run("perf stat -a -e pvperf/vcpu-clock/ -- sleep 0.1 >/dev/null 2>&1; "
                  "rmmod pvperf && insmod /lib/pvperf.ko")
        guest.wait_driver()
    guest.wait_closed()
    check_equal(guest, EVENTS, "work burn 50")
    same(host, before, "%d drivers" % RELOADS)
    guest.check_kernel()


main(guest=lambda host: Guest(host, max_vcpus=2).up(bare()))
