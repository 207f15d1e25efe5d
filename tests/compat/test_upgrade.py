#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host is upgraded below a guest that counts: newer libvirt takes over older QEMU, and restores what that saved."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "integration"))

# pylint: disable=wrong-import-position
from harness import Guest, bare, check, check_equal, compat, main, run, step, wait_for

EVENTS = ("vcpu-clock", "vcpu-switches")


def qemu_of(host, guest):
    return host.virsh("qemu-monitor-command", guest.name, "--hmp", "info version").out.strip()


@step
def before(host, guest):
    check("libvirt 9." in host.virsh("version", "--daemon").out, "libvirt is not Debian 12's")
    check_equal(guest, EVENTS, "work burn 100")


@step
def libvirtd_upgraded(host, guest):
    """A count goes on while it is; then limits change through the new libvirtd, the guest's QEMU being the old one."""
    pid = guest.pid()
    guest.run("perf stat -x, -o /tmp/across -e pvperf/vcpu-clock/ -- "
              "sh -c 'while [ ! -e /tmp/end ]; do :; done' >/dev/null 2>&1 &")
    host.libvirtd.stop()
    trees = [compat("tree", part, "usr") for part in ("qemu", "libvirt")]
    run(["mount", "-t", "overlay", "-o", "lowerdir=%s:/usr" % ":".join(trees), "private", "/usr"])
    # What the old one knows of the old QEMU is not the new one's to change.
    run(["mount", "-t", "tmpfs", "private", "/var/cache/libvirt"])
    host.start_libvirtd()
    check("libvirt 9." not in host.virsh("version", "--daemon").out, "libvirt is still Debian 12's")
    guest.wait_state("on")
    check(guest.pid() == pid, "the guest's QEMU is another one")
    guest.set_metadata("<pvperf><events max='7'/></pvperf>", "--live", "--config")
    wait_for(lambda: guest.stats()["max"] == 7, "the limit to change")
    guest.run("touch /tmp/end; while pidof perf >/dev/null; do sleep 0.1; done")
    line = guest.out("grep vcpu-clock /tmp/across")
    check(int(line.split(",")[0]) > 5 * 10 ** 8, "across the upgrade: %s", line)
    guest.wait_closed()
    check_equal(guest, EVENTS, "work burn 100")


@step
def daemon_upgraded(host, guest):
    """Restarted on the new library, it takes over what runs."""
    host.daemon.stop()
    host.start_daemon()
    guest.wait_state("on")
    check_equal(guest, EVENTS, "work burn 100")
    check(guest.stats()["max"] == 7, "%s", guest.stats())


@step
def saved_by_the_old_restored_by_the_new(host, guest):
    old = qemu_of(host, guest)
    guest.disconnect()
    host.virsh("managedsave", guest.name)
    host.virsh("start", guest.name)
    check(qemu_of(host, guest) != old, "restored by the same QEMU, %s", old)
    guest.wait_driver()
    check_equal(guest, EVENTS, "work burn 100")
    guest.check_kernel()


@step
def started_by_the_new(host, guest):
    guest.restart()
    guest.wait_driver()
    check_equal(guest, EVENTS, "work burn 100")


main(guest=lambda host: Guest(host, max_vcpus=2).up(bare()))
