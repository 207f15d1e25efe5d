# SPDX-License-Identifier: LGPL-2.1-or-later
"""Integration tests on real parts: stock libvirtd and QEMU in a private host, a real kernel and perf as guest."""

from .case import Skip, main, step
from .guest import Guest
from .host import Host, XMLNS, built
from .perf import Stat, stat
from .process import Failure, children, find, pss_kib, run, wait_for, wakeups

__all__ = [
    "Failure", "Guest", "Host", "Skip", "Stat", "XMLNS", "built", "children", "find", "main",
    "pss_kib", "run", "stat", "step", "wait_for", "wakeups",
]
