#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A backend's sandbox from outside, while its guest counts and samples."""

import os
import pwd
import signal

from harness import Guest, Skip, bare, check, main, record, stat, step, wait_for
from harness.host import SOURCE

KINDS = ("socket:", "anon_inode:[eventpoll]", "anon_inode:[signalfd]", "anon_inode:[eventfd]",
         "anon_inode:[pidfd]", "pidfd:", "anon_inode:[perf_event]", "/memfd:")
SETS = ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd")


def status(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":", 1) for line in file)


def ids(pid, name="Uid"):
    return set(status(pid)[name].split())


def limit(pid, name):
    with open("/proc/%d/limits" % pid, encoding="ascii") as file:
        for line in file:
            if line.startswith(name):
                return int(line[len(name):].split()[0])
    return None


def fd_kinds(pid):
    """Of all but the standard ones."""
    directory = "/proc/%d/fd" % pid
    return [os.readlink(os.path.join(directory, fd)) for fd in os.listdir(directory) if int(fd) > 2]


def check_sandbox(host, guest, user="pvperf", seccomp="2"):
    pid = host.backends()[0]
    seen = status(pid)
    entry = pwd.getpwnam(user)
    check(ids(pid) == {str(entry.pw_uid)}, "it runs as %s", seen["Uid"])
    check(ids(pid, "Gid") == {str(entry.pw_gid)} and not seen["Groups"].split(), "groups %s, %s", seen["Gid"],
          seen["Groups"])
    check(all(int(seen[name], 16) == 0 for name in SETS), "capabilities: %s", [(name, seen[name]) for name in SETS])
    check(seen["NoNewPrivs"].strip() == "1" and seen["Seccomp"].strip() == seccomp, "NoNewPrivs %s, Seccomp %s",
          seen["NoNewPrivs"], seen["Seccomp"])
    check(not os.listdir("/proc/%d/root" % pid), "its root holds %s", os.listdir("/proc/%d/root" % pid))
    for namespace in ("mnt", "net", "ipc", "uts"):
        its = os.readlink("/proc/%d/ns/%s" % (pid, namespace))
        others = [os.readlink("/proc/%s/ns/%s" % (other, namespace)) for other in ("self", guest.pid())]
        check(its not in others, "it shares the namespace %s", its)
    strange = [kind for kind in fd_kinds(pid) if not kind.startswith(KINDS)]
    check(not strange, "it holds %s", strange)
    check(limit(pid, "Max processes") == 0 and limit(pid, "Max core file size") == 0, "it may fork or write cores")
    return pid


@step
def from_outside(host, guest):
    pid = check_sandbox(host, guest)
    space = limit(pid, "Max address space")
    check(space is not None and space < 256 << 20, "address space of %s", space)
    found = host.pvperf_json("capabilities")
    check(found["backend_user"] == "pvperf", "capabilities: %s", found.get("backend_user"))


@step
def counts_and_samples(host, guest):
    pid = host.backends()[0]
    found = stat(guest, "pvperf/vcpu-clock/,pvperf/vcpu-switches/", "work burn 300")
    check(found["pvperf/vcpu-clock/"].value > 0, "%s", found)
    taken = record(guest, "vcpu-clock", "work burn 500", "-F 1000")
    check(taken.records["SAMPLE"] > 100, "%s", taken.records)
    check(host.backends() == [pid], "another backend than %d: %s", pid, host.backends())
    check_sandbox(host, guest)


@step
def limits_raised_live(host, guest):
    """Whatever `tune` grants up to the host's ceilings, the backend's own limits were made for it."""
    pid = host.backends()[0]
    host.pvperf("tune", guest.name, "--max-events", "600", "--live")
    result = guest.run("e=; i=0; while [ $i -lt 300 ]; do e=\"$e -e pvperf/vcpu-clock/\"; i=$((i + 1)); done; "
                       "perf stat -a $e -- true 2>&1 | grep -c vcpu-clock")
    check(int(result.out.split()[-1]) == 300, "%s", result)
    check(guest.stats()["refusals"].get("resources", 0) == 0, "refusals: %s", guest.stats()["refusals"])
    check(guest.stats()["open_peak"] > 128, "at most %d were open", guest.stats()["open_peak"])
    check(host.backends() == [pid], "another backend: %s", host.backends())


@step
def two_backends_of_one_user(host, guest):
    """Both sample: the kernel's account of a user's locked memory is shared, the limit behind it is not."""
    other = Guest(host, name="other", max_vcpus=2).up(bare())
    try:
        pids = host.backends()
        check(len(pids) == 2 and ids(pids[0]) == ids(pids[1]), "backends %s", pids)
        for each in (guest, other):
            taken = record(each, "vcpu-clock", "work burn 300", "-a -F 500")
            check(taken.records["SAMPLE"] > 0, "%s: %s", each.name, taken.records)
    finally:
        other.destroy()
    wait_for(lambda: len(host.backends()) == 1, "the other backend to end")


@step
def a_call_that_is_not_on_the_list(host, guest):
    """It dies as by the kernel's hand, which the log says, and the next one serves."""
    pid = host.backends()[0]
    os.kill(pid, signal.SIGSYS)
    wait_for(lambda: host.backends() not in ([], [pid]), "the next backend")
    text = host.daemon.text()
    check("domain %s: its backend was killed by seccomp" % guest.name in text, "the log does not say so")
    guest.wait_state("on")
    check(stat(guest, "pvperf/vcpu-clock/", "work burn 100")["pvperf/vcpu-clock/"].value > 0, "it does not count")


@step
def as_configured(host, guest):
    host.configure('backend_user = "nobody"\nbackend_seccomp = "none"\n')
    host.reload()
    guest.restart_served("up")
    check_sandbox(host, guest, "nobody", "0")
    host.configure('backend_seccomp = "log"\n')
    host.reload()
    guest.restart_served("up")
    check_sandbox(host, guest)


@step
def nothing_said(host, guest):
    """No stage of the sandbox had to be left out."""
    lines = [line for line in host.daemon.text().splitlines() if "isolation:" in line]
    if any("CAP_SYS_ADMIN" in line for line in lines):
        raise Skip("no namespaces can be made here")
    check(not lines, "%s", lines)
    guest.check_kernel()


def unit_capabilities():
    """Those that virtpvperfd.service names, as far as there are any to be had here, for setpriv."""
    with open(os.path.join(SOURCE, "src", "qemu", "virtpvperfd.service.in"), encoding="utf-8") as file:
        lines = [line for line in file if line.startswith("CapabilityBoundingSet=")]
    names = " ".join(lines).lower().replace("capabilityboundingset=", "").replace("cap_", "+").split()
    return "--bounding-set=" + ",".join(["-all"] + names)


def start(host):
    """The daemon with no capability but its unit's: that they are enough is shown by all that works here."""
    host.daemon.argv = ["setpriv", unit_capabilities(), "--"] + host.daemon.argv
    host.start()


main(start, guest=lambda host: Guest(host, max_vcpus=2).up(bare()))
