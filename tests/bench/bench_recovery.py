#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long a guest has no backend after one was killed or stopped, whatever the guest was doing.

A strike is timed from the signal to the new session in the window, by looking
every half millisecond. Beside it, in the same run, what nobody can be faster
than: a process of the same program that is started and ends at once (the
peer). The limit is 200 ms.
"""

import os
import platform
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "integration"))

# pylint: disable=wrong-import-position
from harness import LOADS, Guest, Load, Window, bare, built, main, quantile, step, strike  # noqa: E402

POINTS = 8                              # of each kind in each load
LIMIT_MS = 200


def started_and_ended():
    begin = time.monotonic()
    subprocess.run([built("src", "backend", "pvperf-backend"), "--version"], stdout=subprocess.DEVNULL, check=True)
    return (time.monotonic() - begin) * 1000


def line(name, times):
    print("     %-30s %4d  p50 %6.1f ms  p99 %6.1f ms  longest %6.1f ms" % (
        name, len(times), quantile(times, 0.5), quantile(times, 0.99), max(times)), flush=True)


@step
def recovery(host, guest):
    print("     machine: %d CPUs, Linux %s, load %.2f before; guest: 2 vCPUs, emulated (TCG)" % (
        os.cpu_count(), platform.release(), os.getloadavg()[0]))
    window = Window(host)
    took = {signal.SIGKILL: [], signal.SIGSTOP: []}
    peer = []
    for name in LOADS:
        load = Load(guest, name)
        here = []
        for number in sorted(took) * POINTS:
            time.sleep(2.1)             # a failure is forgiven
            peer.append(started_and_ended())
            here.append(strike(host, window, number))
            took[number].append(here[-1])
        load.end()
        line(name, here)
    for number, times in took.items():
        line(signal.Signals(number).name, times)
    line("start of a process", peer)
    late = quantile(took[signal.SIGKILL] + took[signal.SIGSTOP], 0.99)
    print("     p99 %.1f ms, limit %d ms: %s" % (late, LIMIT_MS, "met" if late <= LIMIT_MS else "missed"), flush=True)


main(guest=lambda host: Guest(host, max_vcpus=2).up(bare()))
