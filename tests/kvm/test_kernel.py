#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What only a kernel with KVM shows: who serves doorbells and NMIs, and what a locked down or paranoid one lets us do.

The host's kernel is asked by its own tracepoints, counted by histograms in it.
"""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "integration"))

# pylint: disable=wrong-import-position
from harness import Guest, Overflows, Skip, bare, built, check, check_equal, main, run, step, wait_for  # noqa: E402
from harness.host import write  # noqa: E402

EVENTS = ("vcpu-clock", "vcpu-switches")
TRACING = "/sys/kernel/tracing"
LOCKDOWN = "/sys/kernel/security/lockdown"
PARANOID = "/proc/sys/kernel/perf_event_paranoid"
KVM_EXIT_MMIO = 6
KVM_SIGNAL_MSI = 0x4020aea5
NMI = 0x400                             # delivery mode in an MSI's data
WITHOUT_ADMIN = ["setpriv", "--bounding-set", "-sys_admin", "--"]


def read(path):
    with open(path, encoding="ascii") as file:
        return file.read().strip()


class Counted:
    """How often a tracepoint was passed since, by the name of the thread."""

    def __init__(self, event, condition=""):
        if not os.path.exists(TRACING + "/events"):
            run(["mount", "-t", "tracefs", "tracefs", TRACING])
        self.directory = os.path.join(TRACING, "events", event)
        self.trigger = "hist:keys=common_pid.execname" + (" if " + condition if condition else "")
        write(self.directory + "/trigger", self.trigger)

    def end(self):
        found = {}
        for name, count in re.findall(r"common_pid: (.*?) *\[.*hitcount: *([0-9]+)", read(self.directory + "/hist")):
            found[name] = found.get(name, 0) + int(count)
        write(self.directory + "/trigger", "!" + self.trigger)
        return found


def doorbell(guest):
    """Where the guest rings: the register of BAR 0, as an address of its memory."""
    path = guest.out("grep -l 0x1110 /sys/bus/pci/devices/*/device")
    return int(guest.out("head -n 1 %s/resource" % os.path.dirname(path)).split()[0], 16) + 12


@step
def doorbells_stay_in_the_kernel(host, guest):
    """Each is a write that KVM turns into a wake-up of the backend: QEMU does not see it."""
    rung = Counted("kvm/kvm_mmio", "gpa == %#x" % doorbell(guest))
    exits = Counted("kvm/kvm_userspace_exit", "reason == %d" % KVM_EXIT_MMIO)
    check_equal(guest, EVENTS, "work switch 100")
    # Between two intervals the backend goes to sleep, and has to be rung for.
    guest.run("perf stat -a -I 10 -o /dev/null -e pvperf/vcpu-clock/ -- sleep 5")
    rung, exits = sum(rung.end().values()), sum(exits.end().values())
    print("     %d doorbells, %d exits of vCPUs to QEMU for memory" % (rung, exits), flush=True)
    check(rung >= 100, "only %d doorbells", rung)
    check(exits == 0, "%d doorbells, %d exits to QEMU for memory", rung, exits)


@step
def nmis_stay_in_the_kernel(host, guest):
    """Each is a write of the backend, within which KVM sends it: QEMU neither sends one nor wakes up."""
    # The guest says nothing meanwhile: its console and agent are QEMU's work.
    before = guest.stats()["sampling"]["nmis"]
    guest.run("(sleep 1; exec perf record -o /dev/null -c 1000000 -e pvperf/vcpu-clock/ -- work burn 4000) "
              ">/dev/null 2>&1 &")
    sent = Counted("kvm/kvm_msi_set_irq", "data & %#x" % NMI)
    asked = Counted("syscalls/sys_enter_ioctl", "cmd == %#x" % KVM_SIGNAL_MSI)
    calls = Counted("raw_syscalls/sys_enter")
    nmis = wait_for(lambda: max(0, guest.stats()["sampling"]["nmis"] - before - 100), "100 NMIs") + 100
    sent, asked, calls = sent.end(), asked.end(), calls.end().get("qemu-system-x86", 0)
    print("     %d NMIs, sent by %s; QEMU's main thread made %d calls" % (nmis, sent, calls), flush=True)
    check(set(sent) == {"pvperf-backend"} and sent["pvperf-backend"] >= nmis, "%d NMIs, sent by %s", nmis, sent)
    check(not asked, "MSIs by an ioctl: %s", asked)
    check(calls < nmis, "%d NMIs, and %d system calls of QEMU's main thread", nmis, calls)
    guest.run("while pidof perf >/dev/null; do sleep 0.1; done")


@step
def cgroup_unit_test(host, guest):
    """What is made of version 2's control groups, tested on this kernel's."""
    result = run([built("tests", "unit", "qemu", "test_qemu_cgroup"), "-p", "/cgroup/kernel/v2"])
    if "SKIP" in result.out:
        raise Skip("no control groups of version 2 here")


def restart_daemon(host, prefix=()):
    """The daemon anew; what it says of the kernel's level, and of the class vcpu."""
    host.daemon.stop()
    argv = host.daemon.argv
    host.daemon.argv = [*prefix, *argv]
    host.start_daemon()
    host.daemon.argv = argv
    found = host.pvperf_json("capabilities")
    return found["perf_event_paranoid"], next(one for one in found["classes"] if one["name"] == "vcpu")


def whole_host():
    if os.environ.get("PVPERF_WHOLE_HOST") != "yes":
        raise Skip("it changes the kernel's settings, which are not this test's alone")


@step
def paranoid(host, guest):
    """Debian's level 3 asks for CAP_SYS_ADMIN: with it all works, without it the daemon says so."""
    whole_host()
    before = read(PARANOID)
    write(PARANOID, "3")
    level, vcpu = restart_daemon(host)
    check(level == 3 and vcpu["available"], "%s: %s", level, vcpu)
    guest.wait_state("on")
    check_equal(guest, EVENTS, "work hop 1 100")
    _, vcpu = restart_daemon(host, WITHOUT_ADMIN)
    check(not vcpu["available"] and "kernel.perf_event_paranoid is 3" in vcpu["reason"], "%s", vcpu)
    write(PARANOID, "2")
    _, vcpu = restart_daemon(host, WITHOUT_ADMIN)
    check(vcpu["available"], "with CAP_PERFMON at level 2: %s", vcpu)
    write(PARANOID, before)
    restart_daemon(host)
    guest.wait_state("on")


@step
def locked_down(host, guest):
    """A locked down kernel (Secure Boot) refuses nothing that we do. It stays locked for the cases that follow."""
    whole_host()
    if not os.path.exists(LOCKDOWN):
        run(["mount", "-t", "securityfs", "securityfs", os.path.dirname(LOCKDOWN)])
    check("[none]" in read(LOCKDOWN), "%s", read(LOCKDOWN))
    for level in ("integrity", "confidentiality"):
        write(LOCKDOWN, level)
        check("[%s]" % level in read(LOCKDOWN), "%s", read(LOCKDOWN))
        _, vcpu = restart_daemon(host)
        check(vcpu["available"], "%s: %s", level, vcpu)
        guest.wait_state("on")
        check_equal(guest, EVENTS, "work hop 1 100")
        overflows = Overflows(guest)
        guest.run("perf record -o /dev/null -c 1000000 -e pvperf/vcpu-clock/ -- work burn 200 2>&1")
        check(overflows.check()["written"] > 20, "%s: %s", level, overflows.since())


main(guest=lambda host: Guest(host, max_vcpus=2).up(bare()))
