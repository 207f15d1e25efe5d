# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run the steps of a case in a private host, one after the other, and say how each went.

A case is a file with functions marked @step, run in their order; main() gives
each of them the Host. A step that fails does not keep the later ones from
running. Exit status: 0, 1 (some failed) or 77 (every step skipped).
"""

import inspect
import os
import shutil
import sys
import time
import traceback

from .host import BUILD, COMPAT, SOURCE, Host, compat
from .process import Failure

STEPS = []
TAIL = 25


class Skip(Exception):
    """The step cannot be done here; says why."""


def step(function):
    STEPS.append(function)
    return function


def check(condition, text, *values):
    """Fail with the text unless the condition holds."""
    if not condition:
        raise Failure(text % values if values else text)


def say(text):
    print(text, flush=True)


def enter_private_host(name):
    """Start this program again in a private host, unless it runs in one."""
    if os.environ.get("PVPERF_PRIVATE_HOST") == "yes":
        return
    if os.geteuid() != 0:
        say("skipped: needs root for a private libvirt")
        sys.exit(77)
    above = [part for part in COMPAT if part != "kernel"]
    # What one libvirt finds out about one QEMU is not for another pair.
    command = [os.path.join(SOURCE, "scripts", "private-host"),
               "--cache", os.path.join(BUILD, "tests", "-".join(["libvirt-cache"] + above))]
    for part in above:
        command += ["--above", compat("tree", part)]
    policy = os.path.join(BUILD, "src", "qemu", "org.pvperf.Daemon1.conf")
    if os.path.exists(policy):
        command += ["--bus-policy", policy]
    os.execv(command[0], command + [sys.executable, "-B"] + sys.argv)


def show_logs(directory):
    for name in sorted(os.listdir(directory)):
        if not name.endswith(".log"):
            continue
        with open(os.path.join(directory, name), encoding="utf-8", errors="replace") as log:
            lines = log.read().splitlines()
        if lines:
            say("--- %s, last of %d lines" % (name, len(lines)))
            for line in lines[-TAIL:]:
                say("    " + line)
    say("--- all of it: %s" % directory)


def keep_libvirt_logs(directory):
    for source in ("/var/log/libvirt/libvirtd.log", "/var/log/libvirt/qemu"):
        if os.path.isfile(source):
            shutil.copy(source, os.path.join(directory, "libvirtd.messages.log"))
        elif os.path.isdir(source):
            for name in os.listdir(source):
                if name.endswith(".log"):
                    shutil.copy(os.path.join(source, name), os.path.join(directory, "qemu-" + name))


def run_step(function, *arguments):
    """Returns 'ok', 'FAIL' or 'skip', and the line that says so."""
    begin = time.monotonic()
    try:
        function(*arguments)
        outcome, text = "ok", ""
    except Skip as skip:
        outcome, text = "skip", str(skip)
    except Failure as failure:
        line = ""
        for frame in reversed(traceback.extract_tb(failure.__traceback__)):
            if "/harness/" not in frame.filename:
                line = "line %d, `%s`: " % (frame.lineno, frame.line)
                break
        outcome, text = "FAIL", line + str(failure)
    except Exception:                   # pylint: disable=broad-except
        outcome, text = "FAIL", traceback.format_exc()
    line = "%-4s %s (%.1f s)%s" % (outcome, function.__name__, time.monotonic() - begin,
                                   ": " + text if text else "")
    say(line)
    return outcome, line


def main(start=lambda host: host.start(), guest=None):
    """Bring up the host with start() and run the steps of the calling file.

    guest: makes a guest that all steps share; they get it as second argument.
    """
    name = os.path.splitext(os.path.basename(inspect.stack()[1].filename))[0]
    enter_private_host(name)
    only = sys.argv[1:]
    for wanted in only:
        if wanted not in [function.__name__ for function in STEPS]:
            sys.exit("no such step: %s" % wanted)
    directory = os.path.join(BUILD, "tests", "logs", "-".join([name] + COMPAT))
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    host = Host(directory)
    begin = time.monotonic()
    outcomes = []
    failures = []
    try:
        start(host)
        arguments = [host] + ([guest(host)] if guest else [])
        say("host ready (%.1f s)" % (time.monotonic() - begin))
    except Failure as failure:
        failures.append("FAIL the host did not come up: %s" % failure)
        say(failures[0])
    else:
        for function in STEPS:
            if not only or function.__name__ in only:
                outcome, line = run_step(function, *arguments)
                outcomes.append(outcome)
                if outcome == "FAIL":
                    failures.append(line)
    keep_libvirt_logs(directory)
    if failures:
        show_logs(directory)
        # Once more, where whoever sees only the end of a long log finds them.
        say("\n".join(failures))
        sys.exit(1)
    shutil.rmtree(directory, ignore_errors=True)
    sys.exit(0 if "ok" in outcomes else 77)
