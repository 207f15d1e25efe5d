#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The driver through a machine's life, under load and under the debugging that a distribution's kernel can do.

The guest's kernel checks its allocators (slub_debug, page_poison) and dies of the first warning.
"""

import time

from harness import Guest, check, check_equal, main, record, step, wait_for

EVENTS = ("vcpu-clock", "vcpu-switches")
CLOCK = "pvperf/vcpu-clock/"
CPU1 = "/sys/devices/system/cpu/cpu1/online"
# F, Z, P, U: consistency, red zones, poison, who allocated and freed.
DEBUG = ("slub_debug=FZPU page_poison=1 init_on_alloc=0 init_on_free=0 panic_on_warn=1 oops=panic "
         "no_console_suspend")


def load(guest, seconds=100):
    """Counts of the system, of tasks that come and go, and samples, while processes do all that costs."""
    guest.run("perf stat -a -e {0} -- sleep {1} >/dev/null 2>&1 & "
              "perf record -B -N -o /tmp/bg.data -a -F 200 -e {0} -- sleep {1} >/dev/null 2>&1 & "
              "perf stat -e {0} -- work tree 1 {2} >/dev/null 2>&1 & "
              "perf stat -e {0} -- work churn 1000000 >/dev/null 2>&1 &"
              .format(CLOCK, seconds, 1000 * seconds))
    wait_for(lambda: guest.stats()["open"] >= 6, "all of perf to count")


def unload(guest):
    """It ends, all of it, and what it had open is closed.

    A perf that has just opened its events has not started its command yet, so
    they are looked for until there is none.
    """
    guest.run("n=0; while pidof perf >/dev/null && [ $n -lt 300 ]; do "
              "killall work sleep 2>/dev/null; usleep 100000; n=$((n + 1)); done; "
              "! ps | grep '[p]erf \\|[w]ork '", 90)
    guest.wait_closed()


def check_well(guest):
    check_equal(guest, EVENTS, "work hop 1 50")
    check_equal(guest, EVENTS, "work burn 50", "-a")
    check(record(guest, "vcpu-clock", "work burn 300", "-F 500").of("work") > 10, "no samples")
    guest.check_kernel()


@step
def debugging_is_on(host, guest):
    checks = guest.out("cat /sys/kernel/slab/kmalloc-64/sanity_checks /sys/kernel/slab/kmalloc-64/poison "
                       "/proc/sys/kernel/panic_on_warn")
    check(checks.split() == ["1", "1", "1"], "the kernel debugs %s", checks)
    check_well(guest)


@step
def cpu_offline_and_online(host, guest):
    load(guest)
    for _ in range(6):
        guest.run("echo 0 >%s; sleep 0.2; echo 1 >%s; sleep 0.2" % (CPU1, CPU1))
    unload(guest)
    check_equal(guest, EVENTS, "taskset 2 work burn 50", "-C 1")
    check_well(guest)


def suspend(depth):
    return "echo %s >/sys/power/pm_test && echo freeze >/sys/power/state; echo none >/sys/power/pm_test" % depth


@step
def suspended_to_idle(host, guest):
    """s2idle, as deep as the kernel's test of it goes: what ran before counts on, and both sides agree."""
    depths = guest.out("tr -d '[]' </sys/power/pm_test").split()
    for depth in ("freezer", "devices", "platform", "processors", "core"):
        check(depth in depths, "pm_test knows %s", depths)
        check_equal(guest, EVENTS, "sh -c 'work burn 200; %s; work burn 200'" % suspend(depth))
    check_well(guest)


@step
def suspended_under_load(host, guest):
    load(guest)
    for depth in ("devices", "core"):
        guest.run(suspend(depth), timeout=90)
        guest.run("sleep 0.5")
    unload(guest)
    check_well(guest)


@step
def idle_until_woken(host, guest):
    """The whole way down; the agent's own line, when something is asked of it again, wakes the machine."""
    guest.run("echo enabled >/sys/class/tty/ttyS1/power/wakeup")
    load(guest)
    guest.run("(sleep 0.5; echo freeze >/sys/power/state) >/dev/null 2>&1 &")
    time.sleep(3)
    guest.run("sleep 0.5")
    check("s2idle" in guest.out("dmesg"), "it did not suspend")
    unload(guest)
    check_well(guest)


@step
def unloaded_under_load(host, guest):
    """Refused while an event is open; else it goes, between any two of them."""
    load(guest)
    guest.run("for i in 1 2 3 4 5; do ! rmmod pvperf 2>/dev/null || exit 1; done")
    unload(guest)
    guest.run("(while [ ! -e /tmp/enough ]; do perf stat -e {0} -- work churn 3; perf stat -a -e {0} -- true; done) "
              ">/dev/null 2>&1 &".format(CLOCK))
    gone = int(guest.out("n=0; for i in $(seq 60); do if rmmod pvperf 2>/dev/null; then n=$((n + 1)); "
                         "insmod /lib/pvperf.ko; fi; sleep 0.05; done; touch /tmp/enough; echo $n", 120))
    check(gone > 0, "it was never unloaded")
    guest.run("while pidof perf >/dev/null; do sleep 0.1; done; rm /tmp/enough")
    guest.wait_driver()
    guest.wait_closed()
    check_well(guest)


def boot_other_kernel(guest, words):
    """kexec while all is counted and sampled, with nobody saying goodbye."""
    guest.run("cd / && [ -e /tmp/initrd ] || "
              "find bin boot etc init lib lib64 usr root -xdev | cpio -o -H newc >/tmp/initrd 2>/dev/null", 90)
    guest.run("work kexec /boot/vmlinuz /tmp/initrd \"$(cat /proc/cmdline) %s\"" % words, 90)
    load(guest)
    guest.run("(sleep 0.3; work reboot) >/dev/null 2>&1 &")
    guest.read_until(b"agent-ready\n", 240, "booting the other kernel")
    check(words in guest.out("cat /proc/cmdline"), "this is not the other kernel")


@step
def kexec(host, guest):
    """The next kernel's driver begins a session of its own: nothing of the last one's is open."""
    boot_other_kernel(guest, "kexeced")
    guest.wait_driver(60)
    guest.wait_closed()
    check_well(guest)


@step
def kexec_without_the_driver(host, guest):
    """Nobody would close what the last kernel left open."""
    boot_other_kernel(guest, "pvperf.noload")
    guest.wait_closed()
    guest.run("insmod /lib/pvperf.ko")
    guest.wait_driver()
    check_well(guest)


main(guest=lambda host: Guest(host, max_vcpus=2, cmdline=DEBUG).up())
