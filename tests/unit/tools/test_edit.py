#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virsh-pvperf edit at a terminal: what it asks, and what each answer does.

Runs the program given as first argument on libvirt's test driver, with a pseudo terminal as standard
input and an editor that applies one sed script of the case per call.
"""

import os
import pty
import select
import signal
import sys
import tempfile
import time

XMLNS = "http://libvirt-pvperf.org/xmlns/libvirt/domain/1.0"
EDITOR = """#!/bin/sh
n=$(cat "$STEPS/n")
sed -i -f "$STEPS/$n.sed" "$1"
echo $((n + 1)) > "$STEPS/n"
"""
TYPO = "s|^  <memory|  <metadata><pvperf xmlns='%s'><evnets max='7'/></pvperf></metadata>\\n&|" % XMLNS
MEND = "s/evnets/events/"
TOP_LEVEL = "s|^  <memory|  <pvperf xmlns='%s'/>\\n&|" % XMLNS
BOGUS = "s|^  <memory|  <bogus/>\\n&|"

# Name, editor's scripts, keys pressed at each prompt, what must be told in this order, exit status.
CASES = [
    ("give-up", [TYPO], "n", ["<evnets>", "[y,n,i,f,?]", "not changed"], 1),
    ("again", [TYPO, MEND], "y", ["<evnets>", "edited"], 0),
    ("help-and-again", [TYPO, MEND], "?y", ["<evnets>", "start editor again", "edited"], 0),
    ("other-key", [TYPO], "xn", ["<evnets>", "start editor again", "not changed"], 1),
    ("force", [TYPO], "f", ["<evnets>", "edited"], 0),
    ("schema", [BOGUS], "n", ["refused", "not changed"], 1),
    ("ignore-schema", [BOGUS], "i", ["refused", "edited"], 0),
    ("ignore-schema-keeps-our-check", [TOP_LEVEL], "in", ["<metadata>", "<metadata>", "not changed"], 1),
    ("back-to-the-old", [TYPO, "/<metadata>/d"], "y", ["<evnets>", "not changed"], 0),
]


def start(program, steps):
    environment = dict(os.environ, STEPS=steps, EDITOR=os.path.join(steps, "editor"), VISUAL="", LC_ALL="C.UTF-8",
                       DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(program, [program, "-c", "test:///default", "edit", "test"], environment)
    return pid, terminal


def converse(terminal, keys, timeout=20):
    """What the program wrote until it ended; a key for each prompt."""
    told = ""
    prompts = 0
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            data = os.read(terminal, 4096)
        except OSError:
            return told
        if not data:
            return told
        told += data.decode(errors="replace")
        while told.count("[y,n,i,f,?]: ") > prompts:
            if prompts >= len(keys):
                return told + "\n(asked once more than there are keys)"
            time.sleep(0.05)        # a key typed before the terminal is ready would be flushed
            os.write(terminal, keys[prompts].encode())
            prompts += 1
    return told + "\n(timeout)"


def run(program, scripts, keys):
    with tempfile.TemporaryDirectory() as steps:
        for number, script in enumerate(scripts):
            with open(os.path.join(steps, "%d.sed" % number), "w", encoding="utf-8") as file:
                file.write(script + "\n")
        with open(os.path.join(steps, "n"), "w", encoding="utf-8") as file:
            file.write("0\n")
        editor = os.path.join(steps, "editor")
        with open(editor, "w", encoding="utf-8") as file:
            file.write(EDITOR)
        os.chmod(editor, 0o700)
        pid, terminal = start(program, steps)
        told = converse(terminal, keys)
        if told.endswith(")"):
            os.kill(pid, signal.SIGKILL)
        os.close(terminal)
        return told, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def in_order(told, wanted):
    position = 0
    for text in wanted:
        position = told.find(text, position)
        if position < 0:
            return False
        position += len(text)
    return True


def main():
    failed = 0
    print("1..%d" % len(CASES))
    for number, (name, scripts, keys, wanted, status) in enumerate(CASES, 1):
        told, actual = run(sys.argv[1], scripts, keys)
        good = actual == status and in_order(told, wanted)
        print("%s %d %s" % ("ok" if good else "not ok", number, name), flush=True)
        if not good:
            failed += 1
            print("# status %d, wanted %d and %r; it told:" % (actual, status, wanted))
            for line in told.splitlines():
                print("# " + line)
    return 1 if failed else 0


sys.exit(main())
