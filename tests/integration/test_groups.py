#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two VMs that share a group's limits, and one beside them that does not."""

import time

from harness import Guest, bare, check, main, step, wait_for

TYPE = "$(cat /sys/bus/event_source/devices/pvperf/type)"
CLOCK = "pvperf/vcpu-clock/"
LIMITS = "<pvperf><events max='%d'/><sampletune><total_samples_sec>%d</total_samples_sec></sampletune></pvperf>"
VMS = {}


def hold(guest, count, seconds):
    guest.run("work open %d %s 0 %d >/tmp/held 2>&1 &" % (count, TYPE, seconds))


@step
def start(host):
    host.named("groups", "tenant", LIMITS % (10, 200))
    host.reload()
    for name, inner in (("a", "<group_name>tenant</group_name>"), ("b", "<group_name>tenant</group_name>"), ("c", "")):
        VMS[name] = Guest(host, name, vcpus=1, max_vcpus=1).up(bare(inner))
    check(VMS["a"].listed()["group"] == "tenant", "%s", VMS["a"].listed())


@step
def events_are_shared(host):
    hold(VMS["a"], 7, 8)
    wait_for(lambda: VMS["a"].stats()["open"] == 7, "seven to be open")
    opened = VMS["b"].out("work open 5 %s 0 0" % TYPE)
    check(opened == "open: 3 of 5, EBUSY", "beside seven of ten: %s", opened)
    check("10" in VMS["b"].sysfs("last_refusal"), "%s", VMS["b"].sysfs("last_refusal"))
    check(VMS["c"].out("work open 20 %s 0 0" % TYPE) == "open: 20 of 20, no error", "who is in no group was refused")
    use = VMS["b"].stats()["group_use"]
    check(use["members"] == 2 and use["open"] == 7 and use["max"] == 10, "%s", use)
    wait_for(lambda: VMS["a"].stats()["open"] == 0, "them to be closed", 30)
    check(VMS["b"].out("work open 11 %s 0 0" % TYPE) == "open: 10 of 11, EBUSY", "all ten")


@step
def samples_are_shared(host):
    """Both sample at 1000 a second each: together they get 200."""
    def overflows():
        return [VMS[name].stats()["sampling"]["overflows"] for name in "ab"]

    for name in "ab":
        VMS[name].run("perf record -e %s -c 1000000 -o /tmp/p -- work burn 6000 >/dev/null 2>&1 &" % CLOCK)
    wait_for(lambda: min(overflows()) > 0, "both to sample")
    start_at = time.monotonic()
    before = VMS["a"].stats()["group_use"]["overflows"]
    single = overflows()
    time.sleep(3)
    each = [now - was for now, was in zip(overflows(), single)]
    all_of_them = VMS["a"].stats()["group_use"]["overflows"] - before
    took = time.monotonic() - start_at
    print("     %d in %.1f s, %s" % (all_of_them, took, each), flush=True)
    check(0.4 * 200 * took < all_of_them <= 200 * took + 21, "%d samples in %.1f s", all_of_them, took)
    check(min(each) > 0.2 * sum(each), "not shared: %s", each)
    for name in "ab":
        VMS[name].run("while pidof perf >/dev/null; do sleep 0.1; done", timeout=60)
        check(VMS[name].stats()["sampling"]["throttles"] > 0, "%s was not throttled", name)


@step
def retuned(host):
    host.named("groups", "tenant", LIMITS % (4, 0))
    host.reload()
    check(VMS["b"].out("work open 11 %s 0 0" % TYPE) == "open: 4 of 11, EBUSY", "four")


@step
def leaves_live(host):
    VMS["b"].set_metadata("<pvperf/>", "--live")
    wait_for(lambda: VMS["b"].stats()["group"] == "", "b to leave")
    check(VMS["b"].out("work open 11 %s 0 0" % TYPE) == "open: 11 of 11, no error", "no group, no limit")
    check(VMS["a"].stats()["group_use"]["members"] == 1, "%s", VMS["a"].stats())
    VMS["b"].set_metadata("<pvperf><group_name>tenant</group_name></pvperf>", "--live")
    wait_for(lambda: VMS["a"].stats()["group_use"]["members"] == 2, "b to come back")


@step
def who_dies_holds_nothing(host):
    hold(VMS["a"], 3, 60)
    wait_for(lambda: VMS["b"].stats()["group_use"]["open"] == 3, "three to be open")
    VMS["a"].destroy()
    wait_for(lambda: VMS["b"].stats()["group_use"]["open"] == 0, "the place of a VM that is gone")
    check(VMS["b"].out("work open 11 %s 0 0" % TYPE) == "open: 4 of 11, EBUSY", "four")


@step
def over_a_restart_of_the_daemon(host):
    VMS["a"].start()
    VMS["a"].wait_driver()
    hold(VMS["b"], 3, 20)
    wait_for(lambda: VMS["b"].stats()["open"] == 3, "three to be open")
    host.daemon.stop()
    host.start_daemon()
    wait_for(lambda: VMS["a"].listed()["state"] == "on" and VMS["a"].stats()["group_use"].get("open") == 3,
             "the members to be together again")
    opened = VMS["a"].out("work open 5 %s 0 0" % TYPE)
    check(opened == "open: 1 of 5, EBUSY", "%s", opened)


@step
def unknown_group(host):
    VMS["c"].set_metadata("<pvperf><group_name>nobody</group_name></pvperf>", "--live")
    reason = VMS["c"].wait_state("invalid")["reason"]
    check("this host has no group 'nobody'; allowed: tenant; what was in force before" in reason, "%s", reason)


@step
def invalid_over_a_restart(host):
    """What was in force has its group, too, for a daemon that starts later."""
    VMS["b"].set_metadata("<pvperf><events max='0'/></pvperf>", "--live")
    VMS["b"].wait_state("invalid")
    host.daemon.stop()
    host.start_daemon()
    wait_for(lambda: VMS["b"].listed()["state"] == "invalid" and VMS["b"].stats()["group"] == "tenant" and
             VMS["b"].stats()["group_use"].get("max") == 4, "b to be in its group again")


main()
