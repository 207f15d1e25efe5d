#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sampling in a guest: perf record shows where the work is, and no overflow is lost or told twice."""

from harness import TIME_FACTOR, Guest, Overflows, bare, check, main, record, step

CLOCK = "vcpu-clock"
# Where all is slow the program gets less of its CPU, so fewer samples, which say less.
LEAST, SHARE, POINTS = (2000, 0.85, 3) if TIME_FACTOR == 1 else (1000, 0.3, 8)


def check_split(found):
    """75 % and 25 % of the program's own time, within 3 points, from at least 2000 samples."""
    print("     %s" % found, flush=True)
    own = found.of("work", "split_75") + found.of("work", "split_25")
    check(own >= LEAST and own >= SHARE * found.of("work"), "only %d samples of the two: %s", own, found)
    for symbol, share in (("split_75", 75), ("split_25", 25)):
        percent = 100.0 * found.of("work", symbol) / own
        check(abs(percent - share) <= POINTS, "%s has %.1f %% of the samples: %s", symbol, percent, found)


def check_overflows(overflows, found):
    numbers = overflows.check()
    print("     %s" % numbers, flush=True)
    check(numbers["written"] == found.records["SAMPLE"], "the driver wrote %d samples, perf has %s", numbers["written"],
          found.records)
    check(numbers["lost"] == 0, "overflows that nobody took: %s", numbers)


@step
def delivered_by_nmi(host, guest):
    check(guest.sysfs("delivery") == "nmi", "delivery is '%s'", guest.sysfs("delivery"))
    check("samples arrive by NMI" in guest.dmesg(), "the log does not say so: %s", guest.dmesg())


def check_record_of_split(guest, options, slack_ns):
    overflows = Overflows(guest)
    found = record(guest, CLOCK, "work split 4000", options + " -c 1000000 --period")
    check_split(found)
    check_overflows(overflows, found)
    check(abs(found.clock_s * 1e9 - found.period) <= slack_ns * TIME_FACTOR, "periods add up to %d, the count is %d",
          found.period, found.clock_s * 1e9)


@step
def split_of_a_task(host, guest):
    check_record_of_split(guest, "", 2 * 1000000)


@step
def split_of_the_system(host, guest):
    check_record_of_split(guest, "-a", 4 * 1000000)


@step
def frequency(host, guest):
    """997 overflows for each second of a vCPU: per task, inherited, and on each CPU.

    A machine whose CPUs are all busy delivers some of them together, the more
    the busier it is; a task alone leaves it one.
    """
    for command, options, least in (("work burn 3000", "", 0.8), ("work tree 1 2000", "", 0.4),
                                    ("work tree 1 3000", "-a", 0.4)):
        overflows = Overflows(guest)
        found = record(guest, CLOCK, command, "-F 997 " + options)
        taken = overflows.check()["overflows"] / found.clock_s
        rate = found.samples / found.clock_s
        print("     %s %s: %.0f overflows, %.0f samples a second" % (command, options, taken, rate), flush=True)
        check(abs(taken - 997) <= 50, "`%s` overflowed %.0f times a second: %s", command, taken, found)
        check(rate >= least * 997, "`%s` was sampled %.0f times a second: %s", command, rate, found)


@step
def alternating_programs(host, guest):
    """A sample that comes late still belongs to who was running, and to where it was."""
    found = record(guest, "pvperf/vcpu-clock/u", "work alternate 3000", "-c 250000")
    ours = found.of("ping") + found.of("pong")
    right = found.of("ping", "spin_ping") + found.of("pong", "spin_pong")
    wrong = found.of("ping", "spin_pong") + found.of("pong", "spin_ping")
    print("     %d of %d right, %d swapped: %s" % (right, ours, wrong, found), flush=True)
    check(ours > 2000, "only %d samples: %s", ours, found)
    check(right >= 0.98 * ours, "%d of %d samples have the right command and symbol: %s", right, ours, found)


@step
def callchains(host, guest):
    """A chain belongs to the place it starts from."""
    record(guest, CLOCK, "work split 1500", "-g -c 1000000")
    script = guest.out("perf script -i /tmp/perf.data -F ip,sym 2>/dev/null", 120)
    chains = [[line.split()[-1] for line in chain.splitlines() if line.strip()] for chain in script.split("\n\n")]
    leaves = [chain for chain in chains if chain and chain[0] in ("split_75", "split_25")]
    good = [chain for chain in leaves if chain[1:3] == ["split", "main"]]
    print("     %d of %d chains go on with split, main" % (len(good), len(leaves)), flush=True)
    check(len(leaves) > 800 and len(good) >= 0.98 * len(leaves), "%d chains, %d good, others: %s",
          len(leaves), len(good), [chain for chain in leaves if chain not in good][:5])


@step
def by_number_of_switches(host, guest):
    """An event that is no clock: every fifth time that the host switches a vCPU out.

    Of the CPUs: a task that is switched thousands of times meets an answer that
    is late now and then, and what overflowed meanwhile is lost, and says so.
    """
    before = guest.totals().get("vcpu-switches", {"count": 0})["count"]
    overflows = Overflows(guest)
    found = record(guest, "vcpu-switches", "work switch 300", "-a -c 5 --period")
    check_overflows(overflows, found)
    count = guest.totals()["vcpu-switches"]["count"] - before
    check(0 <= count - found.period < 2 * 5, "%d switches, the periods add up to %d", count, found.period)


@step
def groups(host, guest):
    """A leader that samples, with siblings that count, and all of them sampling."""
    for events in ("{%s,%s}:S", "{%s,%s}"):
        overflows = Overflows(guest)
        guest.run("perf record -c 1000000 -o /tmp/perf.data -e '%s' -- work split 300 2>&1"
                  % (events % ("pvperf/vcpu-clock/", "pvperf/vcpu-switches/")))
        numbers = overflows.check()
        check(numbers["written"] > 100 and numbers["lost"] == 0, "%s: %s", events, numbers)
    guest.check_kernel()


@step
def nothing_left(host, guest):
    check(guest.stats()["open"] == 0, "events are still open: %s", guest.stats())
    guest.check_kernel()


main(guest=lambda host: Guest(host, max_vcpus=2).up(bare()))
