#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/policy.rst, "Changes while a domain runs", sentence by sentence: on a guest that counts all the while."""

import time

from harness import NOT_COUNTED, TIME_FACTOR, Guest, bare, check, main, step, wait_for

CLOCK = "pvperf/vcpu-clock/"
HOLD = "work open %d $(cat /sys/bus/event_source/devices/pvperf/type) 0 %d"


def agrees(guest, **wanted):
    """Within a second guest, backend and daemon say so; in how much time."""
    start = time.monotonic()

    def same():
        stats = guest.stats()
        return all(stats[key] == value for key, value in wanted.items()) and \
            ("max" not in wanted or guest.sysfs("max") == str(wanted["max"]))
    wait_for(same, "%s to hold for %s" % (wanted, guest.name), 5)
    took = time.monotonic() - start
    print("     in force after %.2f s" % took, flush=True)
    check(took < TIME_FACTOR, "it took %.2f s", took)


def counts(guest):
    """What perf counts in 100 ms; None if it counts nothing."""
    found = guest.run("perf stat -x, -e %s -- work burn 100 2>&1 >/dev/null" % CLOCK, check=False)
    value = found.out.strip().splitlines()[-1].split(",")[0]
    return int(value) if value.isdigit() else None


def log_has(host, *texts):
    wait_for(lambda: any(all(text in line for text in texts) for line in host.daemon.text().splitlines()),
             "a line of the log with %s" % (texts,))


@step
def metadata_live(host, guest):
    guest.set_metadata("<pvperf><events max='50'/></pvperf>", "--live")
    agrees(guest, max=50)
    check(guest.listed()["differs"], "%s", guest.listed())
    log_has(host, "limits changed: events max 50 (was 128)")


@step
def edit_is_for_the_next_start(host, guest):
    host.edit(guest.name, bare("<events max='60'/>"))
    time.sleep(1)
    check(guest.stats()["max"] == 50 and guest.listed()["differs"], "%s", guest.listed())


@step
def metadata_both(host, guest):
    guest.set_metadata("<pvperf><events max='70'/></pvperf>", "--live", "--config")
    agrees(guest, max=70)
    wait_for(lambda: not guest.listed()["differs"], "live and persistent to agree")


@step
def tune_current(host, guest):
    host.pvperf("tune", guest.name, "--max-events", "80")
    agrees(guest, max=80, per_vcpu=16)


@step
def lowered_below_what_is_open(host, guest):
    """What is open stays and counts, one more is refused, the excess is named; raising holds at once."""
    guest.run((HOLD % (10, 15)) + " >/dev/null 2>&1 &")
    wait_for(lambda: guest.stats()["open"] == 10, "ten events to be open")
    host.pvperf("tune", guest.name, "--max-events", "4", "--live")
    agrees(guest, max=4, open=10)
    check("10 events are open, 6 more than events max, which was lowered to 4" in guest.listed()["reason"],
          "%s", guest.listed())
    log_has(host, "events max is 4 and 10 events are open: none is opened any more until 7 of them are closed")
    check(guest.out(HOLD % (1, 0)) == "open: 0 of 1, EBUSY", "one more was opened")
    check("4" in guest.sysfs("last_refusal"), "%s", guest.sysfs("last_refusal"))

    host.pvperf("tune", guest.name, "--max-events", "12", "--live")
    agrees(guest, max=12)
    check(guest.out(HOLD % (3, 0)) == "open: 2 of 3, EBUSY", "two more were to be opened")
    check(guest.listed()["reason"] == "", "%s", guest.listed())
    wait_for(lambda: guest.stats()["open"] == 0, "the events to be closed", 30)


@step
def off_stops_all(host, guest):
    """state='off' stops what counts, as time not running, and 'on' lets it go on."""
    guest.run("perf stat -a -I 500 -x, -o /tmp/stat -e %s -- work burn 5000 >/dev/null 2>&1 &" % CLOCK)
    guest.run("sleep 1.5")
    guest.set_metadata("<pvperf state='off'/>", "--live")
    wait_for(lambda: guest.sysfs("state") == "off", "the guest to see that perf is off", 1)
    guest.wait_state("off")
    check(guest.sysfs("last_refusal").startswith("state"), "sysfs last_refusal: %s", guest.sysfs("last_refusal"))
    check(guest.out(HOLD % (1, 0)) == "open: 0 of 1, ENOENT", "one was opened")
    guest.run("sleep 1.5")
    guest.set_metadata("<pvperf/>", "--live")
    guest.run("while pidof perf >/dev/null; do sleep 0.1; done", timeout=30)
    values = [line.split(",")[1] for line in guest.out("grep vcpu-clock /tmp/stat").splitlines()]
    check(NOT_COUNTED in values and values[-1].isdigit() and values[0].isdigit(), "%s", values)
    first, last = values.index(NOT_COUNTED), len(values) - values[::-1].index(NOT_COUNTED)
    check(set(values[first:last]) == {NOT_COUNTED}, "a count while it was off: %s", values)


@step
def invalid_is_refused_whole(host, guest):
    """A wrong element changes nothing, and everybody can see why; also after a restart of the daemon."""
    guest.set_metadata("<pvperf><events max='9'/></pvperf>", "--live")
    agrees(guest, max=9)
    guest.set_metadata("<pvperf><events max='0' per_vcpu='1'/></pvperf>", "--live")
    reason = guest.wait_state("invalid")["reason"]
    check("max='0' is refused" in reason and "what was in force before stays in force" in reason, "%s", reason)
    check(guest.stats()["max"] == 9 and guest.stats()["per_vcpu"] == 16, "%s", guest.stats())
    check(counts(guest), "it does not count any more")
    log_has(host, "invalid", "max='0' is refused")

    host.daemon.stop()
    host.start_daemon()
    guest.wait_state("invalid")
    wait_for(lambda: guest.stats()["max"] == 9, "what was in force to be in force again")
    check(counts(guest), "it does not count after a restart of the daemon")
    check(guest.out(HOLD % (10, 0)) == "open: 9 of 10, EBUSY", "the limit of before does not hold")
    guest.set_metadata("<pvperf/>", "--live")
    guest.wait_state("on")
    agrees(guest, max=128)


@step
def policy_of_the_host(host, guest):
    """The element lowers, never raises; one file retunes who names it; a wrong file changes nothing."""
    host.named("policies", "gold", "<pvperf><events max='40'/><class name='cache' allow='no'/></pvperf>")
    host.reload()
    guest.set_metadata("<pvperf policy='gold'/>", "--live")
    agrees(guest, max=40, classes=["ipc", "branch", "vcpu"], policy="gold")
    check(guest.listed()["policy"] == "gold" and guest.listed()["reason"] == "", "%s", guest.listed())

    guest.set_metadata("<pvperf policy='gold'><events max='50'/><class name='cache' allow='yes'/></pvperf>", "--live")
    wait_for(lambda: guest.listed()["reason"] == "policy 'gold' grants class cache denied, events max 40 (not 50)",
             "list to say what is not granted")
    shown = host.pvperf("tune", guest.name).out
    check("max-events                   : 40\n" in shown and "policy                       : gold\n" in shown and
          "events max 40 (not 50)" in shown, "%s", shown)
    agrees(guest, max=40, classes=["ipc", "branch", "vcpu"])

    host.named("policies", "gold", "<pvperf><events max='45'/></pvperf>")
    host.reload()
    agrees(guest, max=45, classes=["ipc", "branch", "cache", "vcpu"])

    host.named("policies", "gold", "<pvperf><events max='46'/>")
    host.reload()
    check("policy 'gold' is as it was before: " in guest.listed()["reason"], "%s", guest.listed())
    agrees(guest, max=45)
    log_has(host, "policy 'gold' is kept as it was", "gold.xml")

    host.named("policies", "gold", None)
    host.reload()
    reason = guest.wait_state("invalid")["reason"]
    check("this host has no policy 'gold'; allowed: none; what was in force before" in reason, "%s", reason)
    agrees(guest, max=45)
    check(counts(guest), "it does not count any more")


@step
def ceilings_and_defaults(host, guest):
    """virtpvperfd.conf bounds every domain at once; one with a mistake changes nothing."""
    guest.set_metadata("<pvperf><events max='30'/></pvperf>", "--live")
    agrees(guest, max=30)
    host.configure("ceiling_max = 20\ndefault_classes = [ \"vcpu\" ]\ndefault_requests_sec = 1000\n")
    host.reload()
    agrees(guest, max=20, classes=["vcpu"], requests_sec=2000)
    check(guest.listed()["reason"] == "the host grants events max 20 (not 30)", "%s", guest.listed())

    host.configure("ceiling_max = 10\nceiling = 5\n")
    host.reload()
    agrees(guest, max=20)
    log_has(host, "nothing is changed", "virtpvperfd.conf: the key 'ceiling' is not known; allowed: ")
    host.configure("")
    host.reload()
    agrees(guest, max=30, classes=["ipc", "branch", "cache", "vcpu"])


@step
def daemon_with_a_wrong_file(host, guest):
    """It does not start with one, and says why; domains go on."""
    host.configure('default_policy = "nowhere"\n')
    host.daemon.stop()
    host.daemon.start()
    wait_for(lambda: not host.daemon.running(), "virtpvperfd to end")
    log_has(host, 'default_policy = "nowhere"', "there is no such policy; allowed: ")
    check(guest.state() == "running" and len(host.backends()) == 1, "%s", guest.state())
    host.configure("")
    host.start_daemon()
    guest.wait_state("on")


@step
def changes_under_load(host, guest):
    """Fifty changes while perf counts, samples, opens and closes: no complaint, nothing stuck, the last one holds."""
    guest.run("for i in 1 2 3 4 5 6; do perf stat -a -e %s,pvperf/vcpu-switches/ -- work switch 200; done "
              ">/dev/null 2>&1 &" % CLOCK)
    guest.run("perf record -a -e %s -c 1000000 -o /tmp/load -- work burn 6000 >/dev/null 2>&1 &" % CLOCK)
    for i in range(50):
        guest.set_metadata(("<pvperf><events max='%d' per_vcpu='%d'/>%s<sampletune><total_samples_sec>%d"
                            "</total_samples_sec></sampletune></pvperf>") % (
                                5 + i % 7, 1 + i % 3, "<class name='vcpu' allow='no'/>" if i % 5 == 4 else "",
                                50 + 100 * (i % 4)), "--live")
    guest.set_metadata("<pvperf><events max='33'/></pvperf>", "--live")
    agrees(guest, max=33, per_vcpu=16)
    guest.run("while pidof perf >/dev/null; do sleep 0.1; done", timeout=60)
    check(guest.stats()["open"] == 0, "%s events are open", guest.stats()["open"])
    check(counts(guest), "it does not count any more")
    guest.check_kernel()


main(guest=lambda host: Guest(host, max_vcpus=2).up(bare()))
