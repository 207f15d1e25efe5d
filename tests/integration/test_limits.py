#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the operator's limits do to the guest, and how the guest's user learns of it."""

import re
import time

from harness import (NOT_COUNTED, NOT_SUPPORTED, Guest, bare, check, check_equal, main, stat, stat_list, step,
                     wait_for)

CLOCK = "pvperf/vcpu-clock/"
AUDIT = r"domain %s \(%s\): refused [0-9]+ (more )?requests?: max: .* \(events max 4\); last event: vcpu-clock"
BEGAN = time.monotonic()


@step
def max_refuses(host, guest):
    result = guest.run("perf stat -e %s -- true" % ",".join([CLOCK] * 5), check=False)
    check(result.status != 0, "a fifth event was opened: %s", result)
    check("dmesg" in result.out or "busy" in result.out.lower(), "perf does not explain it: %s", result)
    lines = [line for line in guest.dmesg().splitlines() if "pvperf:" in line and "max" in line]
    check(lines and "4" in lines[-1], "the kernel's log does not name the limit: %s", guest.dmesg())
    check("max" in guest.sysfs("last_refusal"), "last_refusal: %s", guest.sysfs("last_refusal"))
    check(guest.sysfs("max") == "4", "sysfs max: %s", guest.sysfs("max"))
    check(guest.stats()["refusals"]["max"] >= 1, "host's refusals: %s", guest.stats()["refusals"])


@step
def max_is_exact(host, guest):
    """Four open, the fifth does not, and a closed one makes room."""
    name = "/sys/bus/event_source/devices/pvperf/type"
    opened = guest.out("work open 5 $(cat %s) 0 0" % name)
    check(opened == "open: 4 of 5, EBUSY", "%s", opened)
    opened = guest.out("work open 4 $(cat %s) 0 0" % name)
    check(opened == "open: 4 of 4, no error", "%s", opened)
    check(guest.sysfs("open") == "0", "sysfs open: %s", guest.sysfs("open"))


@step
def refusals_do_not_flood_the_log(host, guest):
    guest.run("work open 500 $(cat /sys/bus/event_source/devices/pvperf/type) 0 0")
    lines = guest.dmesg().splitlines()
    check(len(lines) < 40, "%d lines of the kernel's log after 500 refusals", len(lines))


@step
def refusals_are_audited(host, guest):
    """One line a minute in the host's log, that names the VM and the limit, however many refusals there were."""
    guest.run("work open 500 $(cat /sys/bus/event_source/devices/pvperf/type) 0 0")
    stats = guest.stats()
    check(stats["refusals"]["max"] >= 496, "host's refusals: %s", stats["refusals"])
    check(stats["last_refusals"]["max"] == {"event": "vcpu-clock", "limit": 4}, "%s", stats["last_refusals"])
    uuid = host.virsh("domuuid", guest.name).out.strip()
    lines = [line for line in host.daemon.text().splitlines() if re.search(AUDIT % (guest.name, uuid), line)]
    minutes = 1 + int((time.monotonic() - BEGAN) / 60)
    print("     %s" % lines, flush=True)
    check(1 <= len(lines) <= minutes, "%d lines in %d minutes: %s", len(lines), minutes, lines)


@step
def per_vcpu_rotates(host, guest):
    """Two may count at once: four share the time, and perf says so."""
    found = stat_list(guest, ",".join([CLOCK] * 4), "taskset 1 work burn 3000")
    print("     %s" % found, flush=True)
    for one in found:
        check(not isinstance(one.value, str), "%s", found)
        check(5 < one.percent < 95, "did not rotate: %s", found)
    check_equal(guest, ("vcpu-clock", "vcpu-switches"), "work burn 200")


@step
def class_denied(host, guest):
    found = stat(guest, "cache-misses,r1c2,%s" % CLOCK, "work burn 100")
    check(found["cache-misses"].value == NOT_SUPPORTED, "%s", found)
    check(found["r1c2"].value == NOT_SUPPORTED, "%s", found)
    check(found[CLOCK].value > 0, "%s", found)
    check("vcpu" in guest.sysfs("classes").split(), "sysfs classes: %s", guest.sysfs("classes"))


@step
def sysfs_says_it(host, guest):
    for pmu in ("pvperf", "cpu"):
        for name in ("state", "classes", "max", "open", "last_refusal"):
            check(guest.sysfs(name, pmu), "%s/host/%s is empty", pmu, name)


@step
def stats_say_it(host, guest):
    stats = guest.stats()
    check(stats["max"] == 4 and stats["per_vcpu"] == 2, "%s", stats)
    check(stats["open"] == 0 and stats["open_peak"] == 4, "%s", stats)


@step
def denied_while_counting(host, guest):
    """A class that is denied on the running VM stops at once: time not running, never a stale number."""
    guest.run("perf stat -a -I 500 -x, -o /tmp/stat -e %s -- work burn 6000 >/dev/null 2>&1 &" % CLOCK)
    guest.run("sleep 1.5")
    host.pvperf("tune", guest.name, "--deny", "vcpu")
    guest.run("sleep 2")
    check(guest.sysfs("last_refusal").startswith("class"), "sysfs last_refusal: %s", guest.sysfs("last_refusal"))
    host.pvperf("tune", guest.name, "--allow", "vcpu")
    guest.run("while pidof perf >/dev/null; do sleep 0.1; done", timeout=30)
    counts = [line.split(",")[1] for line in guest.out("grep vcpu-clock /tmp/stat").splitlines()]
    stopped = [counts.index(NOT_COUNTED), len(counts) - counts[::-1].index(NOT_COUNTED)]
    check(stopped[0] >= 1 and stopped[1] - stopped[0] >= 3 and stopped[1] < len(counts),
          "intervals before, while and after the class was denied: %s", counts)
    check(set(counts[stopped[0]:stopped[1]]) == {NOT_COUNTED}, "a count while it was denied: %s", counts)
    check(guest.stats()["refusals"]["class"] > 0, "refusals: %s", guest.stats()["refusals"])


@step
def off_refuses_all(host, guest):
    """state='off' from the next start: the device stays, nothing opens, the guest learns why."""
    host.edit(guest.name, bare(attributes="state='off'"))
    guest.restart_served("off")
    wait_for(lambda: guest.sysfs("state") == "off", "the guest to see state 'off'")
    result = guest.run("perf stat -e %s -- true" % CLOCK, check=False)
    check("not supported" in result.out.lower() or result.status != 0, "%s", result)
    guest.wait_state("off")
    guest.check_kernel()


main(guest=lambda host: Guest(host, max_vcpus=2).up(
    bare("<events max='4' per_vcpu='2'/><class name='cache' allow='no'/>")))
