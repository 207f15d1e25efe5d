#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A VM's life with pvperf in it: given by libvirt's own means, rebooted, reset, stopped, saved."""

import os
import signal
import time

from harness import Guest, XMLNS, bare, check, check_equal, main, step, wait_for

EVENTS = ("vcpu-clock", "vcpu-switches")


@step
def given_by_metadata(host):
    """`virsh metadata --set` on the configuration, and the next start has it."""
    guest = Guest(host, "meta", max_vcpus=2)
    guest.define()
    host.virsh("metadata", guest.name, XMLNS, "--config", "--key", "pvperf",
               "--set", "<pvperf><events max='9'/></pvperf>")
    guest.wait_device()
    guest.start()
    guest.wait_driver()
    check_equal(guest, EVENTS, "work burn 100")
    check(guest.stats()["max"] == 9, "%s", guest.stats())
    guest.destroy()
    host.virsh("undefine", guest.name)


@step
def given_while_running(host):
    """The element comes to a running VM: pending-restart, a reboot is not one, a cold start is."""
    guest = Guest(host, "later", max_vcpus=2)
    guest.define()
    guest.start()
    host.edit(guest.name, bare())
    guest.wait_device()
    guest.wait_state("pending-restart")
    guest.run("reboot -f &", check=False)
    guest.buffer = b""
    guest.wait_ready()
    guest.wait_state("pending-restart")
    check(guest.sysfs("state") != "up", "a reboot gave it the device")
    guest.restart()
    guest.wait_driver()
    guest.wait_state("on")
    check_equal(guest, EVENTS, "work burn 100")
    guest.destroy()
    host.virsh("undefine", guest.name)


@step
def created(host):
    """A transient VM whose XML carries the device already."""
    guest = Guest(host, "template", max_vcpus=2)
    guest.define()
    host.edit(guest.name, bare())
    guest.wait_device()
    xml = guest.dumpxml(inactive=True)
    host.virsh("undefine", guest.name)
    with open("/run/created.xml", "w", encoding="utf-8") as file:
        file.write(xml)
    host.virsh("create", "/run/created.xml")
    guest.wait_ready()
    guest.wait_driver()
    check_equal(guest, EVENTS, "work burn 100")
    guest.destroy()
    wait_for(lambda: not host.backends(), "the backend to end with its VM")


@step
def rebooted(host):
    guest = vm(host)
    guest.run("perf stat -e pvperf/vcpu-clock/ -- sleep 100 >/dev/null 2>&1 & sleep 1")
    check(guest.stats()["open"] >= 1, "%s", guest.stats())
    guest.run("(sleep 0.2; reboot -f) >/dev/null 2>&1 &")
    guest.wait_ready()
    guest.wait_driver()
    guest.wait_closed()
    check_equal(guest, EVENTS, "work hop 1 100")


@step
def reset(host):
    guest = vm(host)
    guest.run("perf stat -a -e pvperf/vcpu-clock/ -- sleep 100 >/dev/null 2>&1 & sleep 1")
    host.virsh("reset", guest.name)
    guest.wait_ready()
    guest.wait_driver()
    guest.wait_closed()
    check_equal(guest, EVENTS, "work hop 1 100")


@step
def suspended(host):
    guest = vm(host)
    guest.run("perf stat -x, -o /tmp/stat -e pvperf/vcpu-clock/ -- work burn 1500 >/dev/null 2>&1 & ")
    time.sleep(0.5)
    host.virsh("suspend", guest.name)
    time.sleep(0.5)
    host.virsh("resume", guest.name)
    guest.run("while pidof perf >/dev/null; do sleep 0.1; done")
    value = guest.out("grep vcpu-clock /tmp/stat").split(",")[0]
    check(value.isdigit() and int(value) > 0, "over a suspend perf counted %s", value)
    check_equal(guest, EVENTS, "work hop 1 100")


@step
def destroyed_and_started_again(host):
    guest = vm(host)
    guest.run("perf stat -a -e pvperf/vcpu-clock/ -- sleep 100 >/dev/null 2>&1 & sleep 0.5")
    guest.destroy()
    wait_for(lambda: not host.backends(), "the backend to end with its VM")
    guest.start()
    guest.wait_driver()
    check_equal(guest, EVENTS, "work hop 1 100")


@step
def shut_down_from_inside(host):
    guest = vm(host)
    guest.run("(sleep 0.2; poweroff -f) >/dev/null 2>&1 &")
    wait_for(lambda: guest.state() == "shut off", "the guest to power off")
    guest.disconnect()
    wait_for(lambda: not host.backends(), "the backend to end with its VM")
    guest.start()
    guest.wait_driver()
    check_equal(guest, EVENTS, "work hop 1 100")


@step
def crashed(host):
    """QEMU killed: nothing of ours stays, and the VM starts again."""
    guest = vm(host)
    with open("/proc/%d/comm" % guest.pid(), encoding="ascii") as name:
        check("qemu" in name.read(), "pid %d is not QEMU", guest.pid())
    os.kill(guest.pid(), signal.SIGKILL)
    wait_for(lambda: guest.state() == "shut off", "libvirt to see that QEMU died")
    guest.disconnect()
    wait_for(lambda: not host.backends(), "the backend to end with QEMU")
    guest.start()
    guest.wait_driver()
    check_equal(guest, EVENTS, "work hop 1 100")


@step
def saved_and_restored(host):
    guest = vm(host)
    guest.run("perf stat -x, -o /tmp/stat -e pvperf/vcpu-clock/ -- work burn 3000 >/dev/null 2>&1 &")
    guest.disconnect()
    host.virsh("save", guest.name, "/run/vm.save")
    wait_for(lambda: not host.backends(), "the backend to end with its VM")
    host.virsh("restore", "/run/vm.save")
    guest.wait_driver()
    guest.run("while pidof perf >/dev/null; do sleep 0.1; done")
    value = guest.out("grep vcpu-clock /tmp/stat").split(",")[0]
    check(value.isdigit() and 0 < int(value) < 20 * 10 ** 9, "over a save perf counted %s", value)
    check_equal(guest, EVENTS, "work hop 1 100")
    guest.check_kernel()


@step
def taken_away(host):
    guest = vm(host)
    guest.destroy()
    host.edit(guest.name, "none")
    wait_for(lambda: not guest.has_device(inactive=True), "the daemon to take the device out again")
    guest.start()
    check(not guest.has_device(), "the device is still there")
    guest.destroy()


VM = {}


def vm(host):
    """The guest that the steps from rebooted() on share, running."""
    if "vm" not in VM:
        VM["vm"] = Guest(host, "vm", max_vcpus=2).up()
    guest = VM["vm"]
    if guest.state() != "running":
        guest.disconnect()
        guest.start()
        guest.wait_driver()
    return guest


main()
