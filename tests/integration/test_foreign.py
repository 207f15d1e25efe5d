#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Windows that the driver must not use: other people's, of another version, of a wrong size."""

from harness import NOT_SUPPORTED, Guest, check, main, stat, step
from harness.foreign import ForeignServer, identity

SIZE = 1 << 18            # of a window for 2 vCPUs
DEVICE = ("<shmem name='{0}' role='master'><model type='ivshmem-doorbell'/>"
          "<server path='/run/{0}.sock'/><msi vectors='2' ioeventfd='on'/></shmem>")


def boot(host, name, header):
    ForeignServer("/run/%s.sock" % name, header, SIZE)
    guest = Guest(host, name, max_vcpus=2, devices=DEVICE.format(name))
    guest.define()
    guest.start()
    return guest


def end(host, guest):
    guest.run("rmmod pvperf && insmod /lib/pvperf.ko")
    guest.check_kernel()
    guest.destroy()
    host.virsh("undefine", guest.name)


def said(guest):
    """What the driver has to say, beyond that it was loaded."""
    return [line for line in guest.dmesg().splitlines() if "taint" not in line]


@step
def not_ours(host):
    """Another user of ivshmem: not a word, not a touch."""
    guest = boot(host, "other", b"something else")
    check(guest.sysfs("state") == "absent", "state: %s", guest.sysfs("state"))
    check(said(guest) == [], "the driver speaks of a device of others: %s", said(guest))
    found = stat(guest, "pvperf/vcpu-clock/,task-clock", "work burn 50")
    check(found["pvperf/vcpu-clock/"].value == NOT_SUPPORTED, "%s", found)
    end(host, guest)


@step
def newer_host(host):
    guest = boot(host, "newer", identity(major=2, minor=3, size=SIZE))
    check("2.3" in guest.sysfs("state") and "1.0" in guest.sysfs("state"), "state: %s", guest.sysfs("state"))
    check(any("2.3" in line and "driver" in line for line in said(guest)), "the log: %s", said(guest))
    found = stat(guest, "pvperf/vcpu-clock/,task-clock", "work burn 50")
    check(found["pvperf/vcpu-clock/"].value == NOT_SUPPORTED, "%s", found)
    end(host, guest)


@step
def wrong_size(host):
    guest = boot(host, "size", identity(size=SIZE * 4))
    check(guest.sysfs("state") == "absent", "state: %s", guest.sysfs("state"))
    check(any(str(SIZE) in line for line in said(guest)), "the log: %s", said(guest))
    end(host, guest)


@step
def nobody_behind_it(host):
    """A right window that no backend ever serves."""
    guest = boot(host, "down", identity(size=SIZE))
    check(guest.sysfs("state") == "down", "state: %s", guest.sysfs("state"))
    found = stat(guest, "pvperf/vcpu-clock/,task-clock", "work burn 50")
    check(found["pvperf/vcpu-clock/"].value == NOT_SUPPORTED, "%s", found)
    end(host, guest)


main(lambda host: host.start_libvirtd())
