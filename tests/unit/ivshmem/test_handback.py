# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_handback.py PROGRAM: a pvperf-ivshmem that was restarted, and a daemon that has what its predecessor kept."""
import fcntl
import os
import struct
import sys
import time
import unittest

from harness import WAIT, Daemon, Keeper, Process, window_size

PROGRAM = None
F_ADD_SEALS = 1033
SEALED = 0x1 | 0x2 | 0x4  # SEAL, SHRINK, GROW
WRITE, FUTURE_WRITE = 0x8, 0x10


class HandBack(unittest.TestCase):
    def setUp(self):
        self.keeper = Keeper(PROGRAM)
        self.addCleanup(self.keeper.close)

    def given(self, vectors=2, name="vm", leave=True):
        """A VMM in a process of its own, and what the daemon was told of it; then the keeper forgets it."""
        vmm = Process(self.keeper.socket)
        self.addCleanup(vmm.close)
        self.keeper.status_xml(name, vmm.pid, vectors)
        vmm.ask("connect")
        vmm.ask(f"read {4 + vectors}")
        with self.keeper.daemon() as daemon:
            while (given := daemon.taken())["pid"] != vmm.pid:
                pass
        self.addCleanup(lambda: [os.close(fd) for fd in (*given["fds"], *given["irqs"])])
        if leave:
            self.restart()
        return vmm, given

    def restart(self):
        self.keeper.proc.kill()
        self.keeper.proc.wait(WAIT)
        self.keeper.start()

    def synced(self):
        """A daemon that was told that there is nobody."""
        daemon = self.keeper.daemon()
        self.addCleanup(daemon.close)
        self.assertEqual(daemon.read()["type"], daemon.SYNCED)
        return daemon

    def check_same(self, one, two):
        for name in ("pid", "uid", "vectors", "window_size", "start_time"):
            self.assertEqual(one[name], two[name], name)
        self.assertEqual(os.fstat(one["fds"][0]).st_ino, os.fstat(two["fds"][0]).st_ino)
        for here, there in ((one["fds"][1], two["fds"][1]), *zip(one["irqs"], two["irqs"])):
            os.write(here, struct.pack("<Q", 7))
            self.assertEqual(os.read(there, 8), struct.pack("<Q", 7))
        for fd in (*two["fds"], *two["irqs"]):
            os.close(fd)

    def refused(self, daemon, given, why, **fields):
        daemon.hand_back(given, **fields)
        answer = daemon.read()
        self.assertEqual((answer["type"], answer["pid"]), (daemon.REFUSED, fields.get("pid", given["pid"])))
        self.assertIn(f"is not taken back: {why}", self.keeper.read_log())

    def test_kept_again_and_again(self):
        for vectors in (1, 600):
            vmm, given = self.given(vectors)
            for _ in range(3):
                with self.keeper.daemon() as daemon:
                    daemon.hand_back(given)
                    self.check_same(given, daemon.taken())
                with self.keeper.daemon() as after:
                    told = after.taken()
                    self.assertEqual((told["connection"], after.read()["type"]), (1, after.SYNCED))
                    self.check_same(given, told)
                self.restart()
            vmm.close()

    def test_is_told_to_all_and_ends_with_its_process(self):
        vmm, given = self.given()
        before = self.settled()
        one, two = self.synced(), self.synced()
        one.hand_back(given)
        self.check_same(given, one.taken())
        self.check_same(given, two.taken())
        vmm.ask("leave")
        for daemon in (one, two):
            gone = daemon.read()
            self.assertEqual((gone["type"], gone["connection"]), (daemon.GONE, 1))
        self.wait_for_fds(before + 2)

    def test_a_daemon_that_ends_at_once_has_handed_back(self):
        _, given = self.given(600)
        with self.keeper.daemon() as daemon:
            daemon.hand_back(given)
        deadline = time.monotonic() + WAIT
        while "600 vectors, handed back" not in self.keeper.read_log():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        with self.keeper.daemon() as after:
            self.check_same(given, after.taken())

    def test_a_device_that_is_plugged_in_again_is_new(self):
        vmm, given = self.given()
        daemon = self.synced()
        daemon.hand_back(given)
        self.check_same(given, daemon.taken())
        vmm.ask("connect")
        self.assertEqual(vmm.ask("read 6")["values"], [0, 0, -1, 1, 0, 0])
        gone, peer, irqs = (daemon.read() for _ in range(3))
        self.assertEqual([(m["type"], m["connection"]) for m in (gone, peer, irqs)],
                         [(daemon.GONE, 1), (daemon.PEER, 2), (daemon.IRQS, 2)])
        self.assertNotEqual(os.fstat(given["fds"][0]).st_ino, os.fstat(peer["fds"][0]).st_ino)

    def test_what_is_known_is_refused(self):
        _, given = self.given(leave=False)
        with self.keeper.daemon() as daemon:
            daemon.until(daemon.SYNCED)
            self.refused(daemon, given, "its process has a connection already")

    def test_window_of_another_is_refused(self):
        _, one = self.given(name="one", leave=False)
        _, two = self.given(name="two", leave=False)
        two["fds"][0], spare = os.dup(one["fds"][0]), two["fds"][0]
        os.close(spare)
        self.restart()
        daemon = self.synced()
        daemon.hand_back(one)
        self.check_same(one, daemon.taken())
        self.refused(daemon, two, "another process has its window")

    def test_processes_that_are_refused(self):
        vmm, given = self.given()
        daemon = self.synced()
        me = os.getpid()
        self.refused(daemon, given, "its pidfd is not of that process", pid=me)
        self.refused(daemon, given, "its pid was used again", start_time=given["start_time"] + 1)
        self.refused(daemon, given, "its process has changed its user" if os.geteuid() == 0 else
                     "it belongs to another user", uid=given["uid"] + 1)
        pidfd = os.pidfd_open(me)
        self.refused(daemon, dict(given, fds=[*given["fds"][:2], pidfd]), "no status XML of libvirt names its pid",
                     pid=me)
        os.close(pidfd)
        vmm.proc.kill()
        vmm.proc.wait(WAIT)
        self.refused(daemon, given, "its pidfd is not of that process")

    def test_descriptors_that_are_refused(self):
        _, given = self.given()
        daemon = self.synced()
        size = given["window_size"]
        null = os.open("/dev/null", os.O_RDWR)
        event = os.eventfd(0)
        memfd, doorbell, pidfd = given["fds"]
        read_only = os.open(f"/proc/self/fd/{memfd}", os.O_RDONLY)
        opened = [null, event, read_only]
        seals = (0, SEALED & ~0x2, SEALED & ~0x4, SEALED & ~0x1, SEALED | WRITE, SEALED | FUTURE_WRITE)
        windows = [self.memfd(size, these) for these in seals]
        windows += [self.memfd(size // 2, SEALED), self.memfd(size * 2, SEALED)]
        opened += windows
        for window in [*windows, null, event, pidfd, read_only]:
            self.refused(daemon, dict(given, fds=[window, doorbell, pidfd]), "its window is none of ours")
        for fd in (null, memfd, pidfd):
            self.refused(daemon, dict(given, fds=[memfd, fd, pidfd]), "its doorbell is not an eventfd")
            self.refused(daemon, dict(given, irqs=[event, fd]), "one of its vectors is not an eventfd")
        for fd in (null, memfd, event):
            self.refused(daemon, dict(given, fds=[memfd, doorbell, fd]), "its pidfd is not of that process")
        for fd in opened:
            os.close(fd)
        before = self.settled()
        self.refused(daemon, dict(given, fds=[doorbell, doorbell, pidfd]), "its window is none of ours")
        self.wait_for_fds(before)
        daemon.hand_back(given)
        self.check_same(given, daemon.taken())

    @staticmethod
    def memfd(size, seals):
        fd = os.memfd_create("window", os.MFD_ALLOW_SEALING)
        os.ftruncate(fd, size)
        fcntl.fcntl(fd, F_ADD_SEALS, seals)
        return fd

    def test_messages_that_are_not_of_the_protocol(self):
        _, given = self.given()
        before = self.settled()
        peer = {name: given[name] for name in ("pid", "uid", "vectors", "window_size", "start_time")}
        begin = (Daemon.PEER, given["fds"], {})
        cases = [
            [(Daemon.SYNCED, [], {})],
            [(77, [], {})],
            [(Daemon.PEER, given["fds"], {"version": 1})],
            [(Daemon.PEER, given["fds"], {"size": 8})],
            [(Daemon.PEER, given["fds"], {"connection": 1})],
            [(Daemon.PEER, given["fds"], {"pid": 0})],
            [(Daemon.PEER, given["fds"], {"vectors": 0})],
            [(Daemon.PEER, given["fds"], {"vectors": 1025, "window_size": window_size(1025)})],
            [(Daemon.PEER, given["fds"], {"window_size": 4096})],
            [(Daemon.PEER, given["fds"][:2], {})],
            [(Daemon.PEER, given["fds"] + given["irqs"], {})],
            [(Daemon.PEER, given["irqs"][:1] * 253, {})],
            [(Daemon.IRQS, given["irqs"], {"count": 2})],
            [begin, begin],
            [begin, (Daemon.IRQS, given["irqs"], {"count": 1})],
            [begin, (Daemon.IRQS, given["irqs"] * 2, {"count": 4})],
            [begin, (Daemon.IRQS, [], {"count": 0})],
            [begin, (Daemon.IRQS, given["irqs"][:1], {"first": 1, "count": 1})],
            [begin, (Daemon.IRQS, given["irqs"][:1], {"first": 0xffffffff, "count": 1})],
        ]
        for messages in cases:
            with self.subTest(messages=messages), self.keeper.daemon() as daemon:
                self.assertEqual(daemon.read()["type"], daemon.SYNCED)
                for kind, fds, fields in messages:
                    daemon.send(kind, fds, **{**peer, **fields})
                self.assertIsNone(daemon.read(), "disconnected")
        for data in (b"x", b"x" * 55, b"x" * 57, b"x" * 1000):
            with self.keeper.daemon() as daemon:
                self.assertEqual(daemon.read()["type"], daemon.SYNCED)
                daemon.sock.send(data)
                self.assertIsNone(daemon.read(), "disconnected")
        self.wait_for_fds(before)

    def test_half_a_peer_is_closed_with_its_daemon(self):
        _, given = self.given(600)
        before = self.settled()
        with self.keeper.daemon() as daemon:
            peer = {name: given[name] for name in ("pid", "uid", "vectors", "window_size", "start_time")}
            daemon.send(daemon.PEER, given["fds"], **peer)
            daemon.send(daemon.IRQS, given["irqs"][:250], count=250, **peer)
            self.wait_for_fds(before + 254)
        self.wait_for_fds(before)

    def settled(self):
        """Its descriptors, once it has seen the end of who was there before."""
        count = 0
        while count != (now := self.keeper.fds()):
            count = now
            time.sleep(0.2)
        return count

    def wait_for_fds(self, count):
        deadline = time.monotonic() + WAIT
        while self.keeper.fds() != count:
            self.assertLess(time.monotonic(), deadline, f"{self.keeper.fds()} descriptors, not {count}")
            time.sleep(0.01)


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=1)
