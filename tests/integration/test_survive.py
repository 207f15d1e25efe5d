#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The keeper, the daemon, libvirtd, space or memory go: the guest's perf stays, and totals never go back."""

import errno
import glob
import itertools
import os
import random
import resource
import signal
import time

from harness import Guest, Load, LOADS, Skip, Totals, Whole, bare, check, check_equal, main, run, step, wait_for

EVENTS = ("vcpu-clock", "vcpu-switches")
SEED = int(os.environ.get("PVPERF_SEED", "0")) or random.randrange(1, 1 << 31)


def restart_keeper(host):
    """Kill it; the new one is ready when it has what the daemon had of the old one."""
    before = host.ivshmem.text().count("handed back")
    host.ivshmem.kill()
    host.start_ivshmem()
    wait_for(lambda: host.ivshmem.text().count("handed back") > before, "the VM to be handed back", timeout=10)


def restart_daemon(host):
    host.daemon.kill()
    host.start_daemon()


def another_backend(host, pid):
    wait_for(lambda: [other for other in host.backends() if other != pid], "another backend", timeout=40)


def check_after(host, guest, totals, backends):
    """The same backends, and guest and host count the same."""
    check(host.backends() == backends, "backends: %s, and before %s", host.backends(), backends)
    check_equal(guest, EVENTS, "work burn 100")
    totals.look()
    guest.wait_closed()
    guest.check_kernel()


@step
def keeper_killed_then_daemon(host, guest):
    """Again and again: each has it from the other."""
    totals = Totals(guest)
    backends = host.backends()
    whole = Whole(guest)
    for _ in range(3):
        restart_keeper(host)
        totals.look()
        restart_daemon(host)
        totals.look_soon()
    guest.wait_state("on")
    check(host.backends() == backends, "backends: %s, and before %s", host.backends(), backends)
    # What went through all of these hands is enough for another backend, too.
    os.kill(backends[0], signal.SIGKILL)
    another_backend(host, backends[0])
    time.sleep(2)
    whole.end(25)
    check_after(host, guest, totals, host.backends())


@step
def keeper_killed_under_load(host, guest):
    totals = Totals(guest)
    backends = host.backends()
    whole = Whole(guest)
    for name in (list(LOADS) * 2)[:10]:
        load = Load(guest, name)
        restart_keeper(host)
        totals.look()
        load.end()
    restart_daemon(host)
    totals.look_soon()
    whole.end(50)
    check_after(host, guest, totals, backends)


@step
def daemon_killed_under_load(host, guest):
    """At three moments of each load: the backend goes on, guest and host count the same."""
    dice = random.Random(SEED)
    print("     PVPERF_SEED=%d" % SEED, flush=True)
    totals = Totals(guest)
    backends = host.backends()
    whole = Whole(guest)
    for name in LOADS:
        load = Load(guest, name)
        for _ in range(3):
            time.sleep(dice.random())
            totals.look_soon()
            restart_daemon(host)
            totals.look_soon()
        load.end()
    whole.end(50)
    guest.wait_state("on")
    check_after(host, guest, totals, backends)


@step
def libvirtd_restarted_under_load(host, guest):
    totals = Totals(guest)
    backends = host.backends()
    whole = Whole(guest)
    load = Load(guest, "switches")
    for end in (host.libvirtd.stop, host.libvirtd.kill):
        end()
        totals.look()
        host.start_libvirtd()
        totals.look_soon()
    load.end()
    whole.end(50)
    guest.wait_state("on")
    check_after(host, guest, totals, backends)


@step
def backend_without_memory(host, guest):
    """It gets no more, and lives with that or is replaced: the guest goes on."""
    totals = Totals(guest)
    (pid,) = host.backends()
    with open("/proc/%d/statm" % pid, encoding="ascii") as statm:
        size = int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    try:
        resource.prlimit(pid, resource.RLIMIT_AS, (size, size))
    except PermissionError as error:
        raise Skip("root without CAP_SYS_RESOURCE may not limit a sandboxed backend: %s" % error) from error
    for name in LOADS:
        load = Load(guest, name)
        time.sleep(1)
        totals.look()
        load.end()
    if pid in host.backends():
        print("     it lives without", flush=True)
        os.kill(pid, signal.SIGKILL)
    another_backend(host, pid)
    guest.wait_driver()
    check_after(host, guest, totals, host.backends())


def fill(directory):
    """Not a byte and not a file more fits."""
    with open(directory + "/full", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            check(error.errno == errno.ENOSPC, "%s", error)
    for number in itertools.count():
        try:
            os.close(os.open("%s/full.%d" % (directory, number), os.O_CREAT | os.O_WRONLY))
        except OSError as error:
            check(error.errno == errno.ENOSPC, "%s", error)
            return


def remove(directory, files):
    for path in glob.glob("%s/%s" % (directory, files)):
        os.unlink(path)


def check_another_starts(host):
    other = Guest(host, "other")
    other.define()
    host.edit(other.name, bare())
    other.wait_device()
    host.virsh("start", other.name)
    check(other.state() == "running", "%s", other.state())
    host.virsh("destroy", other.name)
    host.virsh("undefine", other.name)


@step
def no_space_left(host, guest):
    """A backend that dies is back once there is space; until then the log says why, and VMs start."""
    run_dir, state_dir = "/run/libvirt/pvperf/backend", "/var/lib/libvirt/pvperf"
    host.daemon.stop()
    guest.destroy()
    for directory in (run_dir, state_dir):
        run(["mount", "-t", "tmpfs", "-o", "mode=700,size=512k,nr_inodes=64", "small", directory])
    host.start_daemon()
    guest.start()
    guest.wait_driver()
    check_equal(guest, EVENTS, "work burn 100")
    totals = Totals(guest)
    for names in (True, False):
        totals.look()
        (pid,) = host.backends()
        # Whoever fills it takes at once what the backend gives back.
        for suffix in ("sock", "pid", "xml"):
            remove(run_dir, "*." + suffix)
        fill(run_dir)
        fill(state_dir)
        if names:
            remove(run_dir, "full.*")   # there is room for a file's name, not for what is in it
        said = host.daemon.text().count("No space left on device; it is started again in")
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: host.daemon.text().count("No space left on device; it is started again in") > said,
                 "the daemon to say why there is no backend")
        check(host.backends() == [], "left over: %s", host.backends())
        totals.look()
        check_another_starts(host)
        remove(run_dir, "full*")
        remove(state_dir, "full*")
        another_backend(host, pid)
        guest.wait_driver()
        check_equal(guest, EVENTS, "work burn 100")
    totals.look()
    guest.check_kernel()


main(guest=lambda host: Guest(host, max_vcpus=2).up(bare()))
