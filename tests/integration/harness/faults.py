# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faults put into a running host: what is struck, what the guest does meanwhile, and what people see of it."""

import mmap
import os
import signal
import struct
import time

from .case import check
from .perf import parse
from .process import TIME_FACTOR, Failure, wait_for

SESSION = 64                            # pvperf_header.session, and its state behind it
UP = 1                                  # PVPERF_HOST_UP
CLOCK = "pvperf/vcpu-clock/"

# What a guest does meanwhile: a shell command that is run over and over, by what of us it keeps busy.
LOADS = {
    "every operation": "work flood $(cat /sys/bus/event_source/devices/pvperf/type) 1",
    "switches": "perf stat -e pvperf/vcpu-clock/,pvperf/vcpu-switches/ -- work switch 2000",
    "forks": "perf stat -e pvperf/vcpu-clock/ -- work churn 50",
    "whole CPUs, read": "perf stat -a -I 100 -e pvperf/vcpu-clock/ -- sleep 1",
    "groups": "perf stat -e '{pvperf/vcpu-clock/,pvperf/vcpu-switches/}' -- work burn 200",
    "samples": "perf record -F 500 -o /tmp/load.data -e pvperf/vcpu-clock/ -- work split 500",
    "nothing": "sleep 1",
}


class Window:
    """The window of the one VM that the daemon serves, as both sides see it."""

    def __init__(self, host, write=False):
        """The header alone to look at; with write, all of it."""
        directory = "/proc/%d/fd" % host.daemon.pid
        for name in os.listdir(directory):
            path = os.path.join(directory, name)
            try:
                if os.readlink(path).startswith("/memfd:pvperf ("):
                    with open(path, "r+b" if write else "rb") as file:
                        self.map = mmap.mmap(
                            file.fileno(), 0 if write else 4096, mmap.MAP_SHARED,
                            mmap.PROT_READ | (mmap.PROT_WRITE if write else 0))
                    return
            except FileNotFoundError:
                pass
        raise Failure("the daemon has no window")

    def session(self):
        """Its nonce, 0 while nobody serves it."""
        nonce, state = struct.unpack_from("<QI", self.map, SESSION)
        return nonce if state == UP else 0


class Load:
    """A load that runs in the guest until it is told to end."""

    def __init__(self, guest, name):
        self.guest = guest
        guest.run("rm -f /tmp/enough /tmp/ended; "
                  "(while [ ! -e /tmp/enough ]; do %s; done; touch /tmp/ended) >/dev/null 2>&1 &" % LOADS[name])

    def end(self):
        self.guest.run("touch /tmp/enough")
        wait_for(lambda: self.guest.run("[ -e /tmp/ended ]", check=False).status == 0, "the load to end", 30)


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

    def look_soon(self):
        """The same, of a daemon that has only just come: they may be missing for a moment."""
        wait_for(lambda: self.guest.host.pvperf("stats", self.guest.name, check=False).status == 0,
                 "the totals to be shown", timeout=5)
        self.look()


class Whole:
    """A perf stat -a that runs through it all."""

    def __init__(self, guest):
        self.guest = guest
        self.begin = time.monotonic()
        guest.run("perf stat --no-scale -x, -a -e %s -o /tmp/whole -- sleep 1000 >/dev/null 2>&1 &" % CLOCK)
        wait_for(lambda: guest.stats()["open"], "perf in the guest to open its event")

    def end(self, least):
        """At least this share of the time was counted, and no more than there was."""
        lasted = time.monotonic() - self.begin
        self.guest.run("kill -INT $(pidof sleep work) 2>/dev/null; while pidof perf >/dev/null; do sleep 0.1; done",
                       check=False)
        (whole,) = parse(self.guest.out("cat /tmp/whole"))
        cpu_s = whole.value / 1e9
        print("     %.0f s of two CPUs: %.1f s counted (%.0f %% running)" % (lasted, cpu_s, whole.percent), flush=True)
        check(0 < cpu_s <= 2 * (lasted + 10), "%.1f s counted in %.1f s on two CPUs", cpu_s, lasted)
        check(whole.percent > least, "only %.0f %% of the time was counted", whole.percent)


def strike(host, window, number):
    """Send the signal to the one backend; ms until another one serves the guest."""
    (pid,) = host.backends()
    before = window.session()
    begin = time.monotonic()
    os.kill(pid, number)
    end = begin + 60 * TIME_FACTOR
    while window.session() in (0, before):
        if time.monotonic() > end:
            raise Failure("no other backend serves after %s" % signal.Signals(number).name)
        time.sleep(0.0005)
    return (time.monotonic() - begin) * 1000


def quantile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(part * len(values)))]
