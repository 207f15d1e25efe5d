#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An ordinary user's VM: all of it works in qemu:///session, as far as the kernel gives the user perf's rights."""

import os

from harness import Guest, Skip, check, check_equal, main, stat, step, wait_for
from harness.session import SessionHost

CLOCK = "pvperf/vcpu-clock/"
VM = {}


def paranoid():
    with open("/proc/sys/kernel/perf_event_paranoid", encoding="ascii") as file:
        return int(file.read())


@step
def comes_up(host):
    """Element, device, start and state, on the session's bus and sockets."""
    session = SessionHost(host)
    session.start()
    guest = VM["guest"] = Guest(session, "mine", max_vcpus=2)
    guest.up()
    check(os.stat("/proc/%d" % guest.pid()).st_uid != 0, "QEMU runs as root")
    guest.wait_state("on" if paranoid() < 2 else "unavailable")
    check(host.virsh("list", "--all", "--name").out.strip() == "", "the system's libvirt has the user's VM")


@step
def without_rights(host):
    """The guest's user, the operator's list and check say that the host does not allow it, and what to do."""
    if paranoid() < 2:
        raise Skip("kernel.perf_event_paranoid is %d: users may count here" % paranoid())
    guest = VM["guest"]
    found = stat(guest, "%s,task-clock" % CLOCK, "work burn 50")
    check(isinstance(found[CLOCK].value, str), "a user without rights counted: %s", found)
    check("host" in guest.sysfs("last_refusal"), "last_refusal: %s", guest.sysfs("last_refusal"))
    result = guest.host.pvperf("check", guest.name, "vcpu-clock", check=False)
    check(result.status != 0 and "perf_event_paranoid" in result.out, "%s", result)
    guest.check_kernel()


@step
def with_rights(host):
    if paranoid() >= 2:
        raise Skip("kernel.perf_event_paranoid is %d: users may not count what their VMs do" % paranoid())
    check_equal(VM["guest"], ("vcpu-clock", "vcpu-switches"), "work hop 1 100")


@step
def keeper_killed_then_daemon(host):
    """A user's keeper takes back what is the user's own."""
    guest = VM["guest"]
    session = guest.host
    session.ivshmem.kill()
    session.start_ivshmem()
    wait_for(lambda: "handed back" in session.ivshmem.text(), "the VM to be handed back")
    session.daemon.kill()
    before = session.daemon.text().count("keeper.sock, 1 connections")
    session.start_daemon()
    wait_for(lambda: session.daemon.text().count("keeper.sock, 1 connections") > before, "the new daemon to have it")
    guest.wait_state("on" if paranoid() < 2 else "unavailable")


main()
