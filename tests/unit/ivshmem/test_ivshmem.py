# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_ivshmem.py PROGRAM: pvperf-ivshmem against fake VMMs and a fake daemon."""
import ctypes
import fcntl
import os
import resource
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
import unittest

from harness import MAGIC, WAIT, Keeper, Peer, Process, public, window_size

PROGRAM = None
NOBODY = 65534
F_GET_SEALS = 1034
SO_PEERPIDFD = 77
SYS_CLONE3 = 435
SEALED = 0x1 | 0x2 | 0x4  # SEAL, SHRINK, GROW
root = unittest.skipUnless(os.geteuid() == 0, "needs root, to act as another user")


class Case(unittest.TestCase):
    def setUp(self):
        self.keeper = Keeper(PROGRAM)
        self.addCleanup(self.keeper.close)

    def known(self, vectors):
        """A VMM of this process that libvirt vouches for."""
        self.keeper.status_xml("vm", os.getpid(), vectors)
        return self.keeper.peer().handshake(vectors)

    def check_complete(self, peer, vectors):
        self.assertEqual(peer.values, [0, 0, -1, 1] + [0] * vectors)
        self.assertEqual([fd is None for _, fd in peer.messages], [True] * 2 + [False] * (2 + vectors))
        self.assertEqual(os.fstat(peer.memfd).st_size, window_size(vectors))
        self.assertEqual(fcntl.fcntl(peer.memfd, F_GET_SEALS) & SEALED, SEALED)
        head = struct.unpack("<QHHIQII", os.pread(peer.memfd, 32, 0))
        self.assertEqual(head, (MAGIC, 1, 0, 1 << 4, window_size(vectors), vectors, 0))
        self.assertEqual(os.pread(peer.memfd, 4064, 32), bytes(4064), "host down")


class Handshake(Case):
    def test_order_and_window(self):
        with self.known(3) as peer:
            self.check_complete(peer, 3)
            self.assertTrue(peer.quiet())

    def test_every_vector_has_its_own_eventfd(self):
        with self.known(4) as peer:
            os.write(peer.irqs[2], struct.pack("<Q", 5))
            for i, fd in enumerate([*peer.irqs, peer.doorbell]):
                if i == 2:
                    self.assertEqual(os.read(fd, 8), struct.pack("<Q", 5))
                with self.assertRaises(BlockingIOError):
                    os.read(fd, 8)

    def test_unknown_peer_gets_a_dead_window(self):
        with self.keeper.daemon() as daemon, self.keeper.peer().handshake(1) as peer:
            self.check_complete(peer, 1)
            self.assertTrue(peer.quiet(), "the connection stays open")
            self.assertEqual([m["type"] for m in daemon.until(daemon.SYNCED)], [daemon.SYNCED])
            self.assertTrue(daemon.quiet())

    def test_dead_windows_are_not_shared(self):
        with self.keeper.peer().handshake(1) as one, self.keeper.peer().handshake(1) as two:
            self.assertNotEqual(os.fstat(one.memfd).st_ino, os.fstat(two.memfd).st_ino)

    def test_second_connection_of_a_process_is_dead(self):
        with self.keeper.daemon() as daemon, self.known(2) as first:
            daemon.until(daemon.SYNCED)
            self.check_complete(first, 2)
            with self.keeper.peer().handshake(2) as second:
                self.check_complete(second, 2)
                self.assertNotEqual(os.fstat(first.memfd).st_ino, os.fstat(second.memfd).st_ino)
            self.assertTrue(daemon.quiet() or daemon.until(daemon.IRQS))
            self.assertTrue(daemon.quiet(), "told of the first one only")

    def test_a_process_may_come_again(self):
        self.known(2).close()
        with self.keeper.daemon() as daemon:
            daemon.until(daemon.SYNCED)
            with self.known(2) as peer:
                self.check_complete(peer, 2)
                # The end of the first one may come before this, never after it.
                told = daemon.until(daemon.IRQS)[-2:]
                self.assertEqual([(m["type"], m["connection"]) for m in told],
                                 [(daemon.PEER, 2), (daemon.IRQS, 2)])

    def test_status_xml_that_others_can_write_is_not_believed(self):
        self.keeper.status_xml("vm", os.getpid(), 2, mode=0o620)
        with self.keeper.daemon() as daemon, self.keeper.peer().handshake(1) as peer:
            self.check_complete(peer, 1)
            daemon.until(daemon.SYNCED)
            self.assertTrue(daemon.quiet())

    @root
    def test_any_user_gets_a_handshake(self):
        with Process(self.keeper.socket, user=NOBODY) as vmm:
            vmm.ask("connect")
            self.assertEqual(vmm.ask("read 5")["values"], [0, 0, -1, 1, 0])
        self.assertIn("uid 65534, 1 vectors: dead window", self.keeper.read_log())

    def test_vectors_of_command_lines(self):
        json_device = '{"driver":"ivshmem-doorbell","id":"ua-pvperf","chardev":"c","vectors":6}'
        old_device = "ivshmem-doorbell,id=ua-pvperf,chardev=c,vectors=5"
        other = "ivshmem-doorbell,id=theirs,vectors=9"
        cases = [
            (["-device", json_device], None, 6),
            (["-device", other, "-device", old_device], 2, 5),
            (["-device", other], 3, 3),
            (["-device", other, "-smp", "2,maxcpus=8,sockets=8"], None, 8),
            (["-smp", "4"], None, 4),
            (["-device", "ivshmem-doorbell,id=ua-pvperf,vectors=5000"], None, 1024),
            ([], None, 1),
        ]
        for args, status, expected in cases:
            with self.subTest(args=args), Process(self.keeper.socket, *args) as vmm:
                self.keeper.status_xml("vm", vmm.pid, status)
                vmm.ask("connect")
                told = vmm.ask(f"read {4 + expected}")
                self.assertEqual(told["size"], window_size(expected))
                self.assertEqual(told["values"], [0, 0, -1, 1] + [0] * expected)
                self.assertTrue(told["quiet"], "no more fds than vectors")

    def test_many_vectors_to_a_peer_that_reads_late(self):
        self.keeper.status_xml("vm", os.getpid(), 1024)
        with self.keeper.peer() as peer, self.keeper.daemon() as daemon:
            time.sleep(0.2)
            daemon.until(daemon.SYNCED)  # nobody waits for the peer
            peer.handshake(1024)
            self.check_complete(peer, 1024)

    def test_dead_window_of_many_vectors(self):
        device = "ivshmem-doorbell,id=x,vectors=1024"
        with Process(self.keeper.socket, "-device", device) as vmm:
            vmm.ask("connect")
            time.sleep(0.1)
            self.assertEqual(vmm.ask("read 1028")["size"], window_size(1024))
            self.assertLess(self.keeper.fds(), 30, "a dead window costs one fd")


class ForgedIdentity(Case):
    """A VMM that was taken over wants to pass for another VM's."""

    def left_behind(self):
        """A connection that waits for the keeper, and the pid of the process that made it, which is gone."""
        sock = socket.socket(socket.AF_UNIX)
        self.addCleanup(sock.close)
        pid = os.fork()
        if pid == 0:
            os._exit(sock.connect_ex(self.keeper.socket))
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        return sock, pid

    def process(self, pid):
        """A process with this pid."""
        numbers = (ctypes.c_int * 1)(pid)
        args = struct.pack("<11Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(numbers), 1, 0)
        got = ctypes.CDLL(None, use_errno=True).syscall(SYS_CLONE3, args, len(args))
        if got == 0:
            while True:
                signal.pause()
        if got < 0:
            self.skipTest(f"no process can be made with pid {pid}: {os.strerror(ctypes.get_errno())}")
        self.addCleanup(os.waitpid, pid, 0)
        self.addCleanup(os.kill, pid, signal.SIGKILL)

    def check_dead(self, sock):
        with self.keeper.daemon() as daemon:
            peer = Peer.__new__(Peer)
            peer.sock, peer.messages = sock, []
            sock.settimeout(WAIT)
            with peer.handshake(1):
                self.check_complete(peer, 1)
                daemon.until(daemon.SYNCED)
                self.assertTrue(daemon.quiet(), "nobody is told of it")

    def test_pid_of_a_process_that_is_gone(self):
        self.keeper.proc.send_signal(signal.SIGSTOP)
        sock, pid = self.left_behind()
        self.keeper.status_xml("victim", pid, 1)
        self.keeper.proc.send_signal(signal.SIGCONT)
        self.check_dead(sock)

    @root
    def test_pid_that_is_used_again(self):
        """By the victim, while the connection still waits. Before Linux 6.5 the daemon has to find it out."""
        one, other = socket.socketpair()
        with one, other:
            try:
                os.close(one.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD))
            except OSError:
                self.skipTest("the kernel does not tell a socket's peer by pidfd")
        self.keeper.proc.send_signal(signal.SIGSTOP)
        sock, pid = self.left_behind()
        self.process(pid)
        self.keeper.status_xml("victim", pid, 1)
        self.keeper.proc.send_signal(signal.SIGCONT)
        self.check_dead(sock)

    def test_command_line_names_another_vm(self):
        with Process(self.keeper.socket, "-name", "guest=victim", "-uuid", "c7a5fdbd-cdaf-9455-926a-d65c16db1809",
                     "-pidfile", "/run/libvirt/qemu/victim.pid") as vmm, self.keeper.daemon() as daemon:
            self.keeper.status_xml("victim", os.getpid(), 1)
            vmm.ask("connect")
            vmm.ask("read 5")
            daemon.until(daemon.SYNCED)
            self.assertTrue(daemon.quiet(), "nobody is told of it")


class Limits(Case):
    def test_beyond_the_quota_windows_are_shared(self):
        peers = []
        for _ in range(80):
            with self.subTest(peer=len(peers)):
                peers.append(self.keeper.peer().handshake(1))
                self.check_complete(peers[-1], 1)
        windows = {os.fstat(peer.memfd).st_ino for peer in peers}
        self.assertGreaterEqual(len(windows), 33)
        self.assertLess(len(windows), 60)
        self.assertFalse(peers[-1].quiet(), "a shared window's connection is closed")
        self.assertLess(self.keeper.fds(), 80)
        self.assertEqual(self.keeper.read_log().count("more connections than a user may have"), 1)
        with self.known(2) as vm:
            self.check_complete(vm, 2)
        for peer in peers:
            peer.close()

    def test_hang_up_frees_everything(self):
        before = self.keeper.fds()
        for _ in range(5):
            self.known(64).close()
        deadline = time.monotonic() + WAIT
        while self.keeper.fds() > before and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertLessEqual(self.keeper.fds(), before)

    def test_a_thousand_peers_leave_nothing(self):
        """Well-known ones, unknown ones, and ones that hang up in the middle of the handshake."""
        def rss():
            with open("/proc/%d/statm" % self.keeper.proc.pid, encoding="ascii") as statm:
                return int(statm.read().split()[1]) * 4
        for number in range(1050):
            if number == 50:
                fds, kib = self.keeper.fds(), rss()
            if number % 3 == 0:
                self.known(2).close()
            elif number % 3 == 1:
                self.keeper.peer().handshake(2).close()
            else:
                peer = self.keeper.peer()
                peer.read(1)
                peer.close()
        deadline = time.monotonic() + WAIT
        while self.keeper.fds() > fds and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertLessEqual(self.keeper.fds(), fds)
        # The address sanitizer keeps what was freed.
        if "sanitized" not in PROGRAM:
            self.assertLessEqual(rss(), kib + 256)

    def test_idle_and_babbling_peers_cost_nothing(self):
        with self.known(2) as peer, self.keeper.daemon() as daemon:
            daemon.until(daemon.SYNCED)
            peer.sock.send(b"x" * 1000)
            time.sleep(0.1)
            before = self.keeper.wakeups()
            time.sleep(1)
            self.assertEqual(self.keeper.wakeups(), before)

    def test_out_of_file_descriptors(self):
        self.keeper.stop()
        self.keeper.popen["preexec_fn"] = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))
        self.keeper.start()
        peers = []
        with Process(self.keeper.socket) as vmm:
            self.keeper.status_xml("vm", vmm.pid, 24)
            vmm.ask("connect")
            vmm.ask("read 28")
            for _ in range(40):
                peers.append(self.keeper.peer().handshake(1))
                self.check_complete(peers[-1], 1)
        for peer in peers:
            peer.close()

    @root
    def test_too_many_fds_in_flight(self):
        self.keeper.stop()
        self.keeper.argv[0] = public(PROGRAM)
        subprocess.run(["chown", "-R", str(NOBODY), self.keeper.dir], check=True)
        self.keeper.popen.update(
            user=NOBODY, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300)))
        self.keeper.start()
        device = "ivshmem-doorbell,vectors=200"
        vmms = [Process(self.keeper.socket, "-device", device) for _ in range(2)]
        for vmm in vmms:
            vmm.ask("connect")
        time.sleep(0.2)
        for vmm in vmms:
            self.assertEqual(len(vmm.ask("read 204")["values"]), 204)
            vmm.close()


class KeeperSocket(Case):
    def test_what_is_there_comes_first(self):
        with self.known(600) as peer, self.keeper.daemon() as daemon:
            first, *irqs, synced = daemon.until(daemon.SYNCED)
            self.assertEqual((first["type"], first["size"], first["version"]), (daemon.PEER, 56, 2))
            self.assertEqual((first["connection"], first["pid"], first["uid"]),
                             (1, os.getpid(), os.geteuid()))
            self.assertEqual((first["vectors"], first["window_size"]), (600, window_size(600)))
            with open("/proc/self/stat") as file:
                self.assertEqual(first["start_time"], int(file.read().rpartition(")")[2].split()[19]))
            self.assertEqual([(m["type"], m["first"], m["count"], len(m["fds"])) for m in irqs],
                             [(daemon.IRQS, 0, 250, 250), (daemon.IRQS, 250, 250, 250),
                              (daemon.IRQS, 500, 100, 100)])
            self.assertEqual(len(synced["fds"]), 0)
            self.check_same_objects(peer, first, [fd for m in irqs for fd in m["fds"]])
        for message in (first, *irqs):
            for fd in message["fds"]:
                os.close(fd)

    def check_same_objects(self, peer, first, irqs):
        memfd, doorbell, pidfd = first["fds"]
        self.assertEqual(os.fstat(memfd).st_ino, os.fstat(peer.memfd).st_ino)
        os.write(peer.doorbell, struct.pack("<Q", 3))
        self.assertEqual(os.read(doorbell, 8), struct.pack("<Q", 3))
        for i in (0, 249, 250, 599):
            os.write(irqs[i], struct.pack("<Q", i + 1))
            self.assertEqual(os.read(peer.irqs[i], 8), struct.pack("<Q", i + 1))
        with open(f"/proc/self/fdinfo/{pidfd}") as info:
            self.assertIn(f"Pid:\t{os.getpid()}\n", info.read())

    def test_changes_follow(self):
        with self.keeper.daemon() as daemon:
            daemon.until(daemon.SYNCED)
            for number in (1, 2):
                peer = self.known(2)
                self.assertEqual(daemon.until(daemon.IRQS)[0]["connection"], number)
                peer.close()
                gone = daemon.until(daemon.GONE)
                self.assertEqual([(m["type"], m["connection"]) for m in gone], [(daemon.GONE, number)])

    def test_exit_counts_even_if_somebody_keeps_the_socket(self):
        with self.keeper.daemon() as daemon:
            with Process(self.keeper.socket) as vmm:
                self.keeper.status_xml("vm", vmm.pid, 2)
                vmm.ask("connect")
                vmm.ask("read 6")
                daemon.until(daemon.IRQS)
                vmm.ask("leave")
                self.assertEqual(daemon.until(daemon.GONE)[-1]["connection"], 1)

    def test_slow_daemon_is_disconnected_and_told_anew(self):
        with self.keeper.daemon() as slow, self.keeper.daemon() as quick:
            quick.until(quick.SYNCED)
            for number in range(1, 700):
                self.known(1).close()
                for message in quick.until(quick.GONE):
                    for fd in message["fds"]:
                        os.close(fd)
                self.assertEqual(message["connection"], number)
            self.wait_for_log("a client has not read for")
            count = 0
            while (message := slow.read()) is not None:
                count += 1
                for fd in message["fds"]:
                    os.close(fd)
            self.assertLess(count, 700)
        with self.known(1), self.keeper.daemon() as again:
            self.assertEqual([m["type"] for m in again.until(again.SYNCED)],
                             [again.PEER, again.IRQS, again.SYNCED])

    def wait_for_log(self, text):
        deadline = time.monotonic() + WAIT
        while text not in self.keeper.read_log():
            self.assertLess(time.monotonic(), deadline, text)
            time.sleep(0.05)

    def test_number_of_daemons_is_bounded(self):
        daemons = [self.keeper.daemon() for _ in range(5)]
        self.assertIsNone(daemons[4].read())
        for daemon in daemons:
            if daemon is not daemons[4]:
                daemon.until(daemon.SYNCED)
            daemon.close()

    @root
    def test_other_users_are_refused(self):
        os.chmod(self.keeper.keeper_socket, 0o666)
        code = ("import socket,sys; s=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET); "
                "s.connect(sys.argv[1]); sys.exit(len(s.recv(99)))")
        done = subprocess.run([sys.executable, "-c", code, self.keeper.keeper_socket],
                              user=NOBODY, timeout=WAIT)
        self.assertEqual(done.returncode, 0)
        self.assertIn("uid 65534 is refused", self.keeper.read_log())


class Life(Case):
    def test_modes(self):
        def mode(path):
            return stat.S_IMODE(os.stat(path).st_mode)
        self.assertEqual(mode(os.path.dirname(self.keeper.socket)), 0o711)
        self.assertEqual(mode(self.keeper.socket), 0o666)
        self.assertEqual(mode(self.keeper.keeper_socket), 0o600)

    def test_no_second_one(self):
        done = subprocess.run(self.keeper.argv, capture_output=True, text=True, timeout=WAIT)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"another pvperf-ivshmem serves '{self.keeper.socket}'", done.stderr)
        with self.known(1) as peer:
            self.check_complete(peer, 1)

    def test_socket_of_somebody_else_is_left_alone(self):
        self.keeper.stop()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(self.keeper.socket)
            other.listen()
            done = subprocess.run(self.keeper.argv, capture_output=True, text=True, timeout=WAIT)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"another process listens on '{self.keeper.socket}'", done.stderr)
        self.keeper.start()

    def test_killed_and_started_again(self):
        with self.known(2) as peer:
            self.keeper.proc.kill()
            self.keeper.proc.wait(WAIT)
            self.assertTrue(os.path.exists(self.keeper.socket), "a stale socket")
            self.check_complete(peer, 2)
            self.keeper.start()
            with self.keeper.daemon() as daemon:
                self.assertEqual(daemon.read()["type"], daemon.SYNCED)

    def test_socket_activation(self):
        self.keeper.stop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as keeper, \
                socket.socket(socket.AF_UNIX) as vmm:
            for sock, path in ((keeper, self.keeper.keeper_socket), (vmm, self.keeper.socket)):
                sock.bind(path)
                sock.listen()

            def pass_sockets():
                fds = [fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD, 10) for sock in (keeper, vmm)]
                for i, fd in enumerate(fds):
                    os.dup2(fd, 3 + i)
                os.environ.update(LISTEN_FDS="2", LISTEN_FDNAMES="keeper:ivshmem")
            # Waiting in the backlog before anything runs.
            self.keeper.status_xml("vm", os.getpid(), 2)
            early = Peer(self.keeper.socket)
            shell = ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", *self.keeper.argv]
            with open(self.keeper.log, "a") as log:
                self.keeper.proc = subprocess.Popen(shell, stderr=log, close_fds=False,
                                                    preexec_fn=pass_sockets,
                                                    env=None)
            with early:
                self.check_complete(early.handshake(2), 2)
                with self.keeper.daemon() as daemon:
                    self.assertEqual(daemon.read()["type"], daemon.PEER)
            self.assertEqual(self.keeper.stop(), 0)
            self.assertTrue(os.path.exists(self.keeper.socket), "the service manager's socket stays")

    def test_ends_cleanly(self):
        with self.known(2):
            self.keeper.proc.send_signal(signal.SIGINT)
            self.assertEqual(self.keeper.proc.wait(WAIT), 0)
        self.assertFalse(os.path.exists(self.keeper.socket))


class CommandLine(unittest.TestCase):
    def run_program(self, *args, **env):
        return subprocess.run([PROGRAM, *args], capture_output=True, text=True, timeout=WAIT,
                              env={**os.environ, **env})

    def test_version_and_help(self):
        self.assertRegex(self.run_program("--version").stdout, r"^pvperf-ivshmem \d+\.\d+\.\d+\n$")
        done = self.run_program("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("--qemu-run-dir", done.stdout)

    def test_errors(self):
        cases = [
            (["--socket", "x"], "--socket: 'x' is not an absolute path"),
            (["--frobnicate"], "unrecognized option '--frobnicate'"),
            (["surplus"], "unknown argument 'surplus'"),
        ]
        for args, text in cases:
            with self.subTest(args=args):
                done = self.run_program(*args)
                self.assertEqual(done.returncode, 2)
                self.assertIn(text, done.stderr)
        self.assertIn("XDG_RUNTIME_DIR", self.run_program("--session", XDG_RUNTIME_DIR="").stderr)


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=1)
