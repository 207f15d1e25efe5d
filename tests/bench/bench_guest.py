#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What sampling leaves of a guest's throughput, at the default limits and as fast as they let it.

In turns within one run, in one guest whose vCPUs are all busy:

  nothing        the base
  guest's timer  perf record -e cpu-clock: the guest's own kernel samples, the
                 host has no part in it (the peer)
  host's timer   the host samples the vCPU threads and keeps it to itself: what
                 the interrupts of any sampling on this host cost (the limit)
  pvperf         perf record -e pvperf/vcpu-clock/: the same on the host, and
                 each overflow told to the guest

Throughput is what all vCPUs get done in a second; the best of the rounds of
each kind, because whatever else runs on the machine can only take away.
"""

import os
import platform
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "integration"))

# pylint: disable=wrong-import-position
from harness import Guest, Overflows, bare, main, step  # noqa: E402

SECONDS = 4
ROUNDS = 3
RATE = 5000                             # of each vCPU: total_samples_sec by default
KEEP = 75                               # percent, that a guest has to keep


def machine():
    with open("/proc/cpuinfo", encoding="ascii") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "?")
    return "%d CPUs, %s, Linux %s, load %.2f before" % (
        os.cpu_count(), model, platform.release(), os.getloadavg()[0])


def throughput(guest, event=None):
    if event:
        guest.run("perf record -a -F %d -o /dev/null -e %s -- sleep %d >/dev/null 2>&1 & sleep 1"
                  % (RATE, event, SECONDS + 2))
    done = int(guest.out("work throughput %d" % SECONDS).split()[1])
    guest.run("while pidof perf >/dev/null; do sleep 0.2; done")
    return done / SECONDS


def throughput_host_sampled(guest):
    recorder = subprocess.Popen(["perf", "record", "-q", "-F", str(RATE), "-e", "task-clock", "-o", "/dev/null",
                                 "-t", ",".join(guest.vcpu_threads())], stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
    try:
        return throughput(guest)
    finally:
        recorder.terminate()
        recorder.wait()


@step
def sampled_as_fast_as_it_may(host, guest):
    print("     machine: %s" % machine())
    print("     guest: 2 vCPUs, emulated (TCG), default limits, %d samples a second and vCPU" % RATE)
    guest.run("echo 100000 >/proc/sys/kernel/perf_event_max_sample_rate")
    best = {}
    overflows = Overflows(guest)
    for _ in range(ROUNDS):
        for name, measure in (("nothing", lambda: throughput(guest)),
                              ("guest's timer", lambda: throughput(guest, "cpu-clock")),
                              ("host's timer", lambda: throughput_host_sampled(guest)),
                              ("pvperf", lambda: throughput(guest, "pvperf/vcpu-clock/"))):
            best[name] = max(best.get(name, 0), measure())
    for name, rate in best.items():
        print("     %-14s %10.0f rounds/s  %5.1f %%" % (name, rate, 100 * rate / best["nothing"]))
    print("     %s" % overflows.check())
    kept = 100 * best["pvperf"] / best["nothing"]
    print("     kept %.0f %%, target %d %%: %s" % (kept, KEEP, "met" if kept >= KEEP else "missed"), flush=True)


main(guest=lambda host: Guest(host, max_vcpus=2).up(bare()))
