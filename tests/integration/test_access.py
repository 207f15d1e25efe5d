#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may read over D-Bus: the real bus's policy, an operator's addition to it, and the real polkit with his rules."""

import os
import shutil
import signal
import threading
import time

from harness import Skip, check, main, run, step, wait_for
from harness.host import SOURCE, write
from harness.process import Daemon

POLKITD = "/usr/lib/polkit-1/polkitd"
BUS_CONFIG = "/run/dbus/system.conf"
DROP_IN = "/run/dbus/system.d/pvperf-nobody.conf"
RULE = "/etc/polkit-1/rules.d/50-pvperf.rules"
OURS = "org.pvperf.Error.AccessDenied"
OF_THE_BUS = "org.freedesktop.DBus.Error.AccessDenied"

# As in docs/virtpvperfd.rst, for the user "nobody".
ADDITION = """<busconfig>
  <policy user="nobody">
    <allow send_destination="org.pvperf.Daemon1"/>
  </policy>
</busconfig>
"""
RULES = """polkit.addRule(function(action, subject) {
    if (action.id == "org.pvperf.daemon1.read" && subject.user == "nobody")
        return polkit.Result.%s;
});
"""
READS = (
    ("org.pvperf.Daemon1.ListDomains",),
    ("org.freedesktop.DBus.Properties.Get", "string:org.pvperf.Daemon1", "string:Version"),
    ("org.freedesktop.DBus.Properties.GetAll", "string:org.pvperf.Daemon1"),
)


def ask(read, user="nobody"):
    return run(["setpriv", "--reuid", user, "--clear-groups", "dbus-send", "--system", "--print-reply",
                "--reply-timeout=15000", "--dest=org.pvperf.Daemon1", "/org/pvperf/Daemon1", *read], check=False)


def check_served(user="nobody"):
    for read in READS:
        result = ask(read, user)
        check(result.status == 0, "%s", result)


def check_denied(error, text):
    """Every read, and with these words."""
    for read in READS:
        result = ask(read)
        check(result.status != 0 and error in result.err and text in result.err, "'%s', '%s': %s", error, text, result)


def rule(result):
    """Only with start_polkit() done. polkit watches its rules; callers wait for what follows from them."""
    write(RULE, RULES % result)
    os.chmod(RULE, 0o644)


def reload_bus():
    run(["dbus-send", "--system", "--print-reply", "--dest=org.freedesktop.DBus", "/org/freedesktop/DBus",
         "org.freedesktop.DBus.ReloadConfig"])


@step
def the_bus_decides_first(host):
    check_served("root")
    check_denied(OF_THE_BUS, "")


@step
def an_addition_to_the_policy_of_the_bus(host):
    with open(BUS_CONFIG, encoding="utf-8") as file:
        text = file.read()
    write(DROP_IN, ADDITION)
    write(BUS_CONFIG, text.replace(
        "</busconfig>",
        "<include ignore_missing='yes'>/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf</include>\n"
        "<includedir>%s</includedir>\n</busconfig>" % os.path.dirname(DROP_IN)))
    reload_bus()
    check_served()


@step
def denied_without_polkit(host):
    """The setting holds from the reload on; root does not depend on a polkit that works."""
    host.configure('read_access = "polkit"\n')
    host.reload()
    check_denied(OURS, "polkit does not answer for the action org.pvperf.daemon1.read")
    check_served("root")


def start_polkit(host):
    """The machine's polkit with our action and its own rules hidden; its files and the machine's stay as they are."""
    if not os.path.exists(POLKITD):
        raise Skip("there is no %s: Debian's package polkitd" % POLKITD)
    for path in ("/etc/polkit-1", "/usr/share/polkit-1/rules.d", "/usr/share/polkit-1/actions"):
        run(["mount", "-t", "tmpfs", "-o", "mode=755", "private", path])
    os.makedirs(os.path.dirname(RULE), mode=0o755)
    shutil.copy(os.path.join(SOURCE, "src", "qemu", "org.pvperf.daemon1.policy"), "/usr/share/polkit-1/actions")
    host.polkit = Daemon("polkitd", [POLKITD], host.log_dir)
    host.polkit.start()
    wait_for(lambda: "Acquired the name" in host.polkit.text() or ask(READS[0]).status == 0, "polkitd to answer")


@step
def allowed_by_the_defaults(host):
    start_polkit(host)
    check_served()


@step
def denied_by_a_rule(host):
    if not host.polkit:
        raise Skip("no polkit")
    rule("NO")
    wait_for(lambda: ask(READS[0]).status != 0, "the rule to hold")
    check_denied(OURS, "polkit's action org.pvperf.daemon1.read does not allow it")
    check_served("root")


@step
def authentication_that_nobody_can_give(host):
    if not host.polkit:
        raise Skip("no polkit")
    rule("AUTH_ADMIN_KEEP")
    wait_for(lambda: "wants authentication" in ask(READS[0]).err, "the rule to hold")
    check_denied(OURS, "polkit's action org.pvperf.daemon1.read wants authentication")


@step
def allowed_by_a_rule(host):
    if not host.polkit:
        raise Skip("no polkit")
    rule("YES")
    wait_for(lambda: ask(READS[0]).status == 0, "the rule to hold")
    check_served()


@step
def a_polkit_that_hangs(host):
    """Its caller is denied after 5 s; meanwhile root is served."""
    if not host.polkit:
        raise Skip("no polkit")
    results = []
    host.polkit.signal(signal.SIGSTOP)
    begin = time.monotonic()
    waiting = threading.Thread(target=lambda: results.append(ask(READS[0])))
    waiting.start()
    time.sleep(0.5)
    check_served("root")
    check(time.monotonic() - begin < 4 and not results, "root waited %.1f s", time.monotonic() - begin)
    waiting.join(20)
    host.polkit.signal(signal.SIGCONT)
    took = time.monotonic() - begin
    check(results and OURS in results[0].err and "polkit does not answer" in results[0].err, "%s", results)
    check(4 < took < 10, "denied after %.1f s", took)


@step
def the_bus_alone_again(host):
    if host.polkit:
        rule("NO")
    host.configure('read_access = "bus"\n')
    host.reload()
    check_served()


def start(host):
    host.polkit = None
    host.start()


main(start)
