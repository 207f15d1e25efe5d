#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The private host itself: stock libvirtd boots a guest and perf runs in it."""

from harness import Guest, check, main, stat, step


@step
def boots_and_counts(host):
    guest = Guest(host, driver=False)
    guest.define()
    guest.start()
    counts = stat(guest, "task-clock,context-switches", "work burn 200")
    check(counts["task-clock"].value >= 200, "%s", counts)
    guest.destroy()


main(lambda host: host.start(ivshmem=False, daemon=False))
