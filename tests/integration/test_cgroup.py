#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A backend in the control group of its VM: billed to it, bounded, on the emulator's CPUs, and no group stays."""

import os
import signal
import time

from harness import Guest, NOT_COUNTED, Skip, TIME_FACTOR, bare, check, check_equal, main, stat, step, wait_for
from harness.host import CONFIG, write

EVENTS = ("vcpu-clock", "vcpu-switches")
CLOCK = "pvperf/vcpu-clock/"
ROOT = "/sys/fs/cgroup"
UNIFIED = os.path.exists(ROOT + "/cgroup.controllers")      # version 2
CPU = ROOT if UNIFIED else ROOT + "/cpu"
CPUACCT = ROOT if UNIFIED else ROOT + "/cpuacct"
# Four events, switched twice per round trip of `work switch`: more ops than any quota here is good for.
HAMMER = "-e '{pvperf/vcpu-clock/,pvperf/vcpu-switches/}' -e pvperf/vcpu-clock/ -e pvperf/vcpu-switches/"


def read(*path):
    with open(os.path.join(*path), encoding="ascii") as file:
        return file.read().strip()


def group_of(pid, controller="cpu"):
    """The path of a process in the hierarchy of the controller."""
    for line in read("/proc", str(pid), "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if UNIFIED or controller in controllers.split(","):
            return path
    return None


def groups():
    """All groups that libvirt made for VMs, in all hierarchies."""
    return [path for path, _, _ in os.walk("/sys/fs/cgroup") if ".libvirt-qemu" in path]


def no_groups():
    wait_for(lambda: not groups(), "all groups to be removed", timeout=10)


def quota(pid):
    path = CPU + group_of(pid)
    if UNIFIED:
        limit, period = read(path, "cpu.max").split()
        return int(period), -1 if limit == "max" else int(limit)
    return int(read(path, "cpu.cfs_period_us")), int(read(path, "cpu.cfs_quota_us"))


def billed_ns(path):
    """CPU time on the account of a group."""
    if UNIFIED:
        return 1000 * int(dict(line.split() for line in read(path, "cpu.stat").splitlines())["usage_usec"])
    return int(read(path, "cpuacct.usage"))


def check_counts(guest):
    """It counts all; not asked where all is slow, and the quota short for that."""
    if TIME_FACTOR == 1:
        check_equal(guest, EVENTS, "work hop 1 100")


def backend(host):
    return wait_for(host.backends, "a backend")[0]


def cpu_ns(pid):
    return int(read("/proc", str(pid), "schedstat").split()[0])


def restart(host, guest):
    """Running and served, whatever the step before made of it."""
    if not host.daemon.running():
        host.start_daemon()
    if guest.state() != "running":
        guest.disconnect()
        guest.start()
    guest.wait_driver()


@step
def placed(host, guest):
    """In the VM's groups, with the default quota of two vCPUs."""
    if not groups():
        raise Skip("libvirt has no control groups here")
    pid = backend(host)
    vm = group_of(guest.pid()).removesuffix("/emulator")
    check(vm.endswith(".libvirt-qemu"), "QEMU is in %s", vm)
    for controller in ("cpu", "cpuacct"):
        check(group_of(pid, controller) == vm + "/pvperf", "%s: %s", controller, group_of(pid, controller))
    if UNIFIED:
        check(read(CPU + vm + "/pvperf/cgroup.type") == "threaded", "%s", read(CPU + vm + "/pvperf/cgroup.type"))
    check(quota(pid) == (5000, 1250), "period and quota: %s", quota(pid))
    check_counts(guest)


@step
def billed(host, guest):
    """What the backend uses stands in its group's account, which is part of the VM's."""
    path = CPUACCT + group_of(backend(host), "cpuacct")
    before = billed_ns(path), billed_ns(path + "/..")
    guest.run("perf stat %s -- work switch 2000" % HAMMER)
    after = billed_ns(path), billed_ns(path + "/..")
    check(after[0] > before[0] and after[1] - before[1] >= after[0] - before[0], "%s, then %s", before, after)


@step
def tuned_live(host, guest):
    pid = backend(host)
    for options, wanted in ((("--cpu-quota", "3000"), (5000, 3000)),
                            (("--cpu-period", "100000", "--cpu-quota", "2000"), (100000, 2000)),
                            (("--cpu-period", "10000"), (10000, 2000)),
                            (("--cpu-quota", "0"), (10000, -1)),
                            (("--cpu-period", "5000", "--cpu-quota", "1250"), (5000, 1250))):
        host.pvperf("tune", guest.name, *options)
        wait_for(lambda: quota(pid) == wanted, "period and quota %s, they are %s" % (wanted, quota(pid)), timeout=1)
    check_counts(guest)


@step
def bounded_by_the_vm(host, guest):
    """A quota of the VM's own below that of the policy: version 1 takes none above it, and the VM's holds."""
    if UNIFIED:
        raise Skip("in version 2 a group may have any quota")
    pid = backend(host)
    host.pvperf("tune", guest.name, "--cpu-quota", "0")
    wait_for(lambda: quota(pid)[1] == -1, "no quota")
    host.virsh("schedinfo", guest.name, "--live", "--set", "global_period=100000", "--set", "global_quota=90000")
    host.pvperf("tune", guest.name, "--cpu-quota", "10000")
    wait_for(lambda: "no quota of its own" in host.daemon.text(), "the daemon to say that the VM's quota bounds it")
    check(quota(pid)[1] == -1, "%s", quota(pid))
    host.virsh("schedinfo", guest.name, "--live", "--set", "global_quota=-1")
    wait_for(lambda: quota(pid) == (5000, 10000), "the quota, once the VM has none", timeout=2)
    host.pvperf("tune", guest.name, "--cpu-quota", "1250")
    wait_for(lambda: quota(pid) == (5000, 1250), "the quota")


@step
def follows_emulatorpin(host, guest):
    if len(os.sched_getaffinity(0)) < 2:
        raise Skip("one CPU only")
    one, other = sorted(os.sched_getaffinity(0))[:2]
    everywhere = os.sched_getaffinity(guest.pid())
    pid = backend(host)
    check(os.sched_getaffinity(pid) == everywhere, "%s", os.sched_getaffinity(pid))
    for cpu in (one, other):
        host.virsh("emulatorpin", guest.name, str(cpu), "--live")
        wait_for(lambda: os.sched_getaffinity(pid) == {cpu}, "the backend on CPU %d" % cpu, timeout=2)
    host.virsh("emulatorpin", guest.name, "%d,%d" % (one, other), "--live")
    wait_for(lambda: os.sched_getaffinity(pid) == {one, other}, "both CPUs", timeout=2)
    host.virsh("vcpupin", guest.name, "0", str(one), "--live")
    wait_for(lambda: os.sched_getaffinity(pid) == {other}, "the CPU that is no vCPU's", timeout=2)
    host.virsh("vcpupin", guest.name, "1", str(other), "--live")
    wait_for(lambda: os.sched_getaffinity(pid) == {one, other}, "both, where none is left", timeout=2)
    for vcpu in "01":
        host.virsh("vcpupin", guest.name, vcpu, ",".join(str(cpu) for cpu in sorted(everywhere)), "--live")
    check_counts(guest)


def open_seconds(guest):
    """How long it takes to open an event of the throttled backend; that it opens."""
    begin = time.monotonic()
    opened = guest.out("work open 1 $(cat /sys/bus/event_source/devices/pvperf/type) 0 0")
    check(opened == "open: 1 of 1, no error", "%s; %s", opened, guest.sysfs("last_refusal"))
    return round(time.monotonic() - begin, 2)


def hammered(host, guest, period, limit):
    """Period and quota hold under more ops than they are good for, and the guest sees time not running."""
    pid = backend(host)
    host.pvperf("tune", guest.name, "--cpu-period", str(period), "--cpu-quota", str(limit))
    wait_for(lambda: quota(pid) == (period, limit), "the quota")
    guest.run("perf stat -I 500 -x, -o /tmp/hammer %s -- work switch 1000000 >/tmp/out 2>&1 &" % HAMMER)
    guest.run("sleep 1")
    begin, used = time.monotonic(), cpu_ns(pid)
    states, opens = set(), []
    while time.monotonic() - begin < 5:
        states.add(guest.sysfs("state"))
        opens.append(open_seconds(guest))
    took, used = time.monotonic() - begin, (cpu_ns(pid) - used) / 1e9
    whole = stat(guest, CLOCK, "work burn 300", "--no-scale")[CLOCK]
    guest.run("kill -INT $(pidof perf); while pidof perf >/dev/null; do sleep 0.2; done", timeout=30)
    lines = [line.split(",") for line in guest.out("grep vcpu- /tmp/hammer").splitlines()]
    percent = [float(line[5] or 0) for line in lines]
    throttled = dict(line.split() for line in read(CPU + group_of(pid), "cpu.stat").splitlines())
    print("     %d of %d us: %.3f s of CPU time in %.1f s, states %s, %.2f to %.2f %%, "
          "opened in %.2f s at most, whole %s, %s" % (
              limit, period, used, took, states, min(percent), max(percent), max(opens), whole, throttled), flush=True)
    check(used <= took * limit / period * 1.1 + 2 * limit / 1e6, "more CPU time than its quota")
    check(all(state.startswith("up") for state in states), "the driver took its host for dead: %s", states)
    check(int(throttled["nr_throttled"]) > 0, "it was never throttled")
    check(min(percent) < 100 or NOT_COUNTED in [line[1] for line in lines], "the guest saw no loss: %s", lines)
    check(whole.value == NOT_COUNTED or whole.percent <= 100, "counted for longer than it was on: %s", whole)
    check(all(line[1] == NOT_COUNTED or int(line[1]) >= 0 for line in lines), "went backwards: %s", lines)
    host.pvperf("tune", guest.name, "--cpu-period", "5000", "--cpu-quota", "1250")
    wait_for(lambda: quota(pid) == (5000, 1250), "the quota")
    check_counts(guest)
    guest.check_kernel()


@step
def throttled(host, guest):
    hammered(host, guest, 100000, 1000)


@step
def throttled_for_a_second(host, guest):
    hammered(host, guest, 1000000, 1000)


@step
def adopted(host, guest):
    """A new daemon puts right what changed while there was none."""
    pid = backend(host)
    host.daemon.kill()
    own = group_of(pid)
    write(CPU + own + ("/cpu.max" if UNIFIED else "/cpu.cfs_quota_us"), "max" if UNIFIED else "-1")
    write(CPU + ("/host" if UNIFIED else "") + "/cgroup.procs", str(pid))
    host.start_daemon()
    wait_for(lambda: group_of(pid) == own and quota(pid) == (5000, 1250), "the adopted backend in its place")


@step
def destroyed(host, guest):
    guest.destroy()
    no_groups()
    restart(host, guest)


@step
def destroyed_while_throttled(host, guest):
    """The backend has to end on what is left of its quota, which is nothing for most of a second."""
    pid = backend(host)
    host.pvperf("tune", guest.name, "--live", "--cpu-period", "1000000", "--cpu-quota", "1000")
    wait_for(lambda: quota(pid) == (1000000, 1000), "the quota")
    guest.run("perf stat %s -- work switch 1000000 >/tmp/out 2>&1 &" % HAMMER)
    time.sleep(3)
    guest.disconnect()
    begin = time.monotonic()
    host.virsh("destroy", guest.name)
    took = time.monotonic() - begin
    wait_for(lambda: not host.backends(), "the backend to end with its VM", step=0.01)
    print("     destroy took %.2f s, the backend ended after %.2f s" % (took, time.monotonic() - begin), flush=True)
    no_groups()
    restart(host, guest)


@step
def qemu_killed(host, guest):
    os.kill(guest.pid(), signal.SIGKILL)
    wait_for(lambda: guest.state() == "shut off", "libvirt to see that QEMU died")
    no_groups()
    restart(host, guest)


@step
def backend_killed(host, guest):
    pid = backend(host)
    os.kill(pid, signal.SIGKILL)
    other = wait_for(lambda: [new for new in host.backends() if new != pid], "another backend")[0]
    wait_for(lambda: group_of(other).endswith("/pvperf") and quota(other) == (5000, 1250), "its place")
    os.kill(other, signal.SIGKILL)
    guest.destroy()
    no_groups()
    restart(host, guest)


@step
def backend_stuck(host, guest):
    """It lives on in the VM's groups for longer than libvirt tries to remove them, and nobody looks."""
    os.kill(backend(host), signal.SIGSTOP)
    host.daemon.signal(signal.SIGSTOP)
    guest.destroy()
    check(groups(), "libvirt removed the groups of a living process")
    host.daemon.signal(signal.SIGCONT)
    no_groups()
    restart(host, guest)


@step
def daemon_killed(host, guest):
    host.daemon.kill()
    guest.destroy()
    wait_for(lambda: not host.backends(), "the backend to end with its VM")
    no_groups()
    restart(host, guest)


@step
def libvirtd_restarted(host, guest):
    own = group_of(backend(host))
    host.libvirtd.stop()
    host.start_libvirtd()
    wait_for(lambda: "on" in guest.wait_state("on")["state"], "the domain to be known again")
    check(group_of(backend(host)) == own, "%s", group_of(backend(host)))
    guest.destroy()
    no_groups()
    restart(host, guest)


@step
def qemu_killed_without_libvirtd(host, guest):
    """A libvirtd that finds QEMU dead when it starts does not look for its groups: those stay, ours does not."""
    host.libvirtd.kill()
    os.kill(guest.pid(), signal.SIGKILL)
    wait_for(lambda: not host.backends(), "the backend to end with its VM")
    host.start_libvirtd()
    wait_for(lambda: guest.state() == "shut off", "libvirt to see that QEMU died")
    wait_for(lambda: not [path for path in groups() if path.endswith("/pvperf")], "the backend's groups to be removed")
    for path in reversed(groups()):
        os.rmdir(path)
    restart(host, guest)


@step
def without_controllers(host, guest):
    """One warning over two VMs; they count, and the other limits hold."""
    guest.disconnect()
    if guest.state() == "running":
        guest.destroy()
    conf = read("/etc/libvirt/qemu.conf").splitlines()
    with open("/etc/libvirt/qemu.conf", "w", encoding="ascii") as file:
        file.write("\n".join("cgroup_controllers = [ ]" if "cgroup_controllers" in line else line for line in conf))
    host.libvirtd.stop()
    host.start_libvirtd()
    host.daemon.stop()
    host.start_daemon()
    said = len(host.daemon.text())
    guest.start()
    guest.wait_driver()
    second = Guest(host, "second", max_vcpus=2).up(bare("<events max='4'/>"))
    check(not groups(), "%s", groups())
    lines = [line for line in host.daemon.text()[said:].splitlines() if "gets no control group" in line]
    warnings = [line for line in lines if "said once" in line]
    check(len(lines) == 2 and len(warnings) == 1, "%s", lines)
    for each in (guest, second):
        check_counts(each)
    opened = second.out("work open 5 $(cat /sys/bus/event_source/devices/pvperf/type) 0 0")
    check(opened == "open: 4 of 5, EBUSY", "%s", opened)


def start(host):
    """With the defaults that we ship, on a slow machine, too."""
    write(CONFIG, "")
    host.start()


main(start, guest=lambda host: Guest(host, max_vcpus=2).up())
