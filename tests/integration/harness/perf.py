# SPDX-License-Identifier: LGPL-2.1-or-later
"""`perf stat` in a guest, read back from its machine-readable form."""

from .process import Failure

NOT_SUPPORTED = "<not supported>"
NOT_COUNTED = "<not counted>"


class Stat:
    """One line of `perf stat -x,`."""

    def __init__(self, event, value, unit, running_ns, percent):
        self.event = event
        self.value = value              # an int, NOT_SUPPORTED or NOT_COUNTED
        self.unit = unit
        self.running_ns = running_ns
        self.percent = percent

    def __repr__(self):
        return "%s=%s (%.2f %%)" % (self.event, self.value, self.percent)


def parse(text):
    """Lines of `perf stat -x,` as a dictionary from event to Stat (-I: the last interval's; -A: the sum)."""
    events = {}
    for line in text.splitlines():
        fields = line.split(",")
        while fields and fields[0].strip().replace(".", "").isdigit() is False and fields[0][:3] == "CPU":
            fields.pop(0)
        if len(fields) < 5 or line.startswith("#"):
            continue
        value, unit, event, running, percent = fields[:5]
        if value not in (NOT_SUPPORTED, NOT_COUNTED):
            try:
                value = int(value)
            except ValueError:
                try:
                    value = float(value)
                except ValueError:
                    continue
        events[event] = Stat(event, value, unit, int(running or 0), float(percent or 0))
    return events


def stat(guest, events, command, options="", timeout=120):
    """Count events (comma separated) of a command in the guest."""
    result = guest.run("perf stat -x, -o /tmp/stat %s -e '%s' -- %s >/tmp/stat.out 2>&1; s=$?; cat /tmp/stat; "
                       "[ $s = 0 ] || cat /tmp/stat.out; exit $s" % (options, events, command), timeout)
    found = parse(result.out)
    if not found:
        raise Failure("perf stat said nothing: %s" % result)
    return found
