# SPDX-License-Identifier: LGPL-2.1-or-later
"""An ordinary user's qemu:///session in the private host: own libvirtd, own bus, own processes of ours."""

import os

from .host import EDITOR, Host, built, public
from .process import Daemon, run, wait_for

UID = 64999
HOME = "/run/user-home"
RUNTIME = "/run/user/%d" % UID
PREFIX = ["setpriv", "--reuid", str(UID), "--regid", str(UID), "--clear-groups"]
ENV = {
    "HOME": HOME,
    "XDG_RUNTIME_DIR": RUNTIME,
    "DBUS_SESSION_BUS_ADDRESS": "unix:path=%s/bus" % RUNTIME,
    "LIBVIRT_DEFAULT_URI": "qemu:///session",
}


class SessionHost(Host):
    """Everything that Host starts, as the user."""

    qemu_run_dir = RUNTIME + "/libvirt/qemu/run"
    public_dir = RUNTIME

    def __init__(self, host):
        with open("/etc/passwd", "a", encoding="ascii") as passwd:
            passwd.write("tester:x:%d:%d:tester:%s:/bin/sh\n" % (UID, UID, HOME))
        with open("/etc/group", "a", encoding="ascii") as group:
            group.write("tester:x:%d:\n" % UID)
        for directory in (HOME, RUNTIME):
            os.makedirs(directory, mode=0o700)
            os.chown(directory, UID, UID)
        super().__init__(host.log_dir)
        self.console_dir = RUNTIME
        self.bus = Daemon("session-bus", PREFIX + ["dbus-daemon", "--session", "--nofork", "--nopidfile",
                                                   "--address=" + ENV["DBUS_SESSION_BUS_ADDRESS"]],
                          self.log_dir, ENV)
        self.libvirtd = Daemon("session-libvirtd", PREFIX + ["libvirtd"], self.log_dir, ENV)
        ivshmem = public(built("src", "ivshmem", "pvperf-ivshmem"))
        daemon = public(built("src", "qemu", "virtpvperfd"))
        backend = public(built("src", "backend", "pvperf-backend"))
        self.ivshmem = Daemon("session-ivshmem", PREFIX + [ivshmem, "--session"], self.log_dir, ENV)
        self.daemon = Daemon("session-virtpvperfd",
                             PREFIX + [daemon, "--uri", "qemu:///session", "--verbose", "--backend", backend],
                             self.log_dir, ENV)

    def start(self, ivshmem=True, daemon=True):
        self.bus.start()
        wait_for(lambda: os.path.exists(RUNTIME + "/bus"), "the session bus")
        super().start(ivshmem, daemon)

    def start_ivshmem(self):
        self.ivshmem.start()
        wait_for(lambda: os.path.exists(RUNTIME + "/libvirt/pvperf/ivshmem.sock"), "pvperf-ivshmem's socket")

    def virsh(self, *arguments, timeout=60, check=True, env=None):
        return run(PREFIX + ["virsh", "-q", *arguments], timeout=timeout, check=check, env={**ENV, **(env or {})})

    def edit(self, name, element):
        return self.virsh("edit", name, env={"EDITOR": public(EDITOR), "PVPERF_ELEMENT": element})

    def pvperf(self, *arguments, timeout=30, check=True, env=None):
        return run(PREFIX + [public(built("tools", "virsh-pvperf", "virsh-pvperf")), *arguments],
                   timeout=timeout, check=check, env={**ENV, **(env or {})})
