# SPDX-License-Identifier: LGPL-2.1-or-later
"""`perf record` in a guest, its report read back, and the samples accounted for on both sides."""

from .perf import perf_name
from .process import Failure

DATA = "/tmp/perf.data"
SEPARATOR = ";"


class Record:
    """What one `perf record` wrote: samples by command and symbol, periods added up, records by name."""

    def __init__(self, rows, records, period, clock_ns):
        self.rows = rows                # [(command, symbol, samples)]
        self.records = records          # {"SAMPLE": 12, "THROTTLE": 1, ...}
        self.period = period            # sum over all samples
        self.clock_s = clock_ns / 1e9   # vcpu-clock of the host, of all events
        self.samples = sum(row[2] for row in rows)

    def of(self, command=None, symbol=None):
        """Samples of a command, of a symbol, or of both."""
        return sum(samples for name, where, samples in self.rows
                   if command in (None, name) and symbol in (None, where))

    def percent(self, command=None, symbol=None):
        return 100.0 * self.of(command, symbol) / self.samples if self.samples else 0.0

    def __repr__(self):
        top = sorted(self.rows, key=lambda row: -row[2])[:12]
        return "%d samples, %s, top: %s" % (self.samples, self.records, top)


def read_report(guest):
    text = guest.out("perf report --stdio -q -n -g none --no-children --sort comm,sym -t '%s' -i %s 2>/dev/null"
                     % (SEPARATOR, DATA), 120)
    rows = []
    for line in text.splitlines():
        fields = [field.strip() for field in line.split(SEPARATOR)]
        if len(fields) >= 4 and fields[0].endswith("%"):
            rows.append((fields[2], fields[3].split("] ", 1)[-1], int(fields[1])))
    return rows


# Counts of the types of record, and the sum of the samples' periods.
AWK = r"""
/PERF_RECORD_/ {
    for (i = 1; i <= NF; i++) {
        if ($i !~ /^PERF_RECORD_/)
            continue
        sub(/[:(].*/, "", $i)
        n[$i]++
        for (j = i; $i == "PERF_RECORD_SAMPLE" && j < NF; j++)
            if ($j == "period:")
                sum += $(j + 1)
    }
}
END {
    for (k in n)
        print k, n[k]
    printf "period %.0f\n", sum
}"""


def read_records(guest):
    text = guest.out("perf report -D -i %s 2>/dev/null | awk '%s'" % (DATA, AWK), 120)
    records = {}
    for line in text.splitlines():
        name, number = line.split()
        records[name.replace("PERF_RECORD_", "")] = int(number)
    return records, records.pop("period", 0)


def clock_ns(guest):
    return guest.totals().get("vcpu-clock", {"count": 0})["count"]


def record(guest, event, command, options="", timeout=120):
    """perf record of a command in the guest; event is our name of it."""
    before = clock_ns(guest)
    result = guest.run("perf record -o %s -e '%s' %s -- %s 2>&1" % (DATA, perf_name(event), options, command), timeout)
    if result.status != 0:
        raise Failure("perf record failed: %s" % result)
    clock = clock_ns(guest) - before
    rows = read_report(guest)
    records, period = read_records(guest)
    return Record(rows, records, period, clock)


class Overflows:
    """The overflows of a stretch of time, as the host took them and as the guest used them."""

    def __init__(self, guest):
        self.guest = guest
        self.before = self.look()

    def look(self):
        lines = self.guest.sysfs("samples").splitlines()
        found = {name: int(number) for name, number in (line.split() for line in lines)}
        found.update(self.guest.stats()["sampling"])
        return found

    def since(self):
        now = self.look()
        return {name: now[name] - self.before[name] for name in now}

    @staticmethod
    def used(found):
        return sum(found[name] for name in ("written", "coalesced", "throttled", "filtered", "lost"))

    def agree(self, found):
        """Each overflow of the host is one of the guest's, to the last one."""
        return self.used(found) == found["overflows"]

    def check(self):
        """Fails unless they agree; the numbers."""
        found = self.since()
        if not self.agree(found):
            raise Failure("the host took %d overflows, the guest accounts for %d: %s" % (
                found["overflows"], self.used(found), found))
        return found
