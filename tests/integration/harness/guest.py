# SPDX-License-Identifier: LGPL-2.1-or-later
"""A test guest: its domain XML, its life, and commands in it."""

import base64
import os
import secrets
import socket
import time
import uuid

from .host import XMLNS, image, public
from .process import TIME_FACTOR, Failure, Result, wait_for

DOMAIN = """<domain type='{virt_type}'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>{memory}</memory>
  <vcpu current='{vcpus}'>{max_vcpus}</vcpu>
  <os>
    <type arch='x86_64' machine='{machine}'>hvm</type>
    <kernel>{kernel}</kernel>
    <initrd>{initrd}</initrd>
    <cmdline>console=ttyS0 panic=-1 mitigations=off {cmdline}</cmdline>
  </os>
  {shared}
  <features><acpi/><apic/><pmu state='off'/></features>
  <on_reboot>restart</on_reboot>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    {terminal}
    <serial type='unix'><source mode='bind' path='{agent}'/><target port='1'/></serial>
    {devices}
  </devices>
</domain>
"""

VIRT_TYPE = os.environ.get("PVPERF_VIRT_TYPE", "qemu")
# The guest's init says so when the kernel is through with its own boot.
INIT_RUNS = "init runs"
STARTS = 3                              # of a guest that stands still in that boot
STILL = min(30 * TIME_FACTOR, 90)       # seconds without a word on its console

# The guest's console: a file for cases, and for people one that `virsh console` opens, too.
CONSOLE = "<serial type='file'><source path='%s' append='on'/><target port='0'/></serial>"
TERMINAL = "<serial type='pty'><log file='%s' append='on'/><target port='0'/></serial>"

# Guest memory that vhost-user back ends can map.
SHARED = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"


def cmdline_for_speed():
    """What a guest's kernel is told where all is slow: write and scan little, watch no clock, take the TSC for faster.

    Each access to a serial line or to PCI is an exit to QEMU. Our driver
    measures by the TSC how long it may wait for the host, so this stretches its
    patience as TIME_FACTOR stretches ours. Timers and clocks of the guest
    do not use it: they are kvm-clock and the LAPIC's.
    """
    if TIME_FACTOR == 1:
        return "loglevel=7 "
    with open("/proc/cpuinfo", encoding="ascii") as cpuinfo:
        mhz = next(float(line.split(":")[1]) for line in cpuinfo if line.startswith("cpu MHz"))
    return ("loglevel=6 earlyprintk=ttyS0 pci=noearly no_timer_check nowatchdog lapic=notscdeadline tsc=reliable "
            "tsc_early_khz=%d " % (mhz * 1000 * TIME_FACTOR))


def bare(inner="", attributes=""):
    """<pvperf> with what is given."""
    start = "<pvperf xmlns='%s'%s" % (XMLNS, " " + attributes if attributes else "")
    return start + ("/>" if not inner else ">%s</pvperf>" % inner)


class Guest:
    """A domain of the private host whose kernel and initramfs are the test image's."""

    def __init__(self, host, name="guest", machine="q35", vcpus=2, max_vcpus=4, cmdline="",
                 devices="", shared=False, driver=True, terminal=False, memory=384):
        self.host = host
        self.name = name
        self.console = os.path.join(host.console_dir, name + ".console.log")
        self.agent_path = "%s/agent-%s.sock" % (host.public_dir, name)
        self.xml = DOMAIN.format(
            virt_type=VIRT_TYPE, name=name, uuid=uuid.uuid4(), machine=machine, vcpus=vcpus, max_vcpus=max_vcpus,
            cmdline=cmdline_for_speed() + cmdline, devices=devices,
            shared=SHARED if shared else "", memory=memory,
            kernel=public(image("vmlinux")),
            initrd=public(image("initrd" if driver else "initrd-base")),
            terminal=(TERMINAL if terminal else CONSOLE) % self.console, agent=self.agent_path)
        self.connection = None
        self.buffer = b""

    # Its life

    def define(self):
        path = "/run/%s.xml" % self.name
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.xml)
        self.host.virsh("define", path)

    def start(self, timeout=60):
        """A cold start, until the agent listens.

        An emulated CPU was seen to stand still in its kernel's own boot, in a guest
        without our device. Before its init runs our driver is not in it, so
        such a start, and no other, is tried again. The last one may take all the
        time, because a boot on a busy machine may only look like that.
        """
        for left in reversed(range(STARTS)):
            begin = self.console_size()
            self.host.virsh("start", self.name, timeout=timeout)
            # What the agent says while nobody listens is lost.
            self.connect(timeout)
            if self.init_runs(begin, timeout, STILL if left else timeout * TIME_FACTOR):
                break
            last = self.console_since(begin).strip().splitlines()[-1:]
            if not left or self.state() != "running":
                raise Failure("%s did not get to its init, but to: %s" % (self.name, last))
            self.keep_registers()
            print("     again: %s stood still before its init, behind: %s" % (self.name, last), flush=True)
            self.destroy()
        self.wait_ready(timeout)

    def init_runs(self, begin, timeout, still):
        """Wait until its init says that it runs; False if there is no end to its boot, or no progress for so long."""
        size = begin
        end = time.monotonic() + timeout * TIME_FACTOR
        moved = time.monotonic()
        while INIT_RUNS not in self.console_since(begin):
            now = time.monotonic()
            if self.console_size() != size:
                size, moved = self.console_size(), now
            if now > min(end, moved + still):
                return False
            time.sleep(0.1)
        return True

    def console_size(self):
        return os.path.getsize(self.console) if os.path.exists(self.console) else 0

    def console_since(self, offset):
        if not os.path.exists(self.console):
            return ""
        with open(self.console, "rb") as file:
            file.seek(offset)
            return file.read().decode(errors="replace")

    def keep_registers(self):
        """Where the CPUs stand, beside the logs of the case: those go when it passes."""
        path = "%s-%s.registers.log" % (self.host.log_dir, self.name)
        with open(path, "a", encoding="utf-8") as log:
            for _ in range(2):
                log.write(self.host.virsh("qemu-monitor-command", self.name, "--hmp", "info registers -a",
                                          check=False).out)
                time.sleep(0.5)

    def destroy(self):
        self.disconnect()
        self.host.virsh("destroy", self.name)

    def restart(self):
        self.destroy()
        self.start()

    def restart_served(self, state):
        """A cold start, until the driver sees this state of its host."""
        self.restart()
        wait_for(lambda: self.sysfs("state") == state, "the driver of %s to see '%s'" % (self.name, state))

    def state(self):
        return self.host.virsh("domstate", self.name).out.strip()

    def pid(self):
        with open("%s/%s.pid" % (self.host.qemu_run_dir, self.name), encoding="ascii") as file:
            return int(file.read())

    def dumpxml(self, inactive=False):
        return self.host.virsh("dumpxml", self.name, *(["--inactive"] if inactive else [])).out

    def has_device(self, inactive=False):
        return "ua-pvperf" in self.dumpxml(inactive)

    def up(self, element=None):
        """From a definition to a guest whose driver is served: the operator's way, by virsh edit."""
        self.define()
        self.host.edit(self.name, element or bare())
        self.wait_device()
        self.start()
        self.wait_driver()
        return self

    def wait_device(self):
        """Until the daemon has given the persistent XML its device."""
        wait_for(lambda: self.has_device(inactive=True), "the daemon to add the device to %s" % self.name)

    # Commands in it

    def disconnect(self):
        if self.connection:
            self.connection.close()
            self.connection = None
        self.buffer = b""

    def connect(self, timeout):
        if self.connection:
            return
        end = time.monotonic() + timeout * TIME_FACTOR
        while True:
            try:
                self.connection = socket.socket(socket.AF_UNIX)
                self.connection.connect(self.agent_path)
                return
            except OSError as error:
                self.disconnect()
                if time.monotonic() > end:
                    raise Failure("cannot reach the agent of %s: %s" % (self.name, error)) from error
                time.sleep(0.1)

    def read_until(self, what, timeout, text):
        timeout *= TIME_FACTOR
        end = time.monotonic() + timeout
        while what not in self.buffer:
            left = end - time.monotonic()
            if left <= 0:
                raise Failure("%s: %s took longer than %d s%s" % (
                    self.name, text, timeout,
                    "; it wrote: " + self.buffer.decode(errors="replace") if self.buffer else ""))
            self.connection.settimeout(left)
            try:
                data = self.connection.recv(65536)
            except socket.timeout:
                continue
            if not data:
                raise Failure("%s: hung up during %s" % (self.name, text))
            self.buffer += data
        before, self.buffer = self.buffer.split(what, 1)
        return before

    def wait_ready(self, timeout=60):
        """Until the guest's kernel has booted and its agent listens."""
        self.connect(timeout)
        self.read_until(b"agent-ready\n", timeout, "booting")

    def run(self, command, timeout=60, check=True):
        """Run a shell command in the guest; out is what it wrote to both streams."""
        token = secrets.token_hex(8)
        self.connect(5)
        self.buffer = b""
        line = "%s %s\n" % (token, base64.b64encode(command.encode()).decode())
        if len(line) > 4000:
            raise Failure("a command of %d bytes does not fit the guest's line buffer" % len(command))
        self.connection.settimeout(10 * TIME_FACTOR)
        self.connection.sendall(line.encode())
        text = "`%s`" % command
        out = self.read_until(("\n%s " % token).encode(), timeout, text)
        status = int(self.read_until(b"\n", 5, text))
        result = Result("guest# " + command, status, out.decode(errors="replace"))
        if check and status != 0:
            raise Failure(str(result))
        return result

    def out(self, command, timeout=60):
        return self.run(command, timeout).out.strip()

    def dmesg(self):
        return self.run("dmesg | grep -i pvperf", check=False).out

    # Our device and driver

    def wait_driver(self, timeout=20):
        """Until the driver has a host that serves it."""
        wait_for(lambda: self.sysfs("state").startswith("up"), "the driver of %s to find its host" % self.name, timeout)

    def set_metadata(self, element, *options):
        """What `virsh metadata --set` does with an element: libvirt adds the namespace itself."""
        return self.host.virsh("metadata", self.name, XMLNS, "--key", "pvperf", "--set", element, *options)

    def listed(self):
        """What virsh-pvperf list says of it."""
        return next(one for one in self.host.pvperf_json("list", "--all") if one["name"] == self.name)

    def totals(self):
        """The host's totals since the domain started, by event."""
        return {event["event"]: event for event in self.stats()["events"]}

    def stats(self):
        return self.host.pvperf_json("stats", self.name)[0]

    def wait_closed(self):
        """Until the host has closed what a driver that went away had open."""
        wait_for(lambda: self.stats()["open"] == 0, "the events of %s to be closed" % self.name)

    def vcpu_threads(self):
        """The vCPU threads, as numbers of tasks."""
        tasks = "/proc/%d/task" % self.pid()
        for task in os.listdir(tasks):
            with open("%s/%s/comm" % (tasks, task), encoding="ascii") as comm:
                if comm.read().startswith("CPU "):
                    yield task

    def vcpu_time(self):
        """CPU time of the vCPU threads in ns, as the host's scheduler counts it."""
        total = 0
        for task in self.vcpu_threads():
            with open("/proc/%d/task/%s/schedstat" % (self.pid(), task), encoding="ascii") as schedstat:
                total += int(schedstat.read().split()[0])
        return total

    def check_kernel(self):
        """No complaint of the guest's kernel, in this boot."""
        bad = self.run(r"dmesg | grep -E 'BUG:|Oops|WARNING:|Call Trace|rcu.*stall|general protection'",
                       check=False).out.strip()
        if bad:
            raise Failure("the kernel of %s complains:\n%s" % (self.name, self.out("dmesg | tail -n 60")))

    def sysfs(self, name, pmu="pvperf"):
        return self.run("cat /sys/bus/event_source/devices/%s/host/%s" % (pmu, name), check=False).out.strip()

    def wait_state(self, wanted, timeout=20):
        """Until virsh-pvperf says this state of the domain."""
        def shown():
            for domain in self.host.pvperf_json("list", "--all"):
                if domain["name"] == self.name and domain["state"] == wanted:
                    return domain
            return None
        return wait_for(shown, "state '%s' of %s" % (wanted, self.name), timeout)
