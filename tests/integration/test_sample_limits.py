#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The operator's limits on samples, and what the guest and the operator see of them."""

import time

from harness import Guest, Overflows, bare, check, main, record, stat, step

CLOCK = "vcpu-clock"
RATE = 500
TUNE = ("<sampletune><min_period>100000</min_period><total_samples_sec>%d</total_samples_sec>%s</sampletune>")
BURST = ("<total_samples_sec_max>4000</total_samples_sec_max>"
         "<total_samples_sec_max_length>1</total_samples_sec_max_length>")


def check_limited(guest, command, options, size, seconds):
    """Samples of a command that asks for more than it may have."""
    time.sleep(2)                       # the buckets are empty again
    overflows = Overflows(guest)
    begin = time.monotonic()
    found = record(guest, CLOCK, command, options)
    numbers = overflows.check()
    most = RATE * (time.monotonic() - begin) + size
    print("     %s: %d overflows, %s" % (options, numbers["overflows"], found.records), flush=True)
    check(0.7 * RATE * seconds <= numbers["overflows"] <= most, "%d overflows, at most %d are allowed: %s",
          numbers["overflows"], most, numbers)
    check(numbers["throttles"] > 0 and numbers["throttled_ns"] > 0, "the host's statistics: %s", numbers)
    check(found.records.get("THROTTLE", 0) > 0 and found.records.get("UNTHROTTLE", 0) > 0,
          "perf saw no throttling: %s", found.records)
    check(numbers["lost"] == 0 and "LOST" not in found.records, "%s %s", numbers, found.records)
    return numbers


@step
def total_samples_sec(host, guest):
    check_limited(guest, "work burn 3000", "-F 4000", RATE // 10 + 1, 3)


@step
def over_all_events_and_vcpus(host, guest):
    check_limited(guest, "work tree 1 2000", "-a -F 4000 -e pvperf/vcpu-clock/u", RATE // 10 + 1, 2)


@step
def lost_time_is_told(host, guest):
    """What was not counted is time not running: perf stat of a throttled event scales."""
    guest.run("perf record -o /dev/null -F 4000 -e pvperf/vcpu-clock/ -- work burn 1000 >/dev/null 2>&1")
    total = guest.totals()[CLOCK]
    check(total["running"] < total["enabled"], "throttled, yet it ran all the time: %s", total)


@step
def below_min_period(host, guest):
    before = guest.stats()["refusals"]["min_period"]
    result = guest.run("perf record -o /dev/null -c 1000 -e pvperf/vcpu-clock/ -- true 2>&1", check=False)
    check(result.status != 0, "a period below the minimum was accepted: %s", result)
    check("min_period 100000" in guest.dmesg(), "the kernel log does not name the limit: %s", guest.dmesg())
    check("min_period 100000" in guest.sysfs("last_refusal"), "sysfs says %s", guest.sysfs("last_refusal"))
    check(guest.stats()["refusals"]["min_period"] > before, "refusals: %s", guest.stats()["refusals"])


@step
def frequency_above_min_period(host, guest):
    """A frequency is a wish: as much of it as min_period lets through, here 10 kHz."""
    guest.run("echo 100000 >/proc/sys/kernel/perf_event_max_sample_rate")
    found = record(guest, CLOCK, "work burn 300", "-F 50000")
    check(found.records["SAMPLE"] > 0 and found.period >= found.records["SAMPLE"] * 100000,
          "periods add up to %d: %s", found.period, found.records)


@step
def shown_to_the_operator(host, guest):
    text = host.pvperf("stats", guest.name).out
    check("Throttled:" in text and "Overflows:" in text and "Min period:     100000" in text, "%s", text)
    rate = host.pvperf_json("capabilities")["perf_event_max_sample_rate"]
    with open("/proc/sys/kernel/perf_event_max_sample_rate", encoding="ascii") as file:
        check(rate == int(file.read()), "capabilities say %d", rate)


@step
def burst(host, guest):
    """A new limit is in force at once; a burst is what it says."""
    host.edit(guest.name, bare(TUNE % (RATE, BURST)))
    guest.restart_served("up")
    numbers = check_limited(guest, "work burn 4000", "-F 8000", 4000, 4)
    check(numbers["overflows"] > RATE * 4 + 2000, "no burst: %s", numbers)


@step
def ceiling_of_memory(host, guest):
    """64 KiB are one vCPU's ring: the other one cannot sample, but counts."""
    host.configure("ceiling_memory = 64\n")
    host.reload()
    guest.restart_served("up")
    with open("/proc/%d/cmdline" % host.backends()[0], encoding="ascii") as file:
        check("--max-rings-kib 64" in file.read().replace("\0", " "), "the backend was not told")
    with open("/proc/%d/limits" % host.backends()[0], encoding="ascii") as file:
        check("Max locked memory 65536 65536" in " ".join(file.read().split()), "another limit of locked memory")
    sampling = "perf record -o /dev/null -F 500 -C %d -e pvperf/vcpu-clock/ -- sleep 0.2 2>&1"
    guest.run(sampling % 0)
    result = guest.run(sampling % 1, check=False)
    check(result.status != 0, "a ring beyond the ceiling: %s", result)
    check("resources" in guest.sysfs("last_refusal"), "sysfs says %s", guest.sysfs("last_refusal"))
    check(guest.stats()["refusals"]["resources"] > 0, "refusals: %s", guest.stats()["refusals"])
    guest.run(sampling % 0)
    found = stat(guest, "pvperf/vcpu-clock/", "work burn 200", "-C 1")["pvperf/vcpu-clock/"]
    check(not isinstance(found.value, str) and found.value > 0, "the other vCPU does not count: %s", found)


@step
def nothing_left(host, guest):
    check(guest.stats()["open"] == 0, "events are still open: %s", guest.stats())
    guest.check_kernel()


main(guest=lambda host: Guest(host, max_vcpus=2).up(bare(TUNE % (RATE, ""))))
