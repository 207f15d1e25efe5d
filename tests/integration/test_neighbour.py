#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two VMs, one hostile: it floods its backend from all vCPUs, and the other one counts as ever."""

import re
import time

from harness import Guest, check, check_equal, main, stat, step, wait_for

EVENTS = ("vcpu-clock", "vcpu-switches")
CLOCK = "pvperf/vcpu-clock/"
TYPE = "$(cat /sys/bus/event_source/devices/pvperf/type)"
# A burst of 256 comes on top.
RATE = 100
AUDIT = r"domain hostile \(%s\): refused [0-9]+ (more )?requests?: requests_sec: .*\(requests_sec %d\)"
VMS = {}


def calm(host, opens):
    """The other VM, while it lasts: every OPEN, counts, and the time they were taken."""
    victim = VMS["victim"]
    refused = sum(victim.stats()["refusals"].values())
    for _ in range(opens):
        opened = victim.out("work open 3 %s 1 0" % TYPE)
        check(opened == "open: 3 of 3, no error", "%s; %s", opened, victim.sysfs("last_refusal"))
    check_equal(victim, EVENTS, "work burn 300")
    # The least loss of three: what else runs on this host is not the neighbour's doing.
    percent = max(stat(victim, CLOCK, "work burn 300", "--no-scale")[CLOCK].percent for _ in range(3))
    print("     the victim counted %.2f %% of the time" % percent, flush=True)
    check(percent >= 95, "it lost more than a few percent of its time: %.2f", percent)
    check(sum(victim.stats()["refusals"].values()) == refused, "refused: %s", victim.stats()["refusals"])
    check(len(host.backends()) == 2, "backends: %s", host.backends())


def asked(stats):
    """Requests that the backend looked at: served, or refused for the rate."""
    return sum(stats["ops"].values()) + stats["refusals"]["requests_sec"]


def flood(host, seconds=300):
    """In the background of the hostile VM, from here until calm() is through; its numbers before and after."""
    hostile = VMS["hostile"]
    before = hostile.stats()
    hostile.run("work flood %s %d >/tmp/flood 2>&1 &" % (TYPE, seconds))
    wait_for(lambda: asked(hostile.stats()) > asked(before) + 100, "the flood to begin")
    calm(host, opens=5)
    after = hostile.stats()
    print("     the flood: %d requests, refused %s" % (
        asked(after) - asked(before), after["refusals"]), flush=True)
    hostile.run("kill $(pidof work); while pidof work >/dev/null; do sleep 0.1; done", timeout=30)
    return before, after


def both_are_well():
    """No kernel complains, and perf works in the hostile VM, too."""
    hostile = VMS["hostile"]
    hostile.wait_closed()
    check_equal(hostile, EVENTS, "work hop 1 100")
    for guest in VMS.values():
        guest.check_kernel()


@step
def start(host):
    for name in ("victim", "hostile"):
        vcpus = 2 if name == "hostile" else 1
        VMS[name] = Guest(host, name, vcpus=vcpus, max_vcpus=vcpus).up()


@step
def flood_under_the_defaults(host):
    flood(host)
    both_are_well()


@step
def flood_under_a_low_rate(host):
    """What is beyond it is refused, and perf works again when it is lifted."""
    host.pvperf("tune", "hostile", "--requests-sec", str(RATE))
    wait_for(lambda: VMS["hostile"].stats()["requests_sec"] == RATE, "the limit")
    before, after = flood(host)
    check(after["refusals"]["requests_sec"] > before["refusals"]["requests_sec"], "refusals: %s", after["refusals"])
    check(after["last_refusals"]["requests_sec"]["limit"] == RATE, "%s", after["last_refusals"])
    host.pvperf("tune", "hostile", "--requests-sec", "400000")
    both_are_well()


@step
def flood_under_a_low_quota(host):
    """What the backend has no time for is not asked for."""
    host.pvperf("tune", "hostile", "--cpu-period", "100000", "--cpu-quota", "1000")
    flood(host)
    host.pvperf("tune", "hostile", "--cpu-period", "5000", "--cpu-quota", "1250")
    both_are_well()


@step
def audited(host):
    """One line a minute, however many refusals there were, and none of the other VM's."""
    uuid = host.virsh("domuuid", "hostile").out.strip()
    lines = [line for line in host.daemon.text().splitlines() if re.search(AUDIT % (uuid, RATE), line)]
    minutes = 1 + int((time.monotonic() - BEGAN) / 60)
    print("     %s" % lines, flush=True)
    check(1 <= len(lines) <= minutes, "%d lines in %d minutes", len(lines), minutes)
    check("domain victim" not in "".join(line for line in host.daemon.text().splitlines() if "refused" in line),
          "the victim was refused something: %s", host.daemon.text())


BEGAN = time.monotonic()
main()
