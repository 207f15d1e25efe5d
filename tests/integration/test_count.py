#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counting in a guest that got its device by `virsh edit`: what perf prints is what the host counted."""

from harness import NOT_SUPPORTED, TIME_FACTOR, Guest, bare, check, check_equal, main, stat, stat_list, step

VCPU = ("vcpu-clock", "vcpu-switches", "vcpu-migrations")
CLOCK = "pvperf/vcpu-clock/"
SWITCHES = "pvperf/vcpu-switches/"
MS = 1000000


def check_clock(counts, ms):
    """Of ms of work: the guest's clock runs on while its vCPU waits for a CPU, the vCPU's does not."""
    check(ms * MS // 5 < counts["vcpu-clock"] < 3 * ms * MS, "%d ms of work gave %s", ms, counts)


@step
def task(host, guest):
    check_clock(check_equal(guest, VCPU, "work burn 500"), 500)


@step
def moves_over_all_vcpus(host, guest):
    check_clock(check_equal(guest, VCPU, "work hop 3 100"), 600)


@step
def inherited(host, guest):
    check_clock(check_equal(guest, VCPU, "work tree 4 100"), 800)


@step
def inherited_by_short_lives(host, guest):
    check_equal(guest, VCPU, "work churn 100")


@step
def switched_often(host, guest):
    check_equal(guest, VCPU, "work switch 500")


@step
def whole_system(host, guest):
    before = guest.vcpu_time()
    counts = check_equal(guest, VCPU, "work burn 2000", "-a")
    time = guest.vcpu_time() - before
    # perf itself takes its time where all is slow.
    check(TIME_FACTOR > 1 or time // 2 < counts["vcpu-clock"] < time,
          "the vCPUs ran for %d ns around a vcpu-clock of %d ns", time, counts["vcpu-clock"])


@step
def each_cpu(host, guest):
    found = stat(guest, CLOCK, "work burn 300", "-a -A")[CLOCK]
    check(len(found.lines) == 2, "-A on 2 CPUs gave %s", found.lines)


@step
def one_cpu(host, guest):
    check_equal(guest, VCPU, "taskset 2 work burn 300", "-C 1")


@step
def group(host, guest):
    before = guest.totals()
    found = stat(guest, "{%s,%s,%s}" % (CLOCK, SWITCHES, "pvperf/vcpu-migrations/"), "work hop 2 100", "--no-scale")
    after = guest.totals()
    for event in VCPU:
        name = "pvperf/%s/" % event
        delta = after[event]["count"] - before[event]["count"]
        check(found[name].value == delta, "%s: guest %s, host %d", event, found[name].value, delta)
    check(found[CLOCK].running_ns == found[SWITCHES].running_ns,
          "members of one group ran for different times: %s", found)


@step
def intervals(host, guest):
    before = guest.totals()
    found = stat(guest, CLOCK, "work burn 1000", "--no-scale -I 200")[CLOCK]
    after = guest.totals()
    check(len(found.lines) >= 3, "-I 200 of a second gave %s", found.lines)
    check(all(not isinstance(value, str) and value >= 0 for value in found.lines),
          "an interval went backwards: %s", found.lines)
    delta = after["vcpu-clock"]["count"] - before["vcpu-clock"]["count"]
    check(found.value == delta, "intervals add up to %s, the host counted %d", found.value, delta)


@step
def two_at_once(host, guest):
    before = guest.totals()
    guest.run("for i in 1 2; do perf stat --no-scale -x, -o /tmp/stat$i -e %s,%s -- work burn 600 & done; wait"
              % (CLOCK, SWITCHES))
    after = guest.totals()
    for event in ("vcpu-clock", "vcpu-switches"):
        lines = guest.out("grep -h %s /tmp/stat1 /tmp/stat2" % event).splitlines()
        values = [int(line.split(",")[0]) for line in lines]
        delta = after[event]["count"] - before[event]["count"]
        check(len(values) == 2 and sum(values) == delta, "%s: guest %s, host %d", event, values, delta)
    clocks = [int(line.split(",")[0]) for line in guest.out("grep -h vcpu-clock /tmp/stat1 /tmp/stat2").splitlines()]
    check(min(clocks) > 100 * MS, "600 ms of work each gave %s ns", clocks)


@step
def same_event_twice(host, guest):
    before = guest.totals()
    found = stat_list(guest, "%s,%s" % (CLOCK, CLOCK), "work hop 1 200", "--no-scale")
    after = guest.totals()
    values = [one.value for one in found]
    delta = after["vcpu-clock"]["count"] - before["vcpu-clock"]["count"]
    check(len(values) == 2 and sum(values) == delta, "guest %s, host %d", values, delta)
    check(abs(values[0] - values[1]) < max(values) // 5, "one kind, one task, yet far apart: %s", values)


@step
def attached_and_detached(host, guest):
    guest.run("work burn 5000 >/dev/null & echo $! >/tmp/pid")
    before = guest.totals()
    guest.run("perf stat --no-scale -x, -o /tmp/stat -e %s -p $(cat /tmp/pid) -- sleep 0.5" % CLOCK)
    after = guest.totals()
    value = int(guest.out("grep vcpu-clock /tmp/stat").split(",")[0])
    delta = after["vcpu-clock"]["count"] - before["vcpu-clock"]["count"]
    check(value == delta and value > 100 * MS, "guest %d, host %d", value, delta)
    guest.run("kill $(cat /tmp/pid)")


@step
def hardware_events(host, guest):
    events = {event["name"]: event for event in host.pvperf_json("capabilities")["events"]}
    if events["cycles"]["available"]:
        check_equal(guest, ("cycles", "instructions"), "work burn 300")
        return
    found = stat(guest, "cycles,instructions,%s" % CLOCK, "work burn 100")
    for event in ("cycles", "instructions"):
        check(found[event].value == NOT_SUPPORTED, "%s without a PMU on the host: %s", event, found[event])
    check(found[CLOCK].value > 0, "beside them: %s", found[CLOCK])
    check(events["cycles"]["reason"], "the host does not say why cycles cannot be counted")


@step
def plain_perf_stat(host, guest):
    result = guest.run("perf stat -- work burn 100 2>&1; perf stat -a -ddd -- work burn 100 2>&1")
    check("task-clock" in result.out and "cycles" in result.out, "%s", result)


@step
def batches_per_switch(host, guest):
    """Four events in a group cost at most two batches per context switch."""
    events = "{%s,%s,%s,%s}" % (CLOCK, SWITCHES, "pvperf/vcpu-migrations/", CLOCK)
    before = guest.stats()
    found = stat_list(guest, events + ",context-switches:u,context-switches:k",
                      "perf bench sched pipe -l 1000", timeout=240)
    after = guest.stats()
    switches = max(one.value for one in found if one.event.startswith("context-switches"))
    batches = after["batches"] - before["batches"]
    ops = {name: after["ops"][name] - before["ops"].get(name, 0) for name in after["ops"]}
    print("     %d context switches, %d batches, frames: %s" % (switches, batches, ops), flush=True)
    check(switches >= 1000, "only %s switches", switches)
    check(batches <= 2 * switches + 100, "%d batches for %d switches", batches, switches)
    check(ops["read"] <= 10, "frames: %s", ops)


@step
def nothing_left(host, guest):
    check(guest.stats()["open"] == 0, "events are still open: %s", guest.stats())
    check(host.pvperf_json("events", guest.name) == [], "events: %s", host.pvperf("events", guest.name))
    guest.check_kernel()


main(guest=lambda host: Guest(host, max_vcpus=2).up(bare("<events max='64'/>")))
