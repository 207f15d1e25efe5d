#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guest driver: loaded and unloaded, its device taken away, CPUs added, other devices beside it."""

from harness import Guest, Skip, check, check_equal, main, stat, step, wait_for

EVENTS = ("vcpu-clock", "vcpu-switches")
CLOCK = "pvperf/vcpu-clock/"
OTHER = ("<shmem name='other'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>")
DEVICE = "/sys/bus/pci/drivers/pvperf"


@step
def silent_on_other_devices(host, guest):
    devices = guest.out("grep -l 0x1110 /sys/bus/pci/devices/*/device | wc -l")
    check(devices == "2", "%s ivshmem devices", devices)
    bound = guest.out("ls -d %s/0000:* | wc -l" % DEVICE)
    check(bound == "1", "the driver holds %s devices", bound)
    check_equal(guest, EVENTS, "work burn 100")


@step
def reloaded(host, guest):
    for _ in range(3):
        guest.run("rmmod pvperf && insmod /lib/pvperf.ko")
        guest.wait_driver()
        check_equal(guest, EVENTS, "work hop 1 50")
        check_equal(guest, EVENTS, "work burn 50", "-a")
    guest.check_kernel()


@step
def unload_with_events_live(host, guest):
    """Either refused while perf has events, or safe; and afterwards all works."""
    guest.run("perf stat -a -e %s -- sleep 3 >/dev/null 2>&1 & "
              "perf stat -e %s -- work hop 10 100 >/dev/null 2>&1 & sleep 1"
              % (CLOCK, CLOCK))
    guest.run("rmmod pvperf; true")
    guest.run("while pidof perf >/dev/null; do sleep 0.1; done")
    guest.run("rmmod pvperf 2>/dev/null; insmod /lib/pvperf.ko")
    guest.wait_driver()
    check_equal(guest, EVENTS, "work hop 1 50")
    guest.check_kernel()


@step
def device_removed_with_events_live(host, guest):
    for _ in range(2):
        device = guest.out("basename $(ls -d %s/0000:*)" % DEVICE)
        guest.run("perf stat -a -e %s -- sleep 2 >/dev/null 2>&1 & "
                  "perf stat -e %s -- work hop 10 80 >/dev/null 2>&1 & sleep 0.5"
                  % (CLOCK, CLOCK))
        guest.run("echo 1 >/sys/bus/pci/devices/%s/remove" % device)
        guest.run("perf stat -e task-clock -- true")
        guest.run("while pidof perf >/dev/null; do sleep 0.1; done")
        guest.run("echo 1 >/sys/bus/pci/rescan")
        guest.wait_driver()
        guest.wait_closed()
        check_equal(guest, EVENTS, "work hop 1 50")
    guest.check_kernel()


@step
def cpu_offline_and_online(host, guest):
    guest.run("perf stat -a -e %s -- sleep 2 >/dev/null 2>&1 & sleep 0.3" % CLOCK)
    guest.run("echo 0 >/sys/devices/system/cpu/cpu1/online; sleep 0.5; echo 1 >/sys/devices/system/cpu/cpu1/online")
    guest.run("while pidof perf >/dev/null; do sleep 0.1; done")
    check_equal(guest, EVENTS, "work hop 2 50")
    check_equal(guest, EVENTS, "work burn 50", "-a")
    guest.check_kernel()


def online(guest, cpu):
    """A CPU was plugged in: Linux's number of it, once it is there and online."""
    path = "/sys/devices/system/cpu/cpu%d/online" % cpu
    wait_for(lambda: guest.run("[ -e %s ]" % path, check=False).status == 0, "CPU %d to appear" % cpu)
    guest.run("[ $(cat %s) = 1 ] || echo 1 >%s" % (path, path))


def check_room(guest):
    """Linux 6.12.y takes no CPU later unless under a hypervisor that it knows, and it does not know TCG."""
    if guest.out("cat /sys/devices/system/cpu/possible") == "0-1":
        raise Skip("this guest's kernel takes no CPU later under TCG")


def check_counts_on(host, guest, cpu, vcpu):
    """An event of Linux's CPU is counted on this vCPU of QEMU's, and on no other."""
    guest.run("perf stat -C %d -e %s -- sleep 3 >/dev/null 2>&1 &" % (cpu, CLOCK))
    found = wait_for(lambda: host.pvperf_json("events", guest.name), "the event of CPU %d" % cpu)
    guest.run("while pidof perf >/dev/null; do sleep 0.1; done")
    vcpus = sorted({event["vcpu"] for event in found})
    check(vcpus == [vcpu], "CPU %d is counted on vCPU %s, not %d", cpu, vcpus, vcpu)


@step
def cpu_added_out_of_order(host, guest):
    """vCPU 3 of QEMU is plugged first and becomes Linux's CPU 2."""
    check_room(guest)
    check_counts_on(host, guest, cpu=1, vcpu=1)
    host.virsh("setvcpu", guest.name, "3", "--enable", "--live")
    online(guest, 2)
    check_counts_on(host, guest, cpu=2, vcpu=3)
    counts = check_equal(guest, EVENTS, "taskset 4 work burn 300", "-C 2")
    check(counts["vcpu-clock"] > 60 * 10 ** 6, "300 ms of work on it gave %s", counts)
    check_equal(guest, EVENTS, "work hop 2 50")


@step
def all_cpus_added(host, guest):
    check_room(guest)
    host.virsh("setvcpus", guest.name, "4", "--live")
    online(guest, 3)
    check_counts_on(host, guest, cpu=3, vcpu=2)
    check_equal(guest, EVENTS, "work hop 2 50")
    found = stat(guest, CLOCK, "work burn 100", "-a -A")[CLOCK]
    check(len(found.lines) == 4, "-A on 4 CPUs gave %s", found.lines)
    guest.check_kernel()


@step
def beside_a_virtual_pmu(host, guest):
    raise Skip("emulated CPUs have no PMU to give a guest one of its own")


# nohz=off: an emulated CPU that was added later loses timers when its tick stops.
main(guest=lambda host: Guest(host, vcpus=2, max_vcpus=4, devices=OTHER, cmdline="nohz=off").up())
