#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virsh-pvperf against the real libvirt and QEMU, with no daemon: enable, edit, disable, check.

The guests have nothing to boot; what is looked at is their XML and their devices.
"""

import os
import re

from harness.case import check, main, step
from harness.host import EDITOR, XMLNS

DOMAIN = """<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>32</memory>
  <vcpu current='1'>2</vcpu>
  <os><type arch='x86_64' machine='{machine}'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    {devices}
  </devices>
</domain>
"""


def define(host, name, machine="pc", devices=""):
    path = "/run/%s.xml" % name
    with open(path, "w", encoding="utf-8") as file:
        file.write(DOMAIN.format(name=name, machine=machine, devices=devices))
    host.virsh("define", path)
    return name


def dumpxml(host, name, live=False):
    return host.virsh("dumpxml", name, *([] if live else ["--inactive"])).out


def has_device(host, name, live=False):
    return "<shmem name='pvperf'" in dumpxml(host, name, live)


def remove(host, name):
    host.virsh("destroy", name, check=False)
    host.virsh("undefine", name, "--managed-save", "--snapshots-metadata")


@step
def enable_is_one_define(host):
    """Element, device and override at once; a second time changes nothing; QEMU starts with it."""
    name = define(host, "one", machine="q35")
    result = host.pvperf("enable", name)
    check("persistent definition" in result.err and "warning" not in result.err, "%s", result)
    xml = dumpxml(host, name)
    check(re.search("<pvperf [^>]*managed=.yes.", xml), "no managed='yes' in\n%s", xml)
    for part in ("<shmem name='pvperf' role='master'>", "alias name='ua-pvperf'",
                 "vectors='2'", "<qemu:override>", "pvperf/ivshmem.sock"):
        check(part in xml, "no %s in\n%s", part, xml)
    check("pcie-to-pci-bridge" not in xml, "a bridge was added:\n%s", xml)
    result = host.pvperf("enable", name)
    check("already" in result.err, "%s", result)
    check(dumpxml(host, name) == xml, "the second enable changed the XML")
    host.virsh("start", name)
    check("ua-pvperf" in dumpxml(host, name, live=True), "the running domain has no device")
    result = host.pvperf("check", name, check=False)
    for line in ("the running domain has the device", "the device is migratable",
                 "QEMU has the device ivshmem-doorbell", "pvperf-ivshmem listens for QEMU"):
        check(re.search(re.escape(line) + " *: PASS", result.out), "%s: %s", line, result)
    check(re.search("virtpvperfd answers *: FAIL", result.out), "%s", result)
    remove(host, name)


@step
def enable_keeps_the_rest(host):
    """What enable adds, disable takes out to the last node."""
    name = define(host, "rest")
    before = dumpxml(host, name)
    host.pvperf("enable", name)
    host.pvperf("disable", name)
    check(dumpxml(host, name) == before, "disable left something:\n%s\n%s", before, dumpxml(host, name))
    remove(host, name)


@step
def by_id_uuid_and_name(host):
    name = define(host, "7up")
    host.virsh("start", name)
    number = host.virsh("domid", name).out.strip()
    uuid = host.virsh("domuuid", name).out.strip()
    for domain in (number, uuid, name):
        host.pvperf("enable", domain)
        check(has_device(host, name), "enable %s gave no device", domain)
        host.pvperf("disable", "--domain", domain)
        check(not has_device(host, name), "disable %s left the device", domain)
    remove(host, name)


@step
def secrets_survive(host):
    """A define from XML without its passwords would drop them."""
    name = define(host, "secret", devices="<graphics type='vnc' passwd='hush'/>")
    host.pvperf("enable", name)
    check("passwd='hush'" in host.virsh("dumpxml", name, "--inactive", "--security-info").out, "lost")
    check("hush" not in host.pvperf("enable", "--print-xml", name).out, "--print-xml told a password")
    check("hush" in host.pvperf("enable", "--print-xml", "--security-info", name).out, "not with --security-info")
    remove(host, name)


@step
def print_xml_is_for_create(host):
    """The printed XML starts as a transient domain with the device."""
    path = "/run/transient.xml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(DOMAIN.format(name="transient", machine="pc", devices=""))
    xml = host.pvperf("enable", "--print-xml", "--file", path).out
    with open(path, "w", encoding="utf-8") as file:
        file.write(xml)
    host.virsh("create", path)
    check(has_device(host, "transient", live=True), "no device")
    result = host.pvperf("enable", "transient", check=False)
    check(result.status == 1 and "transient" in result.err, "%s", result)
    host.virsh("destroy", "transient")


@step
def hot_plug(host):
    """enable --live plugs the device in and warns; such a domain cannot be saved."""
    name = define(host, "hot")
    host.virsh("start", name)
    result = host.pvperf("enable", name, "--live")
    check("not migratable" in result.err, "%s", result)
    check(has_device(host, name, live=True) and not has_device(host, name), "not only the running one")
    check(XMLNS in dumpxml(host, name, live=True), "the running domain has no element")
    check("already" in host.pvperf("enable", name, "--live").err, "plugged twice")
    result = host.virsh("managedsave", name, check=False)
    check(result.status != 0, "%s", result)
    result = host.pvperf("disable", name, "--live", check=False)
    check(XMLNS not in dumpxml(host, name, live=True), "the element is still there: %s", result)
    remove(host, name)


@step
def disable_leaves_the_device_running(host):
    name = define(host, "leave")
    host.pvperf("enable", name)
    host.virsh("start", name)
    dry = host.pvperf("disable", name, "--dry-run")
    check("would take <pvperf> from the running domain" in dry.out, "%s", dry)
    check(has_device(host, name), "--dry-run changed something")
    result = host.pvperf("disable", "--all")
    check("until it is shut down" in result.err, "%s", result)
    check(not has_device(host, name) and has_device(host, name, live=True), "%s", result)
    check(XMLNS not in dumpxml(host, name, live=True), "the running domain kept its element")
    remove(host, name)


@step
def holders_are_named(host):
    """A managed save image and a snapshot still hold the device."""
    name = define(host, "holder")
    host.pvperf("enable", name)
    host.virsh("start", name)
    with open("/run/snapshot.xml", "w", encoding="utf-8") as file:
        file.write("<domainsnapshot><name>before</name><state>shutoff</state><creationTime>1</creationTime>"
                   "<memory snapshot='no'/>%s</domainsnapshot>" % dumpxml(host, name))
    host.virsh("snapshot-create", name, "/run/snapshot.xml", "--redefine")
    host.virsh("managedsave", name)
    result = host.pvperf("disable", name)
    check("managed save image" in result.err and "snapshot 'before'" in result.err, "%s", result)
    host.virsh("start", name)
    check(has_device(host, name, live=True), "the saved state had no device")
    remove(host, name)


@step
def edit_checks(host):
    """A typo is not saved; what is right is; a race is refused."""
    name = define(host, "edit")
    environment = {"EDITOR": EDITOR, "VISUAL": "",
                   "PVPERF_ELEMENT": "<pvperf xmlns='%s'><evnets max='1'/></pvperf>" % XMLNS}
    result = host.pvperf("edit", name, env=environment, check=False)
    check(result.status == 1 and "<evnets>" in result.err, "%s", result)
    check("pvperf" not in dumpxml(host, name), "it was saved")
    environment["PVPERF_ELEMENT"] = "<pvperf xmlns='%s'/>" % XMLNS
    host.pvperf("edit", name, env=environment)
    check(XMLNS in dumpxml(host, name), "it was not saved")
    racer = "/run/racer"
    with open(racer, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nvirsh -q desc %s --config 'somebody else' >/dev/null\n"
                   "sed -i s/evnets/events/ \"$1\"\necho >> \"$1\"\n" % name)
    os.chmod(racer, 0o755)
    result = host.pvperf("edit", name, env={"EDITOR": racer, "VISUAL": ""}, check=False)
    check(result.status == 1 and "somebody else" in result.err, "%s", result)
    remove(host, name)


@step
def second_device(host):
    """Another ivshmem device does not matter; a foreign one of our name is refused."""
    plain = "<shmem name='other'><model type='ivshmem-plain'/><size unit='M'>1</size></shmem>"
    name = define(host, "beside", devices=plain)
    host.pvperf("enable", name)
    result = host.pvperf("check", name, check=False)
    check("1 of them; the guest's driver leaves them alone" in result.out, "%s", result)
    remove(host, name)
    name = define(host, "foreign", devices=plain.replace("other", "pvperf"))
    result = host.pvperf("enable", name, check=False)
    check(result.status == 1 and "pvperf" in result.err, "%s", result)
    remove(host, name)


@step
def libvirtd_away(host):
    """Each command says so; check goes on with the rest."""
    host.libvirtd.stop()
    result = host.pvperf("enable", "one", check=False)
    check(result.status == 1 and "libvirtd" in result.err, "%s", result)
    result = host.pvperf("check", check=False)
    check(re.search("libvirt answers *: FAIL", result.out), "%s", result)
    check(re.search("pvperf-ivshmem listens for QEMU *: PASS", result.out), "%s", result)
    host.start_libvirtd()


main(start=lambda host: host.start(daemon=False))
