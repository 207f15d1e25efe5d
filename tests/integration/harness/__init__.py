# SPDX-License-Identifier: LGPL-2.1-or-later
"""Integration tests on real parts: stock libvirtd and QEMU in a private host, a real kernel and perf as guest."""

from .case import Skip, check, main, step
from .faults import LOADS, Load, Totals, Whole, Window, quantile, strike
from .guest import Guest, bare
from .host import COMPAT, Host, XMLNS, built, compat
from .perf import NOT_COUNTED, NOT_SUPPORTED, check_equal, parse, stat, stat_list
from .process import TIME_FACTOR, Failure, children, find, pss_kib, run, wait_for, wakeups
from .record import Overflows, record

__all__ = [
    "COMPAT", "Failure", "Guest", "Host", "LOADS", "Load", "NOT_COUNTED", "NOT_SUPPORTED", "Overflows", "Skip",
    "TIME_FACTOR", "Totals", "Whole", "Window", "XMLNS", "bare", "built", "check", "check_equal", "children", "compat",
    "find", "main", "parse", "pss_kib", "quantile", "record", "run", "stat", "stat_list", "step", "strike", "wait_for",
    "wakeups",
]
