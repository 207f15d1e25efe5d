# SPDX-License-Identifier: LGPL-2.1-or-later
"""`perf stat` in a guest, read back from its machine-readable form."""

from .process import Failure

NOT_SUPPORTED = "<not supported>"
NOT_COUNTED = "<not counted>"

TRIES = 4
NOTHING = {"count": 0}


class Stat:
    """What perf stat says of one event: lines of one event (CPUs, intervals) are added up."""

    def __init__(self, event):
        self.event = event
        self.value = 0                  # a number, NOT_SUPPORTED or NOT_COUNTED
        self.running_ns = 0
        self.percent = 100.0            # the lowest of its lines
        self.lines = []

    def add(self, value, running_ns, percent):
        self.lines.append(value)
        if isinstance(value, str) or isinstance(self.value, str):
            self.value = value
        else:
            self.value += value
            self.running_ns += running_ns
            self.percent = min(self.percent, percent)

    def __repr__(self):
        return "%s=%s (%.2f %%)" % (self.event, self.value, self.percent)


def number(text):
    if text in (NOT_SUPPORTED, NOT_COUNTED):
        return text
    return float(text) if "." in text else int(text)


def parse(text, skip=0):
    """Lines of `perf stat -x,` as a list of Stat in perf's order of events.

    skip: fields before the value (one for -I, one for -A). An event that is
    asked for twice is two Stats.
    """
    stats = {}
    seen = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split(",")
        key, fields = tuple(fields[:skip]), fields[skip:]
        if len(fields) < 5:
            continue
        try:
            value = number(fields[0])
        except ValueError:
            continue
        event = fields[2]
        occurrence = seen[key, event] = seen.get((key, event), 0) + 1
        found = stats.setdefault((event, occurrence), Stat(event))
        found.add(value, int(fields[3] or 0), float(fields[4] or 0))
    return list(stats.values())


def stat_list(guest, events, command, options="", timeout=120):
    """Count events (perf's syntax) of a command in the guest; a list, in their order."""
    words = options.split()
    result = guest.run(
        "perf stat -x, -o /tmp/stat %s -e '%s' -- %s >/tmp/stat.out 2>&1; s=$?; cat /tmp/stat; "
        "[ $s = 0 ] || cat /tmp/stat.out; exit $s" % (options, events, command), timeout)
    found = parse(result.out, skip=words.count("-I") + words.count("-A"))
    if not found:
        raise Failure("perf stat said nothing: %s" % result)
    return found


def stat(guest, events, command, options="", timeout=120):
    """The same as a dictionary by perf's name of the event."""
    return {found.event: found for found in stat_list(guest, events, command, options, timeout)}


def perf_name(event):
    """perf's name of one of our events."""
    return "pvperf/%s/" % event if event.startswith("vcpu-") else event


def check_equal(guest, events, command, options="", timeout=120, least=50):
    """Count events (our names) and fail unless the host's totals grew by exactly what perf says.

    What is compared is what was counted: perf is told not to scale up for the
    time in which an event waited for the host, and that share may not be
    large. On a host that is short of CPUs an answer may come later than a
    guest may wait; if nothing follows it the guest never has that count and
    says so in the time. So a guest that has less is measured again, one that
    has more is not.
    """
    for _ in range(TRIES):
        before = guest.totals()
        stats = stat(guest, ",".join(perf_name(event) for event in events), command,
                     "--no-scale " + options, timeout)
        after = guest.totals()
        pairs = {event: (stats[perf_name(event)], after[event]["count"] - before.get(event, NOTHING)["count"])
                 for event in events}
        if all(found.value == count and found.percent >= least for found, count in pairs.values()):
            return {event: found.value for event, (found, count) in pairs.items()}
        print("     again: (guest, host) of `%s`: %s" % (command, pairs), flush=True)
        if any(isinstance(found.value, str) or found.value > count for found, count in pairs.values()):
            break
    raise Failure("(guest, host) of `%s`: %s" % (command, pairs))
