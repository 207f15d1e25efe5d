#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A backend dies, and whenever: the guest's perf goes on, nothing is counted twice, totals never go back."""

import os
import random
import signal
import time

from harness import Guest, Load, LOADS, Totals, Whole, Window, bare, check, check_equal, main, quantile, step, strike

EVENTS = ("vcpu-clock", "vcpu-switches")
CLOCK = "pvperf/vcpu-clock/"
POINTS = int(os.environ.get("PVPERF_FAULTS", "2"))   # of each kind in each load
SEED = int(os.environ.get("PVPERF_SEED", "0")) or random.randrange(1, 1 << 31)


@step
def backend_struck(host, guest):
    """Killed and stopped by turns, while the guest does this and that and two perfs run through it all."""
    dice = random.Random(SEED)
    print("     PVPERF_SEED=%d" % SEED, flush=True)
    window = Window(host)
    totals = Totals(guest)
    took = {signal.SIGKILL: [], signal.SIGSTOP: []}

    whole = Whole(guest)
    guest.run("perf record -q -F 100 -e %s -o /tmp/record -- work burn 1000000 >/dev/null 2>&1 &" % CLOCK)
    for name in LOADS:
        load = Load(guest, name)
        for number in sorted(took) * POINTS:
            time.sleep(2 + dice.random())
            totals.look()
            took[number].append(strike(host, window, number))
            totals.look()
        load.end()
    time.sleep(3)
    # A death costs what was counted since the last second's read, and no more.
    whole.end(25)
    samples = int(guest.out("perf script -i /tmp/record -F ip 2>/dev/null | wc -l"))
    for number, times in took.items():
        print("     %s: %d struck, another serves after p50 %.1f ms, p99 %.1f ms" % (
            signal.Signals(number).name, len(times), quantile(times, 0.5), quantile(times, 0.99)), flush=True)
    check(samples > 100, "the record has %d samples", samples)
    check_equal(guest, EVENTS, "work burn 100")
    totals.look()
    guest.wait_closed()
    guest.check_kernel()


main(guest=lambda host: Guest(host, max_vcpus=2).up(bare()))
