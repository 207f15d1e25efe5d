#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whatever of us dies, and whenever: the guest's perf goes on, nothing is counted twice, totals never go back."""

import os
import random
import signal
import time

from harness import Guest, Load, LOADS, Window, bare, check, check_equal, main, quantile, step, strike, wait_for
from harness.perf import parse

EVENTS = ("vcpu-clock", "vcpu-switches")
CLOCK = "pvperf/vcpu-clock/"
POINTS = int(os.environ.get("PVPERF_FAULTS", "2"))   # of each kind in each load
SEED = int(os.environ.get("PVPERF_SEED", "0")) or random.randrange(1, 1 << 31)


class Totals:
    """The totals as people see them: they never go back, and are there all the time."""

    def __init__(self, guest):
        self.guest = guest
        self.seen = {}

    def look(self):
        stats = self.guest.stats()
        now = {"%s.%s" % (event["event"], key): event[key]
               for event in stats["events"] for key in ("opened", "count", "enabled", "running")}
        now.update(("ops." + name, value) for name, value in stats["ops"].items())
        now.update(("refusals." + name, value) for name, value in stats["refusals"].items())
        now.update(("sampling." + name, value) for name, value in stats["sampling"].items())
        back = {name: (value, now.get(name)) for name, value in self.seen.items() if now.get(name, -1) < value}
        check(not back, "totals went back: %s", back)
        self.seen = now


@step
def backend_struck(host, guest):
    """Killed and stopped by turns, while the guest does this and that and two perfs run through it all."""
    dice = random.Random(SEED)
    print("     PVPERF_SEED=%d" % SEED, flush=True)
    window = Window(host)
    totals = Totals(guest)
    took = {signal.SIGKILL: [], signal.SIGSTOP: []}

    guest.run("perf stat --no-scale -x, -a -e %s -o /tmp/whole -- sleep 1000 >/dev/null 2>&1 &" % CLOCK)
    guest.run("perf record -q -F 100 -e %s -o /tmp/record -- work burn 1000000 >/dev/null 2>&1 &" % CLOCK)
    begin = time.monotonic()
    for name in LOADS:
        load = Load(guest, name)
        for number in sorted(took) * POINTS:
            time.sleep(2 + dice.random())
            totals.look()
            took[number].append(strike(host, window, number))
            totals.look()
        load.end()
    lasted = time.monotonic() - begin
    time.sleep(3)

    guest.run("kill -INT $(pidof sleep work) 2>/dev/null; while pidof perf >/dev/null; do sleep 0.1; done",
              check=False)
    (whole,) = parse(guest.out("cat /tmp/whole"))
    cpu_s = whole.value / 1e9
    samples = int(guest.out("perf script -i /tmp/record -F ip 2>/dev/null | wc -l"))
    for number, times in took.items():
        print("     %s: %d struck, another serves after p50 %.1f ms, p99 %.1f ms" % (
            signal.Signals(number).name, len(times), quantile(times, 0.5), quantile(times, 0.99)), flush=True)
    print("     %.0f s of two CPUs: %.1f s counted (%.0f %% running), %d samples" % (
        lasted, cpu_s, whole.percent, samples), flush=True)
    check(0 < cpu_s <= 2 * (lasted + 10), "%.1f s counted in %.1f s on two CPUs", cpu_s, lasted)
    # A death costs what was counted since the last second's read, and no more.
    check(whole.percent > 25, "only %.0f %% of the time was counted", whole.percent)
    check(samples > 100, "the record has %d samples of %.0f s", samples, lasted)
    check_equal(guest, EVENTS, "work burn 100")
    totals.look()
    guest.wait_closed()
    guest.check_kernel()


main(guest=lambda host: Guest(host, max_vcpus=2).up(bare()))
