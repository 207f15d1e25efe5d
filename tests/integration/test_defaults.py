#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bare element never gets in the way: perf on all CPUs of a guest, at perf's own rate."""

import re

from harness import NOT_SUPPORTED, Guest, Overflows, bare, check, main, parse, record, step

VCPUS = 8
CLOCK = "vcpu-clock"
RATE = 4000                             # perf's own, Hz
BUSY = "sh -c 'for i in $(seq %d); do work burn %%d & done; wait'" % VCPUS


def check_no_refusal(guest, *allowed):
    """Nothing was refused since the guest's start but for these reasons."""
    refusals = {reason: number for reason, number in guest.stats()["refusals"].items() if number}
    print("     refusals: %s" % refusals, flush=True)
    check(set(refusals) <= set(allowed), "refused by the defaults: %s", refusals)


def check_no_throttle(guest, overflows, least):
    numbers = overflows.since()
    print("     %s" % numbers, flush=True)
    check(numbers["throttles"] == 0 and numbers["throttled_ns"] == 0, "throttled by the defaults: %s", numbers)
    check(numbers["overflows"] >= least, "%d overflows, at least %d were expected: %s", numbers["overflows"], least,
          numbers)


@step
def limits_are_the_defaults(host, guest):
    stats = guest.stats()
    check(stats["max"] == 4 * 16 * VCPUS and stats["per_vcpu"] == 16, "%s", stats)
    check(guest.out("nproc") == str(VCPUS), "the guest has %s CPUs", guest.out("nproc"))


@step
def stat_of_everything(host, guest):
    """16 hardware events on each CPU: counted, or the host has none of them; nothing else refuses."""
    found = parse(guest.run("perf stat -a -ddd -x, -- sleep 1 2>&1", 60).out)
    names = [one.event for one in found]
    hardware = [one for one in found if "-" in one.event and one.event.split("-")[0] in ("L1", "LLC", "dTLB", "iTLB")]
    print("     %s" % found, flush=True)
    check(len(hardware) == 12 and {"cycles", "instructions", "branches", "branch-misses"} <= set(names), "%s", found)
    check(all(one.value == NOT_SUPPORTED or one.percent > 0 for one in hardware), "%s", found)
    check_no_refusal(guest, "host")


@step
def four_tools_beside_each_other(host, guest):
    """16 events on each CPU, four times; what the operator lets through at once is what docs/policy.rst says."""
    events = ",".join(["pvperf/vcpu-clock/"] * 16)
    tools = " ".join("perf stat -a -x, -o /tmp/stat%d -e %s -- sleep 3 &" % (tool, events) for tool in range(4))
    guest.run(tools + " wait", 120)
    check(guest.stats()["open_peak"] == 4 * 16 * VCPUS, "%d events were open at most", guest.stats()["open_peak"])
    for tool in range(4):
        found = parse(guest.out("cat /tmp/stat%d" % tool))
        check(len(found) == 16 and all(not isinstance(one.value, str) for one in found), "tool %d: %s", tool, found)
    check_no_refusal(guest, "host")


@step
def record_of_all_cpus(host, guest):
    overflows = Overflows(guest)
    found = record(guest, CLOCK, BUSY % 3000, "-a")
    print("     %.0f samples a second of vCPU time: %s" % (found.samples / found.clock_s, found.records), flush=True)
    check_no_throttle(guest, overflows, 0.5 * RATE * found.clock_s)
    check("THROTTLE" not in found.records and "LOST" not in found.records, "perf's records: %s", found.records)
    check_no_refusal(guest, "host")


@step
def top(host, guest):
    """perf top, until it is interrupted. It waits for keys, and nobody presses one."""
    overflows = Overflows(guest)
    guest.run("(%s) >/dev/null & sleep 20 | timeout -s KILL 25 timeout -s INT 10 "
              "perf top --stdio -d 1 -e pvperf/vcpu-clock/ >/tmp/top 2>&1; wait" % (BUSY % 3000), 90)
    text = guest.out("cat /tmp/top")
    check("[%dHz" % RATE in text, "perf top does not sample at %d Hz: %s", RATE, text[-2000:])
    check(re.search(r"\d%\s+\S+\s+\[[k.]\]", text), "perf top shows no symbol: %s", text[-2000:])
    check_no_throttle(guest, overflows, RATE)
    check_no_refusal(guest, "host")


@step
def nothing_left(host, guest):
    guest.wait_closed()
    guest.check_kernel()


main(guest=lambda host: Guest(host, vcpus=VCPUS, max_vcpus=VCPUS).up(bare()))
