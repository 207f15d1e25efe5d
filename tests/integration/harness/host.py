# SPDX-License-Identifier: LGPL-2.1-or-later
"""The private host: stock libvirtd and our processes, started from the build directory."""

import json
import os
import shutil
import signal

from .process import TIME_FACTOR, Daemon, Failure, find, run, wait_for

SOURCE = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
BUILD = os.path.realpath(os.environ.get("PVPERF_BUILD", os.path.join(SOURCE, "build")))
EDITOR = os.path.join(SOURCE, "tests", "integration", "harness", "editor")
# Parts that come from Debian's backports instead (tests/compat): some of libvirt, qemu, kernel (the guest's).
COMPAT = [part for part in os.environ.get("PVPERF_COMPAT", "").split(",") if part]
XMLNS = "http://libvirt-pvperf.org/xmlns/libvirt/domain/1.0"


def built(*path):
    """A program or file of the build directory."""
    return os.path.join(BUILD, *path)


def compat(*path):
    """A file of the other generation (tests/compat/prepare)."""
    return built("tests", "compat", *path)


def image(name):
    """A file of the test guest's: its kernel or an initramfs."""
    return compat("image", name) if "kernel" in COMPAT else built("tests", "integration", name)


def public(source, name=None):
    """A copy of a file where every user may read and run it, whatever the build directory's mode."""
    path = os.path.join("/run/public", name or os.path.basename(source))
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        shutil.copyfile(source, path)
        os.chmod(path, 0o755)
    return path


CONFIG = "/etc/libvirt/virtpvperfd.conf"
# The default CPU time of a backend is not enough where all is slow.
CONFIG_ALWAYS = "" if TIME_FACTOR == 1 else "default_cpu_quota = 0\n"


def write(path, text):
    """A file whole, its directories made."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


class Host:
    """One per case; start() brings it up, what it started ends with the namespace."""

    qemu_run_dir = "/run/libvirt/qemu"
    public_dir = "/run"                 # what QEMU's user may read and make sockets in

    def __init__(self, log_dir):
        self.log_dir = log_dir
        self.console_dir = log_dir
        os.makedirs(log_dir, exist_ok=True)
        self.libvirtd = Daemon("libvirtd", ["libvirtd"], log_dir)
        self.ivshmem = Daemon("pvperf-ivshmem", [built("src", "ivshmem", "pvperf-ivshmem")], log_dir)
        self.daemon = Daemon(
            "virtpvperfd",
            [built("src", "qemu", "virtpvperfd"), "--verbose", "--config", CONFIG,
             "--backend", built("src", "backend", "pvperf-backend")],
            log_dir)

    def start(self, ivshmem=True, daemon=True):
        """libvirtd and, unless told otherwise, our two processes."""
        if ivshmem:
            self.start_ivshmem()
        self.start_libvirtd()
        if daemon:
            self.start_daemon()

    def start_libvirtd(self):
        self.libvirtd.start()
        wait_for(lambda: self.virsh("list", check=False).status == 0, "libvirtd to answer")

    def start_ivshmem(self):
        self.ivshmem.start()
        wait_for(lambda: os.path.exists("/run/libvirt/pvperf/ivshmem.sock"), "pvperf-ivshmem's socket")

    def start_daemon(self):
        if not os.path.exists(CONFIG):
            self.configure("")
        self.daemon.start()
        wait_for(lambda: self.pvperf("list", check=False).status == 0, "virtpvperfd to answer")

    def configure(self, text):
        """virtpvperfd.conf; with reload() it holds."""
        write(CONFIG, CONFIG_ALWAYS + text)

    def named(self, kind, name, element):
        """A policy (kind "policies") or a group ("groups"); None takes it away."""
        path = "/etc/libvirt/pvperf/%s/%s.xml" % (kind, name)
        if element is None:
            os.unlink(path)
        else:
            write(path, element)

    def reload(self):
        """The daemon reads its configuration again, and has done so when this returns."""
        done = "read again", "nothing is changed, because"
        before = sum(self.daemon.text().count(text) for text in done)
        self.daemon.signal(signal.SIGHUP)
        wait_for(lambda: sum(self.daemon.text().count(text) for text in done) > before, "virtpvperfd to reload")

    def virsh(self, *arguments, timeout=60, check=True, env=None):
        return run(["virsh", "-q", *arguments], timeout=timeout, check=check, env=env)

    def pvperf(self, *arguments, timeout=30, check=True, env=None):
        return run([built("tools", "virsh-pvperf", "virsh-pvperf"), *arguments],
                   timeout=timeout, check=check, env=env)

    def pvperf_json(self, *arguments):
        result = self.pvperf(*arguments, "--format", "json")
        try:
            return json.loads(result.out)
        except ValueError as error:
            raise Failure("not JSON: %s\n%s" % (error, result)) from error

    def edit(self, name, element):
        """A real `virsh edit` whose editor puts the element into <metadata>."""
        return self.virsh("edit", name, env={"EDITOR": EDITOR, "PVPERF_ELEMENT": element})

    def backends(self):
        return find("pvperf-backend")
