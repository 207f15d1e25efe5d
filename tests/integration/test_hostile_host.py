#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host that writes anything anywhere into the window: the guest's kernel takes no harm, and waits for nothing.

What it counts meanwhile is what a host that lies says; afterwards, under a new
session, all is as before. The backend is left running: it has to live with the
same window.
"""

import os
import random
import signal
import time

from harness import Guest, Load, Window, bare, check, check_equal, main, step, wait_for

EVENTS = ("vcpu-clock", "vcpu-switches")
SECONDS = 6
HEADER = 4096
SEED = int(os.environ.get("PVPERF_SEED", "0")) or random.randrange(1, 1 << 31)
# What does most harm where a number is believed.
WORDS = (0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff, 0xffffffffffffffff)


def scribble(window, dice, first, end):
    """Words of 4 and 8 bytes, for SECONDS, at random places from first up to end."""
    until = time.monotonic() + SECONDS
    done = 0
    while time.monotonic() < until:
        for _ in range(200):
            size = dice.choice((4, 8))
            value = dice.choice(WORDS) if dice.random() < 0.5 else dice.getrandbits(64)
            offset = dice.randrange(first, end - 8) // size * size
            window.map[offset:offset + size] = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
            done += 1
        time.sleep(0.001)
    return done


def again(host, guest):
    """A new backend writes the whole of its part anew; the driver finds it."""
    (pid,) = host.backends()
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: host.backends() not in ([], [pid]), "another backend")
    guest.wait_driver()
    guest.wait_closed()
    check_equal(guest, EVENTS, "work burn 100")
    guest.check_kernel()


def under(host, guest, load, first, end):
    dice = random.Random(SEED)
    window = Window(host, write=True)
    running = Load(guest, load)
    done = scribble(window, dice, first, end or len(window.map))
    begin = time.monotonic()
    guest.run("perf stat -e pvperf/vcpu-clock/ -- true", check=False, timeout=30)
    took = time.monotonic() - begin
    running.end()
    print("     PVPERF_SEED=%d: %d words; perf stat took %.1f s after it" % (SEED, done, took), flush=True)
    check(took < 20, "perf stat of nothing took %.1f s", took)
    again(host, guest)


@step
def header(host, guest):
    under(host, guest, "every operation", 0, HEADER)


@step
def slots_and_answers(host, guest):
    under(host, guest, "every operation", HEADER, None)


@step
def samples(host, guest):
    under(host, guest, "samples", HEADER, None)


@step
def all_of_it(host, guest):
    under(host, guest, "groups", 0, None)


main(guest=lambda host: Guest(host, max_vcpus=2).up(bare()))
