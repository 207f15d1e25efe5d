#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""pvperf-ivshmem and stock libvirt alone: start, save, restore, hot-plug, with a daemon that never comes."""

import os
import re

from harness import Guest, check, main, step, wait_for

SHMEM = ("<shmem name='pvperf' role='master'><model type='ivshmem-doorbell'/>"
         "<server path='/run/libvirt/pvperf/ivshmem.sock'/><msi vectors='%d'/>"
         "<alias name='ua-pvperf'/></shmem>")
OVERRIDE = ("<qemu:override xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><qemu:device alias='ua-pvperf'>"
            "<qemu:frontend><qemu:property name='master' type='string' value='on'/></qemu:frontend>"
            "</qemu:device></qemu:override></domain>")


def define(host, name, devices, **options):
    guest = Guest(host, name=name, devices=devices, driver=False, **options)
    if devices:
        guest.xml = guest.xml.replace("</domain>", OVERRIDE)
    guest.define()
    return guest


def log(host):
    with open(os.path.join(host.log_dir, "pvperf-ivshmem.log"), encoding="utf-8") as file:
        return file.read()


def known(host, guest, vectors):
    """The keeper knows this VM by the pid that libvirt says it has."""
    text = "pid %d, uid [0-9]+, %d vectors\n" % (guest.pid(), vectors)
    wait_for(lambda: re.search("connection [0-9]+: " + text, log(host)), "the keeper to know " + text)


@step
def starts_and_is_known(host):
    for number, (machine, vectors) in enumerate((("q35", 2), ("pc", 64), ("q35", 255))):
        guest = define(host, "start%d" % number, SHMEM % vectors, machine=machine)
        host.virsh("start", guest.name, "--paused")
        known(host, guest, vectors)
        host.virsh("reset", guest.name)
        host.virsh("destroy", guest.name)
    wait_for(lambda: log(host).count(" is gone\n") == 3, "the keeper to see them go")
    check("dead window" not in log(host), "%s", log(host))


@step
def restores_into_a_new_keeper(host):
    guest = define(host, "saved", SHMEM % 4)
    host.virsh("start", guest.name, "--paused")
    host.virsh("managedsave", guest.name)
    host.ivshmem.kill()
    host.start_ivshmem()
    host.virsh("start", guest.name, "--paused")
    known(host, guest, 4)
    host.virsh("destroy", guest.name)


@step
def runs_on_when_the_keeper_dies(host):
    guest = define(host, "orphan", SHMEM % 2)
    host.virsh("start", guest.name, "--paused")
    host.ivshmem.kill()
    host.virsh("resume", guest.name)
    host.virsh("reset", guest.name)
    check(guest.state() == "running", "%s", guest.state())
    host.start_ivshmem()
    host.virsh("destroy", guest.name)


@step
def hot_plugged_again_and_again(host):
    """The device is on no command line: its vectors are the domain's possible vCPUs."""
    guest = define(host, "plugged", "", vcpus=2, max_vcpus=4, machine="pc")
    path = "/run/shmem.xml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(SHMEM % 4)
    guest.start()
    for _ in range(2):
        before = log(host).count(" is gone\n")
        host.virsh("attach-device", guest.name, path, "--live")
        known(host, guest, 4)
        host.virsh("detach-device", guest.name, path, "--live")
        wait_for(lambda: log(host).count(" is gone\n") > before, "the keeper to see the device go", timeout=30)
    guest.destroy()


main(lambda host: host.start(daemon=False))
