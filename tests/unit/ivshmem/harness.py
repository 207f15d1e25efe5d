# SPDX-License-Identifier: LGPL-2.1-or-later
"""harness.py: run pvperf-ivshmem, be a VMM to it, be the daemon to it.

Used by test_ivshmem.py and test_qemu.py. Run as a program it is a VMM of its
own process, driven by lines on stdin: "connect", "read N", "leave" (exit, but
a child keeps the socket open).
"""
import array
import atexit
import json
import os
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

MAGIC = 0x31667265702d7670
WAIT = 20  # seconds; a bound, never a pace


def window_size(vectors):
    used = 0x4000 + (vectors + 1) * 0x4000 + 1024 * vectors * 64
    return 1 << (used - 1).bit_length()


def recv_fds(sock, size, most):
    """One message and its fds; (b'', []) when the other side hung up."""
    data, ancillary, _, _ = sock.recvmsg(size, socket.CMSG_SPACE(most * 4))
    fds = array.array("i")
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(payload[:len(payload) - len(payload) % fds.itemsize])
    return data, list(fds)


def readable(sock, seconds):
    poll = select.poll()  # select() does not know descriptors above 1023
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


class Peer:
    """What QEMU's ivshmem-doorbell does with its chardev."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(WAIT)
        self.sock.connect(path)
        self.messages = []  # (value, fd or None)

    def read(self, count):
        while len(self.messages) < count:
            data, fds = recv_fds(self.sock, 8, 4)
            if len(data) != 8 or len(fds) > 1:
                raise AssertionError(f"message {len(self.messages)}: {data!r}, {len(fds)} fds")
            self.messages.append((struct.unpack("<q", data)[0], fds[0] if fds else None))
        return self

    def handshake(self, vectors):
        return self.read(4 + vectors)

    def quiet(self, seconds=0.05):
        return not readable(self.sock, seconds)

    @property
    def values(self):
        return [value for value, _ in self.messages]

    @property
    def memfd(self):
        return self.messages[2][1]

    @property
    def doorbell(self):
        return self.messages[3][1]

    @property
    def irqs(self):
        return [fd for _, fd in self.messages[4:]]

    def close(self):
        self.sock.close()
        for _, fd in self.messages:
            if fd is not None:
                os.close(fd)
        self.messages = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Daemon:
    """The other end of the keeper socket; PVPERF_KEEPER_* of pvperf_keeper.h."""

    PEER, IRQS, SYNCED, GONE, REFUSED = 1, 2, 3, 4, 5
    VERSION = 2
    FORMAT = "<IHHQiIIIIIQQ"
    FIELDS = ("size version type connection pid uid vectors first count pad "
              "window_size start_time").split()

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(WAIT)
        self.sock.connect(path)

    def read(self):
        """The next message, with its fds as 'fds'; None when disconnected."""
        try:
            data, fds = recv_fds(self.sock, 4096, 253)
        except ConnectionResetError:
            return None
        if not data:
            return None
        size = struct.calcsize(self.FORMAT)
        if len(data) != size:
            raise AssertionError(f"message of {len(data)} bytes, not {size}")
        message = dict(zip(self.FIELDS, struct.unpack(self.FORMAT, data)))
        message["fds"] = fds
        return message

    def send(self, kind, fds=(), **fields):
        """A message that is whole unless told otherwise."""
        message = dict.fromkeys(self.FIELDS, 0)
        message.update({"size": struct.calcsize(self.FORMAT), "version": self.VERSION, "type": kind, **fields})
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.sock.sendmsg([struct.pack(self.FORMAT, *(message[name] for name in self.FIELDS))], rights)

    def hand_back(self, given, **fields):
        """Give a peer back as it was told, or with these fields otherwise."""
        peer = {name: given[name] for name in ("pid", "uid", "vectors", "window_size", "start_time")}
        peer.update(fields)
        self.send(self.PEER, given["fds"], **peer)
        for first in range(0, len(given["irqs"]), 250):
            irqs = given["irqs"][first:first + 250]
            self.send(self.IRQS, irqs, first=first, count=len(irqs), **peer)

    def taken(self):
        """The next peer that it is told of, with all its fds as 'fds' and 'irqs'."""
        message = self.until(self.PEER)[-1]
        message["irqs"] = []
        while len(message["irqs"]) < message["vectors"]:
            message["irqs"] += self.until(self.IRQS)[-1]["fds"]
        return message

    def until(self, kind):
        """All messages up to the first of a type."""
        messages = []
        while True:
            message = self.read()
            if message is None:
                raise AssertionError(f"disconnected while waiting for type {kind}")
            messages.append(message)
            if message["type"] == kind:
                return messages

    def quiet(self, seconds=0.05):
        return not readable(self.sock, seconds)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def public(path):
    """A copy of a file that every user can reach, wherever the tree lies."""
    directory = tempfile.mkdtemp(prefix="pvperf-ivshmem-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    os.chmod(directory, 0o755)
    return shutil.copy(path, directory)


class Process:
    """A VMM in a process of its own; extra arguments stand on its command line."""

    def __init__(self, path, *args, user=None):
        script = os.path.abspath(__file__) if user is None else public(__file__)
        self.proc = subprocess.Popen([sys.executable, script, path, *args],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                     user=user)
        self.pid = self.proc.pid

    def ask(self, line):
        self.proc.stdin.write(line + "\n")
        self.proc.stdin.flush()
        return json.loads(self.proc.stdout.readline())

    def close(self):
        self.proc.stdin.close()
        self.proc.stdout.close()
        self.proc.wait(WAIT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Keeper:
    """A running pvperf-ivshmem with directories of its own."""

    def __init__(self, program, prefix=(), **popen):
        self.dir = tempfile.mkdtemp(prefix="pvperf-ivshmem-")
        os.chmod(self.dir, 0o755)
        self.run_dir = os.path.join(self.dir, "qemu")
        os.mkdir(self.run_dir)
        self.socket = os.path.join(self.dir, "sockets", "ivshmem.sock")
        self.keeper_socket = os.path.join(self.dir, "sockets", "keeper.sock")
        self.log = os.path.join(self.dir, "log")
        self.argv = [*prefix, program, "--socket", self.socket, "--keeper-socket",
                     self.keeper_socket, "--qemu-run-dir", self.run_dir]
        self.popen = popen
        if "user" in popen:
            os.chown(self.dir, popen["user"], -1)
        self.proc = None
        self.start()

    def start(self):
        with open(self.log, "a") as log:
            self.proc = subprocess.Popen(self.argv, stderr=log, **self.popen)
        deadline = time.monotonic() + WAIT
        while not (os.path.exists(self.keeper_socket) and self.connectable()):
            if self.proc.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("pvperf-ivshmem did not start: " + self.read_log())
            time.sleep(0.01)

    def connectable(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            return sock.connect_ex(self.keeper_socket) == 0

    def read_log(self):
        with open(self.log) as log:
            return log.read()

    def status_xml(self, name, pid, vectors=None, mode=0o600):
        """What libvirt writes for a running VM."""
        shmem = "" if vectors is None else f"""
      <shmem name='other' role='peer'><msi vectors='9'/></shmem>
      <shmem name='pvperf' role='master'>
        <model type='ivshmem-doorbell'/>
        <server path='{self.socket}'/>
        <msi vectors='{vectors}' ioeventfd='on'/>
        <alias name='ua-pvperf'/>
      </shmem>"""
        path = os.path.join(self.run_dir, name + ".xml")
        with open(path, "w") as out:
            out.write(f"""<!--
WARNING: THIS IS AN AUTO-GENERATED FILE. <domstatus pid='1'>
-->

<domstatus state='running' reason='booted' pid='{pid}'>
  <monitor path='/x' type='unix'/>
  <domain type='qemu' id='1'>
    <name>{name}</name>
    <metadata>
      <o:x xmlns:o='urn:o' pid='1'><shmem name='pvperf'><msi vectors='7'/></shmem></o:x>
    </metadata>
    <devices>
      <emulator>/usr/bin/qemu</emulator>{shmem}
    </devices>
  </domain>
</domstatus>
""")
        os.chmod(path, mode)
        if "user" in self.popen:
            os.chown(path, self.popen["user"], -1)

    def peer(self):
        return Peer(self.socket)

    def daemon(self):
        return Daemon(self.keeper_socket)

    def wakeups(self):
        with open(f"/proc/{self.proc.pid}/status") as status:
            return sum(int(line.split()[1]) for line in status if "ctxt_switches" in line)

    def fds(self):
        return len(os.listdir(f"/proc/{self.proc.pid}/fd"))

    def stop(self):
        """Exit status after SIGTERM."""
        if self.proc.poll() is None:
            self.proc.terminate()
        return self.proc.wait(WAIT)

    def close(self):
        status = self.stop()
        log = self.read_log()
        shutil.rmtree(self.dir)
        if status != 0 or "ERROR" in log or "runtime error" in log:
            raise AssertionError(f"pvperf-ivshmem ended with {status}: {log}")


def main():
    peer = None
    for line in sys.stdin:
        words = line.split()
        if words[0] == "connect":
            peer = Peer(sys.argv[1])
            print("{}", flush=True)
        elif words[0] == "read":
            peer.read(int(words[1]))
            quiet = peer.quiet()
            size = os.fstat(peer.memfd).st_size
            print(json.dumps({"values": peer.values, "size": size, "quiet": quiet}), flush=True)
        elif words[0] == "leave":
            if os.fork() == 0:
                os.close(1)
                sys.stdin.read()
                os._exit(0)
            print("{}", flush=True)
            os._exit(0)


if __name__ == "__main__":
    main()
