#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU confined by AppArmor reaches pvperf-ivshmem.

    run.py BUILD KERNEL         BUILD: this build directory, KERNEL: of the integration tests

Profiles are made as libvirt makes them: Debian's abstraction, the template, and what its virt-aa-helper
writes for a domain. A kernel with AppArmor, in an emulated guest, loads and enforces them. TAP.
"""

import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.path.realpath(os.path.join(HERE, "..", ".."))
RULE = os.path.join(SOURCE, "src", "ivshmem", "libvirt-qemu-pvperf.apparmor")
AA_HELPER = "/usr/lib/libvirt/virt-aa-helper"
SECONDS = 420
REACHED = "connected, mapped, rang, confined"
REFUSED = "connect: Permission denied"

DOMAIN = """<domain type='qemu'><name>confined</name><uuid>853418a7-793b-4cac-aaae-1b9fad5752c1</uuid>
  <memory unit='MiB'>384</memory><vcpu>2</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices>
</domain>"""


def skip(why):
    print("1..0 # SKIP %s" % why)
    sys.exit(0)


def output(argv, text=None):
    return subprocess.run(argv, input=text, check=True, capture_output=True, text=True, timeout=60).stdout


def fetch(tools):
    program = os.path.join(SOURCE, "scripts", "fetch-package")
    done = subprocess.run([program, tools, "apparmor", "libvirt-daemon-system"],
                          stdout=subprocess.PIPE, text=True, timeout=120, check=False)
    if done.returncode != 0:
        skip(done.stdout.strip())


def policy_tree(tools, root):
    """/etc/apparmor.d as the two packages leave it: the last file is made by a package's script."""
    etc = os.path.join(root, "etc", "apparmor.d")
    for package in "apparmor", "libvirt-daemon-system":
        shutil.copytree(os.path.join(tools, package, "etc", "apparmor.d"), etc, dirs_exist_ok=True)
    os.makedirs(os.path.join(etc, "local", "abstractions"))
    with open(os.path.join(etc, "local", "abstractions", "libvirt-qemu"), "w", encoding="ascii"):
        pass
    return etc


def rules_of_libvirt(xml):
    """What libvirt allows a domain beyond the abstraction, as virt-aa-helper writes it."""
    text = output([AA_HELPER, "-c", "-d", "-u", "libvirt-853418a7-793b-4cac-aaae-1b9fad5752c1"], xml)
    return "".join(line + "\n" for line in text.splitlines() if line.startswith("  \""))


def profile(etc, name, rules):
    """As libvirt/TEMPLATE.qemu has it, with the rules in place of the file that it includes."""
    with open(os.path.join(etc, "libvirt", "TEMPLATE.qemu"), encoding="utf-8") as file:
        template = file.read()
    head, tail = template.rsplit("}", 1)
    return head.replace("LIBVIRT_TEMPLATE", name) + rules + "}" + tail


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def profiles(build, root, etc):
    """By name; and whether they load is seen already here."""
    virsh_pvperf = os.path.join(build, "tools", "virsh-pvperf", "virsh-pvperf")
    path = os.path.join(root, "domain.xml")
    write(path, DOMAIN)
    with_device = output([virsh_pvperf, "-c", "test:///default", "enable", "--print-xml", "--file", path])
    os.unlink(path)
    with open(RULE, encoding="utf-8") as file:
        rule = file.read()
    found = {
        "started-with-the-device": rules_of_libvirt(with_device),
        "without-a-rule": rules_of_libvirt(DOMAIN),
        "plugged-with-our-rule": rules_of_libvirt(DOMAIN) + rule,
    }
    for name, rules in found.items():
        write(os.path.join(root, "profiles", name), profile(etc, name, rules))
    return sorted(found)


def install(path, root, name):
    target = os.path.join(root, name)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copy(path, target)
    os.chmod(target, 0o755)


def libraries(program, root):
    for line in output(["ldd", program]).splitlines():
        path = next((word for word in line.split() if word.startswith("/")), None)
        if path:
            install(path, root, path[1:])


def image(build, tools, root):
    parser = os.path.join(tools, "apparmor", "sbin", "apparmor_parser")
    keeper = os.path.join(build, "src", "ivshmem", "pvperf-ivshmem")
    peer = os.path.join(root, "usr", "bin", "qemu-system-x86_64")
    install("/bin/busybox", root, "bin/busybox")
    install(os.path.join(HERE, "init"), root, "init")
    install(parser, root, "sbin/apparmor_parser")
    install(keeper, root, "bin/pvperf-ivshmem")
    libraries(parser, root)
    libraries(keeper, root)
    os.makedirs(os.path.dirname(peer))
    output(["cc", "-O1", "-Wall", "-Werror", "-static", "-o", peer, os.path.join(HERE, "peer.c")])
    archive = root + ".cpio"
    output(["sh", "-c", "cd '%s' && find . | cpio --quiet -o -H newc -R 0:0 >'%s'" % (root, archive)])
    return archive


def boot(kernel, archive):
    """The result lines of the guest."""
    done = subprocess.run(
        ["timeout", str(SECONDS), "qemu-system-x86_64", "-machine", "q35", "-nodefaults", "-display", "none",
         "-no-reboot", "-m", "512", "-serial", "stdio", "-kernel", kernel, "-initrd", archive,
         "-append", "console=ttyS0 quiet panic=-1 mitigations=off apparmor=1 security=apparmor"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    console = done.stdout.decode(errors="replace")
    lines = [line.strip()[2:].partition(": ") for line in console.splitlines() if line.startswith("# ")]
    return {name: value for name, _, value in lines}, console


def main():
    build, kernel = sys.argv[1:]
    if not os.access(AA_HELPER, os.X_OK):
        skip("this libvirt has no virt-aa-helper: it is built without AppArmor")
    tools = os.path.join(build, "tests", "apparmor", "tools")
    fetch(tools)
    with tempfile.TemporaryDirectory() as work:
        root = os.path.join(work, "root")
        etc = policy_tree(tools, root)
        names = profiles(build, root, etc)
        found, console = boot(kernel, image(build, tools, root))
    mediated = found.get("af_unix") == "yes"
    wanted = {name: REACHED for name in names}
    wanted["enabled"] = "Y"
    wanted["unconfined"] = REACHED.replace("confined", "not confined")
    if mediated:
        wanted["without-a-rule"] = REFUSED
    print("1..%d" % len(wanted))
    for number, (name, value) in enumerate(sorted(wanted.items()), 1):
        good = found.get(name) == value
        skip_text = "" if mediated or not good or name != "without-a-rule" else \
            " # SKIP this kernel's AppArmor does not ask at connect() to a socket file: no rule is needed"
        print("%s %d - %s: %s%s" % ("ok" if good else "not ok", number, name, found.get(name), skip_text))
    if any(found.get(name) != value for name, value in wanted.items()):
        for line in console.splitlines()[-40:]:
            print("# " + line)
        sys.exit(1)


main()
