#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A VM starts, runs, reboots and ends whether or not our processes are well, and counts again when they are."""

import os
import signal
import time

from harness import Guest, bare, check, check_equal, main, step, wait_for

EVENTS = ("vcpu-clock", "vcpu-switches")
CLOCK = "pvperf/vcpu-clock/"


def background(guest, ms):
    """Start to count ms of work, and wait until it is counted."""
    guest.run("perf stat --no-scale -x, -o /tmp/stat -e %s -- work burn %d >/dev/null 2>&1 &" % (CLOCK, ms))
    wait_for(lambda: guest.stats()["open"], "perf in the guest to open its event")
    time.sleep(0.3)


def background_count(guest):
    guest.run("while pidof perf >/dev/null; do sleep 0.1; done", timeout=60)
    fields = guest.out("grep vcpu-clock /tmp/stat").split(",")
    return fields[0], float(fields[4] or 0)


@step
def daemon_killed_while_counting(host, guest):
    """The backend goes on; a new daemon adopts it; not a unit is lost."""
    before = guest.totals()
    background(guest, 3000)
    host.daemon.kill()
    time.sleep(0.5)
    host.start_daemon()
    value, percent = background_count(guest)
    after = guest.totals()
    delta = after["vcpu-clock"]["count"] - before.get("vcpu-clock", {"count": 0})["count"]
    check(value == str(delta) and percent > 50, "guest %s at %s %%, host %d", value, percent, delta)
    check(len(host.backends()) == 1, "backends: %s", host.backends())


@step
def opened_without_daemon(host, guest):
    """Nobody opens host events: perf in the guest fails or says 'not supported', soon; later it works."""
    host.daemon.kill()
    # The backend keeps what the step before closed, for a second.
    time.sleep(1.5)
    result = guest.run("perf stat -e %s -- work burn 50" % CLOCK, timeout=30, check=False)
    check(result.status != 0 or "<not" in result.out, "counted without a daemon: %s", result)
    host.start_daemon()
    guest.wait_state("on")
    check_equal(guest, EVENTS, "work burn 100")


@step
def daemon_stopped(host, guest):
    host.daemon.signal(signal.SIGSTOP)
    guest.destroy()
    guest.start()
    check(guest.run("perf stat -e task-clock -- true").status == 0, "the guest runs")
    guest.run("(sleep 0.2; reboot -f) >/dev/null 2>&1 &")
    guest.wait_ready()
    host.daemon.signal(signal.SIGCONT)
    guest.wait_driver()
    check_equal(guest, EVENTS, "work burn 100")


@step
def daemon_absent(host, guest):
    host.daemon.stop()
    guest.destroy()
    guest.start()
    check(guest.sysfs("state") != "up", "a host without daemon is up")
    host.virsh("reset", guest.name)
    guest.wait_ready()
    host.start_daemon()
    guest.wait_driver()
    check_equal(guest, EVENTS, "work burn 100")


@step
def backend_killed(host, guest):
    """What it counted since is lost and said to be; a new one serves."""
    background(guest, 3000)
    (pid,) = host.backends()
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: [other for other in host.backends() if other != pid], "another backend")
    value, percent = background_count(guest)
    print("     %s at %s %%" % (value, percent), flush=True)
    guest.wait_driver()
    check_equal(guest, EVENTS, "work burn 100")
    guest.check_kernel()


@step
def backend_stopped(host, guest):
    """The guest goes on, without the lost intervals, and does not make them up; with a daemon it is replaced."""
    (pid,) = host.backends()
    background(guest, 2000)
    host.daemon.signal(signal.SIGSTOP)
    os.kill(pid, signal.SIGSTOP)
    begin = time.monotonic()
    guest.run("work hop 5 20", timeout=30)
    took = time.monotonic() - begin
    time.sleep(1)
    host.daemon.signal(signal.SIGCONT)
    wait_for(lambda: [other for other in host.backends() if other != pid], "another backend")
    check(took < 10, "200 ms of work took %.1f s with a stopped backend", took)
    value, percent = background_count(guest)
    print("     %s at %s %%" % (value, percent), flush=True)
    wait_for(lambda: guest.run("perf stat -e %s -- true" % CLOCK, check=False).status == 0, "perf to work again")
    check_equal(guest, EVENTS, "work burn 100")
    guest.check_kernel()


@step
def libvirtd_restarted(host, guest):
    background(guest, 2500)
    host.libvirtd.stop()
    time.sleep(0.5)
    host.start_libvirtd()
    value, percent = background_count(guest)
    check(value.isdigit() and percent > 50, "%s at %s %%", value, percent)
    wait_for(lambda: host.pvperf("list", check=False).status == 0, "the daemon to answer")
    guest.wait_state("on")
    check_equal(guest, EVENTS, "work burn 100")
    other = Guest(host, "other")
    other.define()
    host.edit(other.name, bare())
    other.wait_device()
    host.virsh("undefine", other.name)


@step
def keeper_restarted(host, guest):
    """A running VM has what it needs; the next one finds the new keeper."""
    host.ivshmem.kill()
    check(guest.run("true").status == 0, "the guest runs")
    host.start_ivshmem()
    guest.destroy()
    guest.start()
    guest.wait_driver()
    check_equal(guest, EVENTS, "work burn 100")


main(guest=lambda host: Guest(host, max_vcpus=2).up())
