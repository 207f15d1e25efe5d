#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The host is of the generation that it is said to be of, and keeps our XML as the other one does."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "integration"))

# pylint: disable=wrong-import-position
from harness import COMPAT, Guest, bare, check, check_equal, compat, main, run, step

CLOCK = "pvperf/vcpu-clock/"
OURS = ("<shmem name='pvperf' role='master'>", "<model type='ivshmem-doorbell'/>", "<msi vectors='4'",
        "<alias name='ua-pvperf'/>", "<qemu:device alias='ua-pvperf'>",
        "<qemu:property name='master' type='string' value='on'/>", '<events max="64"/>')


def version_of(part):
    """What was fetched, as people write it: 11.3.0, 10.0.2, 6.12.95."""
    with open(compat("versions"), encoding="utf-8") as file:
        versions = dict(line.split() for line in file)
    return versions[part].rpartition(":")[2].partition("-")[0].partition("+")[0]


@step
def versions(host, guest):
    said = host.virsh("version", "--daemon").out
    for part, text in ("libvirt", "libvirt %s\n"), ("qemu", "QEMU %s\n"):
        if part in COMPAT:
            check(text % version_of(part) in said, "not %s %s: %s", part, version_of(part), said)
    if "kernel" in COMPAT:
        for command in "uname -r", "perf --version":
            check(version_of("kernel") in guest.out(command), "`%s`: %s", command, guest.out(command))


@step
def xml_is_kept(host, guest):
    """What the daemon added is there when libvirt wrote it, live and in the definition, each thing once."""
    for inactive in False, True:
        xml = guest.dumpxml(inactive)
        for part in OURS:
            check(xml.count(part) == 1, "%d times %s in\n%s", xml.count(part), part, xml)
    # And once more through libvirt: a define of what it wrote changes nothing.
    before = guest.dumpxml(inactive=True)
    run(["sh", "-c", "virsh dumpxml --inactive %s >/run/again.xml" % guest.name])
    host.virsh("define", "/run/again.xml")
    check(guest.dumpxml(inactive=True) == before, "a define changed\n%s", guest.dumpxml(inactive=True))
    check(guest.listed()["state"] == "on", "%s", guest.listed())


@step
def schema_takes_it(host, guest):
    """libvirt's own schema, of its generation."""
    run(["sh", "-c", "virsh dumpxml %s >/run/live.xml" % guest.name])
    run(["virt-xml-validate", "/run/live.xml", "domain"])


@step
def only_the_known_taints(host, guest):
    """<qemu:override> taints, and nothing else of ours does."""
    found = [line.split(None, 1)[1] for line in host.virsh("dominfo", guest.name).out.splitlines() if "tainted" in line]
    check(found == ["tainted: custom device configuration"], "%s", found)


@step
def groups_of_two_pmus(host, guest):
    """Linux before 6.2 counts a group over both PMUs; later ones refuse it, and perf splits it or says so."""
    result = guest.run("perf stat -e '{%s,cycles}' -- work burn 50" % CLOCK, check=False)
    check(("regrouped to match PMUs" in result.out) == ("kernel" in COMPAT), "%s", result)
    check_equal(guest, ("vcpu-clock",), "work burn 100")
    guest.check_kernel()


main(guest=lambda host: Guest(host).up(bare("<events max='64'/>")))
