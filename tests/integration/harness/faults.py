# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faults put into a running host: a backend is killed or stopped, and how long its guest has none."""

import mmap
import os
import signal
import struct
import time

from .process import TIME_FACTOR, Failure, wait_for

SESSION = 64                            # pvperf_header.session, and its state behind it
UP = 1                                  # PVPERF_HOST_UP

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

    def __init__(self, host):
        directory = "/proc/%d/fd" % host.daemon.pid
        for name in os.listdir(directory):
            path = os.path.join(directory, name)
            try:
                if os.readlink(path).startswith("/memfd:pvperf ("):
                    with open(path, "rb") as file:
                        self.map = mmap.mmap(file.fileno(), 4096, mmap.MAP_SHARED, mmap.PROT_READ)
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
