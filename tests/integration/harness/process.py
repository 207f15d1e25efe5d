# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands and daemons of the private host; every wait has an end.

PVPERF_TIME_FACTOR stretches all of them, for a machine on which time means
nothing: function is tested there, and what compares times is skipped.
"""

import os
import signal
import subprocess
import time


TIME_FACTOR = float(os.environ.get("PVPERF_TIME_FACTOR", "1"))


class Failure(Exception):
    """What a case expects did not hold, or a command did not do its work."""


class Result:
    """What a command wrote and how it ended."""

    def __init__(self, command, status, out, err=""):
        self.command = command
        self.status = status
        self.out = out
        self.err = err

    def __str__(self):
        return "`%s` gave status %d\n%s%s" % (self.command, self.status, self.out, self.err)


def run(argv, timeout=30, check=True, env=None, stdin=None):
    """Run argv to its end; with check, a status other than 0 is a Failure."""
    command = " ".join(argv)
    timeout *= TIME_FACTOR
    try:
        done = subprocess.run(
            argv, input=stdin if stdin is not None else "", capture_output=True, text=True,
            errors="replace", timeout=timeout, env=dict(os.environ, **(env or {})))
    except subprocess.TimeoutExpired as expired:
        raise Failure("`%s` did not end within %d s" % (command, timeout)) from expired
    except OSError as error:
        raise Failure("cannot run `%s`: %s" % (command, error)) from error
    result = Result(command, done.returncode, done.stdout, done.stderr)
    if check and done.returncode != 0:
        raise Failure(str(result))
    return result


def wait_for(condition, what, timeout=20, step=0.1):
    """Wait until condition() is true and give its value back."""
    timeout *= TIME_FACTOR
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure("waited %d s in vain for %s" % (timeout, what))
        time.sleep(step)


class Daemon:
    """A process of the private host that runs until it is told to end."""

    def __init__(self, name, argv, log_dir, env=None):
        self.name = name
        self.argv = argv
        self.log = os.path.join(log_dir, name + ".log")
        self.env = env or {}
        self.process = None

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def start(self):
        with open(self.log, "ab") as log:
            try:
                self.process = subprocess.Popen(
                    self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    env=dict(os.environ, **self.env), start_new_session=True)
            except OSError as error:
                raise Failure("cannot start %s: %s" % (self.name, error)) from error

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, timeout=15):
        """End it in good order; one that does not follow is killed and reported."""
        if not self.running():
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(timeout * TIME_FACTOR)
        except subprocess.TimeoutExpired as expired:
            self.kill()
            raise Failure("%s did not end within %d s of SIGTERM" % (self.name, timeout)) from expired

    def kill(self):
        if self.running():
            self.signal(signal.SIGKILL)
            self.process.wait(10 * TIME_FACTOR)

    def text(self):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                return log.read()
        except FileNotFoundError:
            return ""


def children(pid):
    """Ids of the direct children of pid."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open("/proc/%s/stat" % entry, encoding="utf-8", errors="replace") as stat:
                    if int(stat.read().rsplit(")", 1)[1].split()[1]) == pid:
                        found.append(int(entry))
            except OSError:
                pass
    return found


def find(comm):
    """Ids of all processes of this name (cut to 15 characters, as the kernel does)."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open("/proc/%s/comm" % entry, encoding="utf-8", errors="replace") as name:
                    if name.read().strip() == comm[:15]:
                        found.append(int(entry))
            except OSError:
                pass
    return found


def wakeups(pid):
    """How often the threads of pid have gone to sleep, and so were woken, in their life."""
    total = 0
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/status" % (pid, task), encoding="utf-8") as status:
            for line in status:
                if line.startswith("voluntary_ctxt_switches:"):
                    total += int(line.split()[1])
    return total


def pss_kib(pid):
    """Proportional set size of pid in KiB, as (all, private)."""
    fields = {}
    with open("/proc/%d/smaps_rollup" % pid, encoding="utf-8") as rollup:
        for line in rollup:
            parts = line.split()
            if len(parts) >= 2 and parts[0].endswith(":"):
                try:
                    fields[parts[0][:-1]] = int(parts[1])
                except ValueError:
                    pass
    return fields["Pss"], fields["Private_Clean"] + fields["Private_Dirty"]
