#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is wrong is said clearly, and the VM starts and runs all the same."""

import re
import time

from harness import Guest, XMLNS, bare, check, main, run, step, wait_for
from harness.host import EDITOR, built, public


def fresh(host, name):
    guest = Guest(host, name, max_vcpus=2)
    guest.define()
    return guest


def runs_without(host, guest):
    """It starts, perf in it works, and there is nothing of ours in it."""
    guest.start()
    guest.run("perf stat -e task-clock -- true")
    check(not guest.has_device(), "%s has a device", guest.name)
    guest.destroy()
    host.virsh("undefine", guest.name)


@step
def invalid_value(host):
    guest = fresh(host, "invalid")
    host.edit(guest.name, bare("<events max='0'/>"))
    domain = guest.wait_state("invalid")
    check("max" in domain["reason"] and "0" in domain["reason"], "%s", domain)
    result = host.pvperf("check", guest.name, check=False)
    check(result.status != 0 and "FAIL" in result.out and "max" in result.out, "%s", result)
    runs_without(host, guest)


@step
def unknown_child(host):
    guest = fresh(host, "typo")
    host.edit(guest.name, bare("<evnets max='5'/>"))
    domain = guest.wait_state("invalid")
    check("evnets" in domain["reason"], "%s", domain)
    runs_without(host, guest)


@step
def contradiction(host):
    guest = fresh(host, "contradiction")
    host.edit(guest.name, bare("<class name='raw' allow='yes'/>"))
    domain = guest.wait_state("invalid")
    check("raw" in domain["reason"], "%s", domain)
    runs_without(host, guest)


@step
def emulator_without_the_device(host):
    """As enterprise builds of QEMU are: the domain is left as it is, by us and by `enable`, and starts."""
    emulator = public("/bin/sh", "qemu-without-ivshmem")
    with open(emulator, "w", encoding="ascii") as script:
        script.write("""#!/bin/sh
case "$*" in *ivshmem-doorbell,help*)
    echo "qemu-kvm: -device ivshmem-doorbell,help: 'ivshmem-doorbell' is not a valid device model name" >&2
    exit 1
esac
exec /usr/bin/qemu-system-x86_64 "$@"
""")
    guest = Guest(host, "enterprise", max_vcpus=2)
    guest.xml = guest.xml.replace("/usr/bin/qemu-system-x86_64", emulator)
    guest.define()
    host.edit(guest.name, bare())
    sentence = "'%s' was built without the device ivshmem-doorbell" % emulator
    wait_for(lambda: sentence in guest.listed()["reason"], "the daemon to say that QEMU lacks the device")
    check(not guest.has_device(inactive=True), "it was given the device")
    result = host.pvperf("enable", guest.name, check=False)
    check(result.status != 0 and sentence in result.err, "%s", result)
    result = host.pvperf("check", guest.name, check=False)
    check(result.status != 0 and emulator in result.out and "built without it" in result.out, "%s", result)
    runs_without(host, guest)


@step
def repaired(host):
    """A wrong element is set right: the device comes."""
    guest = fresh(host, "repaired")
    host.edit(guest.name, bare("<events max='0'/>"))
    guest.wait_state("invalid")
    host.edit(guest.name, bare("<events max='5'/>"))
    guest.wait_device()
    guest.wait_state("on")
    host.virsh("undefine", guest.name)


@step
def top_level(host):
    """virsh edit rejects it; `check` on the file says where it belongs."""
    guest = fresh(host, "top")
    result = host.virsh("edit", guest.name, check=False,
                        env={"EDITOR": EDITOR, "PVPERF_ELEMENT": bare(), "PVPERF_PLACE": "top-level"})
    print("     virsh edit: status %d, %s" % (result.status, result.err.strip().splitlines()[:1]), flush=True)
    with open("/run/top.xml", "w", encoding="utf-8") as file:
        file.write(guest.xml.replace("</domain>", bare() + "</domain>"))
    result = host.pvperf("validate", "/run/top.xml", check=False)
    check(result.status != 0 and "metadata" in result.out + result.err, "%s", result)
    runs_without(host, guest)


@step
def without_namespace(host):
    guest = fresh(host, "noxmlns")
    host.edit(guest.name, "<pvperf/>")
    with open("/run/noxmlns.xml", "w", encoding="utf-8") as file:
        file.write(guest.xml.replace("</name>", "</name><metadata><pvperf/></metadata>"))
    result = host.pvperf("validate", "/run/noxmlns.xml", check=False)
    check(result.status != 0 and XMLNS in result.out + result.err, "%s", result)
    runs_without(host, guest)


@step
def unknown_domain(host):
    for command in ("events", "stats", "check", "enable", "disable"):
        result = host.pvperf(command, "nobody", check=False)
        check(result.status != 0 and "nobody" in result.out + result.err, "%s", result)


@step
def stopped_domain(host):
    guest = fresh(host, "stopped")
    host.edit(guest.name, bare())
    guest.wait_device()
    result = host.pvperf("events", guest.name, check=False)
    check(result.status != 0 and "not running" in (result.out + result.err).lower(), "%s", result)
    host.virsh("undefine", guest.name)


@step
def removed_by_hand(host):
    """Whoever takes the device out again is not fought."""
    guest = fresh(host, "byhand")
    host.edit(guest.name, bare())
    guest.wait_device()
    xml = guest.dumpxml(inactive=True)
    without = re.sub(r"<shmem .*?</shmem>", "", xml, flags=re.DOTALL)
    without = re.sub(r"<qemu:override>.*?</qemu:override>", "", without, flags=re.DOTALL)
    with open("/run/byhand.xml", "w", encoding="utf-8") as file:
        file.write(without)
    host.virsh("define", "/run/byhand.xml")
    guest.wait_state("unmanaged")
    time.sleep(2)
    check(not guest.has_device(inactive=True), "the daemon put it back")
    runs_without(host, guest)


@step
def unmanaged(host):
    guest = fresh(host, "unmanaged")
    host.edit(guest.name, bare(attributes="managed='no'"))
    guest.wait_state("unmanaged")
    check(not guest.has_device(inactive=True), "managed='no' got a device")
    host.pvperf("enable", guest.name, "--config")
    check(guest.has_device(inactive=True), "enable --config gave no device")
    host.virsh("undefine", guest.name)


@step
def ordinary_user(host):
    """Neither the daemon's figures nor libvirt's rights are for everybody."""
    result = run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                  public(built("tools", "virsh-pvperf", "virsh-pvperf")), "list"], check=False)
    check(result.status != 0, "%s", result)
    text = (result.out + result.err).lower()
    check("permission" in text or "denied" in text or "not allowed" in text, "%s", result)


@step
def daemon_not_running(host):
    host.daemon.stop()
    result = host.pvperf("list", check=False)
    check(result.status != 0 and "virtpvperfd" in result.out + result.err, "%s", result)
    guest = fresh(host, "check")
    result = host.pvperf("check", guest.name, check=False)
    check("virtpvperfd" in result.out, "%s", result)
    host.start_daemon()


main()
