#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""NMIs at bad moments: other people's, with CPUs, driver, device and kernel coming and going under them."""

import time

from harness import Guest, Overflows, bare, check, main, record, step

CLOCK = "vcpu-clock"
DEVICE = "/sys/bus/pci/drivers/pvperf"
CPU1 = "/sys/devices/system/cpu/cpu1/online"
MARK = "NMI received for unknown reason"


def record_in_background(guest, options="-a -F 2000", seconds=60):
    guest.run("perf record -o /tmp/bg.data %s -e pvperf/vcpu-clock/ -- sleep %d >/tmp/bg.log 2>&1 & "
              "work tree 1 %d >/dev/null 2>&1 & sleep 0.5" % (options, seconds, 1000 * seconds))


def end_background(guest):
    guest.run("killall -INT perf 2>/dev/null; killall work 2>/dev/null; "
              "n=0; while pidof perf >/dev/null && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done; "
              "! pidof perf")


def check_samples(guest):
    """All is as it should be: samples arrive, none is lost, and the kernel has nothing to say."""
    overflows = Overflows(guest)
    found = record(guest, CLOCK, "work burn 500", "-F 1000")
    numbers = overflows.check()
    check(found.of("work") > 50, "%s %s", found, numbers)
    check(numbers["lost"] == 0, "%s", numbers)
    guest.check_kernel()


def unknown_nmis(guest):
    return int(guest.out("dmesg | grep -c '%s'; true" % MARK))


@step
def no_nmi_is_left_over(host, guest):
    """None of ours is taken for somebody else's, at any rate."""
    before = unknown_nmis(guest)
    for rate in (100, 1000, 4000):
        record(guest, CLOCK, "work tree 1 1000", "-a -F %d" % rate)
    check(unknown_nmis(guest) == before, "%d NMIs were not claimed", unknown_nmis(guest) - before)


@step
def inject_nmi(host, guest):
    """virsh inject-nmi reaches the kernel.

    A CPU holds one NMI: one that is injected while one of ours is held or
    handled becomes one with it, as with any PMU. So it is not sampled faster
    here than this is unlikely, and one that is lost may be injected again.
    """
    record_in_background(guest, "-a -F 50")
    before = unknown_nmis(guest)
    injected = 0
    while unknown_nmis(guest) - before < 5 and injected < 8:
        host.virsh("inject-nmi", guest.name)
        injected += 1
        time.sleep(1)
    end_background(guest)
    arrived = unknown_nmis(guest) - before
    print("     %d of %d arrived" % (arrived, injected), flush=True)
    check(arrived == 5, "%d were injected, the kernel tells of %d", injected, arrived)


@step
def backtrace_of_all_cpus(host, guest):
    """The kernel's own NMIs: sysrq-l asks every CPU by one."""
    record_in_background(guest)
    guest.run("for i in 1 2 3; do echo l >/proc/sysrq-trigger; sleep 0.3; done")
    end_background(guest)
    found = int(guest.out("dmesg | grep -c 'NMI backtrace for cpu'; true"))
    check(found >= 3, "%d backtraces", found)
    guest.run("dmesg -c >/dev/null")


@step
def cpu_offline_and_online(host, guest):
    record_in_background(guest)
    for _ in range(8):
        guest.run("echo 0 >%s; sleep 0.1; echo 1 >%s; sleep 0.1" % (CPU1, CPU1))
    end_background(guest)
    found = record(guest, CLOCK, "taskset 2 work burn 500", "-F 1000")
    check(found.of("work") > 50, "CPU 1 does not sample any more: %s", found)
    check_samples(guest)


@step
def driver_unloaded(host, guest):
    """The last NMI may still be on its way when the driver goes."""
    for _ in range(6):
        guest.run("perf record -o /dev/null -a -F 4000 -e pvperf/vcpu-clock/ -- work burn 100 >/dev/null 2>&1; "
                  "rmmod pvperf && insmod /lib/pvperf.ko")
        guest.wait_driver()
    check_samples(guest)


@step
def device_removed(host, guest):
    for _ in range(2):
        device = guest.out("basename $(ls -d %s/0000:*)" % DEVICE)
        record_in_background(guest)
        guest.run("echo 1 >/sys/bus/pci/devices/%s/remove" % device)
        end_background(guest)
        guest.run("echo 1 >/sys/bus/pci/rescan")
        guest.wait_driver()
        guest.wait_closed()
        check_samples(guest)


@step
def suspended(host, guest):
    """All devices and CPUs go down and come back, as in suspend to RAM, short of the last step."""
    record_in_background(guest)
    guest.run("echo 1 >/sys/module/suspend/parameters/pm_test_delay 2>/dev/null; "
              "echo core >/sys/power/pm_test && echo mem >/sys/power/state", timeout=60)
    guest.run("echo none >/sys/power/pm_test")
    end_background(guest)
    check_samples(guest)


@step
def paused_and_resumed(host, guest):
    record_in_background(guest)
    host.virsh("suspend", guest.name)
    time.sleep(1)
    host.virsh("resume", guest.name)
    guest.run("sleep 1")
    end_background(guest)
    check_samples(guest)


@step
def other_deliveries(host, guest):
    """By interrupt; and counting only."""
    guest.run("rmmod pvperf && insmod /lib/pvperf.ko delivery=irq")
    guest.wait_driver()
    check(guest.sysfs("delivery") == "irq", "delivery is %s", guest.sysfs("delivery"))
    check_samples(guest)
    found = record(guest, CLOCK, "taskset 2 work burn 500", "-a -F 1000")
    check(found.of("work") > 50, "%s", found)
    guest.run("rmmod pvperf && insmod /lib/pvperf.ko delivery=none")
    guest.wait_driver()
    result = guest.run("perf record -o /dev/null -e pvperf/vcpu-clock/ -- true 2>&1", check=False)
    check(result.status != 0 and guest.sysfs("last_refusal").startswith("sampling"), "%s, refusal: %s",
          result, guest.sysfs("last_refusal"))
    guest.run("perf stat -e pvperf/vcpu-clock/ -- true 2>&1")
    guest.run("rmmod pvperf && insmod /lib/pvperf.ko")
    guest.wait_driver()
    check_samples(guest)


def boot_again(guest, how):
    """The guest starts its other kernel by itself; then the driver of that one is served."""
    begin = guest.console_size()
    guest.run("(sleep 0.3; %s) >/dev/null 2>&1 &" % how)
    guest.read_until(b"agent-ready\n", 150, "booting the other kernel")
    guest.wait_driver(60)
    return guest.console_since(begin)


def load_kernel(guest, cmdline, crash=""):
    guest.run("cd / && [ -e /tmp/initrd ] || "
              "find bin boot etc init lib lib64 usr root -xdev | cpio -o -H newc >/tmp/initrd 2>/dev/null", 60)
    guest.run("work kexec /boot/vmlinuz /tmp/initrd 'console=ttyS0 panic=-1 mitigations=off loglevel=7 %s' %s"
              % (cmdline, crash))


@step
def kexec(host, guest):
    load_kernel(guest, "kexeced")
    record_in_background(guest)
    console = boot_again(guest, "work reboot")
    check(MARK not in console and "Oops" not in console, "the console says:\n%s", console[-2000:])
    check("kexeced" in guest.out("cat /proc/cmdline"), "this is not the other kernel")
    check_samples(guest)


@step
def still_served(host, guest):
    check_samples(guest)
    check(guest.stats()["open"] == 0, "events are still open: %s", guest.stats())


# kexec has two kernels and three initramfs in memory.
main(guest=lambda host: Guest(host, max_vcpus=2, memory=768).up(bare()))
