#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several VMs at once, of both machine types: each has its own window, limits and counts."""

import os

from harness import Guest, Skip, bare, check, check_equal, find, main, step, wait_for

EVENTS = ("vcpu-clock", "vcpu-switches")
FILESYSTEM = ("<filesystem type='mount'><driver type='virtiofs'/>"
              "<source dir='/run/shared'/><target dir='shared'/></filesystem>")
VMS = []


@step
def start(host):
    for name, machine, limit in (("q35", "q35", 11), ("pc", "pc", 12), ("one", "q35", 13)):
        guest = Guest(host, name, machine=machine, vcpus=1 if name == "one" else 2, max_vcpus=1 if name == "one" else 2)
        VMS.append(guest.up(bare("<events max='%d'/>" % limit)))
    check(len(host.backends()) == 3, "backends: %s", host.backends())


@step
def count_each(host):
    for guest in VMS:
        check_equal(guest, EVENTS, "work hop 1 100")


@step
def count_all_at_once(host):
    for guest in VMS:
        guest.before = guest.totals()
        guest.run("perf stat --no-scale -x, -o /tmp/stat -e pvperf/vcpu-clock/ -- work burn 1000 >/dev/null 2>&1 &")
    for guest in VMS:
        guest.run("while pidof perf >/dev/null; do sleep 0.1; done")
        value = guest.out("grep vcpu-clock /tmp/stat").split(",")[0]
        delta = guest.totals()["vcpu-clock"]["count"] - guest.before["vcpu-clock"]["count"]
        check(value == str(delta), "%s: guest %s, host %d", guest.name, value, delta)


@step
def limits_are_their_own(host):
    for guest, limit in zip(VMS, (11, 12, 13)):
        opened = guest.out("work open 20 $(cat /sys/bus/event_source/devices/pvperf/type) 0 0")
        check(opened == "open: %d of 20, EBUSY" % limit, "%s: %s", guest.name, opened)


@step
def listed(host):
    states = {domain["name"]: domain["state"] for domain in host.pvperf_json("list")}
    check(states == {"q35": "on", "pc": "on", "one": "on"}, "%s", states)


@step
def beside_virtiofs(host):
    """A vhost-user back end in the same VM, which maps the window as part of the guest's memory."""
    if not os.path.exists("/usr/lib/qemu/virtiofsd"):
        raise Skip("no virtiofsd here")
    os.makedirs("/run/shared", exist_ok=True)
    guest = Guest(host, "fs", max_vcpus=2, shared=True, devices=FILESYSTEM).up()
    check(find("virtiofsd"), "virtiofsd does not run")
    check_equal(guest, EVENTS, "work hop 1 100")
    guest.check_kernel()
    guest.destroy()


@step
def one_ends_the_others_go_on(host):
    VMS[0].destroy()
    wait_for(lambda: len(host.backends()) == 2, "one backend to end")
    for guest in VMS[1:]:
        check_equal(guest, EVENTS, "work burn 100")
        guest.check_kernel()


main()
